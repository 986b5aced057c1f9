"""The picture of a review page in the README, from the home of a demonstration.

python -m benchmarks.review_picture --home sopilot_home
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

from benchmarks._checkouts import ROOT
from sopilot_assets.dossier.pdf import installed_browser
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.home import Home

WIDTH, HEIGHT, SHOWN = 1100, 930, 720
COLOURS = 256


def main() -> None:
    """Take the picture of the first recording with a missing step, and write it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", default="sopilot_home", help="the home that `make demo` filled")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "review.png")
    options = parser.parse_args()
    browser = installed_browser()
    if browser is None:
        raise SystemExit("Install Chromium: the picture is taken by it.")
    home = Home.at(options.home)
    rows = scores_ledger(home).query(
        "select key from latest where decision = 'fail' and deviation_types = 'missing_step' "
        "order by original_name"
    )
    page = Path(str(home.review(str(rows["key"].iloc[0])))).absolute()
    with tempfile.TemporaryDirectory() as folder:
        taken = Path(folder) / "page.png"
        subprocess.run(
            [
                browser,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--hide-scrollbars",
                f"--user-data-dir={folder}/profile",
                f"--window-size={WIDTH},{HEIGHT}",
                "--virtual-time-budget=4000",
                f"--screenshot={taken}",
                page.as_uri(),
            ],
            check=True,
            capture_output=True,
        )
        with Image.open(taken) as picture:
            small = picture.convert("RGB").resize((SHOWN, SHOWN * HEIGHT // WIDTH), Image.Resampling.LANCZOS)
    small.quantize(COLOURS).save(options.out, optimize=True)
    print(f"{options.out}: {options.out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
