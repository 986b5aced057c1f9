"""The pictures of the desk in docs/desk.md, from the home of a demonstration.

python -m benchmarks.desk_pictures --home sopilot_home
"""

from __future__ import annotations

import argparse
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from benchmarks._checkouts import ROOT
from sopilot_assets.capture.registry import Registry
from sopilot_assets.dossier.pdf import installed_browser
from sopilot_assets.store.home import Home
from sopilot_assets_tests.desk.browser import served

WIDTH, HEIGHT, SHOWN = 1100, 760, 800
COLOURS = 256
SETTLES_MS = 4000
"""How long a page may take for its pictures."""


def main() -> None:
    """Take a picture of Today and of the steps of a gold, and write them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", default="sopilot_home", help="the home that `make demo` filled")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    options = parser.parse_args()
    browser = installed_browser()
    if browser is None:
        raise SystemExit("Install Chromium: the pictures are taken by it.")
    home = Home.at(options.home)
    gold = min(map(str, Registry.read_golds(home).recordings))
    pages = {
        "today": "/",
        "steps": f"/golds/{gold}/steps",
    }
    with served(home) as address, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(
            base_url=address, viewport={"width": WIDTH, "height": HEIGHT}, locale="en-GB"
        )
        page.goto("/")
        page.get_by_label("Your name or code").fill("ada")
        page.get_by_role("button", name="Go on").click()
        for name, path in pages.items():
            take(page, path, options.out / f"desk_{name}.png")
        chromium.close()


def take(page: Page, path: str, out: Path) -> None:
    """Write the picture of a page."""
    page.goto(path)
    page.wait_for_timeout(SETTLES_MS)
    with Image.open(BytesIO(page.screenshot())) as picture:
        small = picture.convert("RGB").resize((SHOWN, SHOWN * HEIGHT // WIDTH), Image.Resampling.LANCZOS)
    small.quantize(COLOURS).save(out, optimize=True)
    print(f"{out}: {out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
