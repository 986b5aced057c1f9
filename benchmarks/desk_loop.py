"""The loop of the desk, in Chromium: label blind, settle, promote, and read before and after from the page.

Two raters label every trainee recording of a home blind, the second of them errs at some; a third person
settles what they disagree on; the first recordings that all call right are promoted with the steps that the
page proposes; the home is brought up to date. What raters answer comes from the labels of the simulation.
Pictures of the pages are kept, and what they say is printed:

    sopilot sample simulate --out /tmp/recordings --golds 8 --trainees 20 --persons p01-p12
    python -m benchmarks.desk_loop --home HOME --truth /tmp/recordings/labels.jsonl --out /tmp/pictures

With ``--policy STUDY`` the policy of a study whose dossier is there is adopted and withdrawn instead.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page, sync_playwright

from sopilot_assets.capture.registry import Registry
from sopilot_assets.desk.accounts import Account, add_account, list_accounts
from sopilot_assets.desk.log import Doer
from sopilot_assets.desk.roles import Role
from sopilot_assets.dossier.pdf import installed_browser
from sopilot_assets.store.home import Home
from sopilot_assets_tests.desk.browser import served

PASSWORD: Final = "the door is green on Mondays"
PEOPLE: Final = {
    "ada": Role.ADMIN,
    "ann": Role.RATER,
    "bob": Role.RATER,
    "cho": Role.RATER,
    "tess": Role.TRAINER,
}
ERRS_AT: Final = 6
"""The second rater says the opposite at every such recording."""
WIDTHS: Final = (360, 1000, 1920)
WAITS_MS: Final = 60_000


def main() -> None:
    """Go once round the loop."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", required=True, help="a home whose recordings are judged; it is changed")
    parser.add_argument("--truth", type=Path, help="labels.jsonl of the simulation")
    parser.add_argument("--out", type=Path, required=True, help="where the pictures go")
    parser.add_argument("--promotions", type=int, default=4, help="how many recordings (default 4)")
    parser.add_argument("--policy", help="the study whose policy is adopted and withdrawn")
    options = parser.parse_args()
    home, path = Home.at(options.home), installed_browser()
    if path is None:
        raise SystemExit("Install Chromium: the loop runs in it.")
    options.out.mkdir(parents=True, exist_ok=True)
    _accounts(home)
    with served(home) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        if options.policy:
            adopt_and_withdraw(_signed_in(browser, address, "ada"), options.policy, options.out)
            return
        truth = critical_recordings(home, options.truth)
        for who in ("ann", "bob"):
            label_all(_signed_in(browser, address, who), who, truth)
        settle_all(_signed_in(browser, address, "cho"), truth)
        promote_first(_signed_in(browser, address, "tess"), options.promotions, options.out)
        update = [sys.executable, "-c", "from sopilot_assets.cli import app; app()"]
        subprocess.run([*update, "score", "run", "--stale", "--home", options.home], check=True)
        look(browser, address, options.out)


def critical_recordings(home: Home, truth: Path) -> dict[str, bool]:
    """Whether each trainee recording shows a critical deviation, by key."""
    rows = [json.loads(line) for line in truth.read_text(encoding="utf-8").splitlines()]
    said = {Path(row["file"]).name: bool(row["critical_expected"]) for row in rows}
    known = Registry.read(home).recordings.items()
    return {str(key): said[one.original_name] for key, one in known if one.role == "trainee"}


def label_all(page: Page, who: str, truth: Mapping[str, bool]) -> None:
    """One rater labels all recordings."""
    page.goto("/label/next?task=filter_change&others=yes")
    keys = sorted(truth)
    count = 0
    while (key := _labelled_here(page)) is not None:
        errs = who == "bob" and keys.index(key) % ERRS_AT == 0
        _answer(page, critical=truth[key] != errs)
        count += 1
    print(f"{who} labelled {count} recordings blind")


def settle_all(page: Page, truth: Mapping[str, bool]) -> None:
    """A third person settles the disputes, one after the other."""
    count = 0
    while True:
        page.goto("/label/next-dispute?task=filter_change")
        key = _labelled_here(page)
        if key is None:
            break
        _answer(page, critical=truth[key])
        count += 1
    print(f"cho settled {count} disputes")


def _labelled_here(page: Page) -> str | None:
    """The key of the recording that the page asks about; None where it is the overview."""
    key = page.url.partition("/label/")[2].partition("?")[0].partition("/")[0]
    return key or None


def _answer(page: Page, *, critical: bool) -> None:
    was, answer = page.url, "yes" if critical else "no"
    page.locator(f"input[name=critical][value={answer}]").check(force=True)
    page.locator("#save").click()
    page.wait_for_url(lambda url: url != was, timeout=WAITS_MS)


def promote_first(page: Page, count: int, out: Path) -> None:
    """A trainer promotes the first candidates of the list, as their steps are proposed."""
    page.goto("/promotions")
    page.screenshot(path=out / "candidates.png", full_page=True)
    for number in range(count):
        page.goto("/promotions")
        page.locator(".candidates a.button").first.click()
        page.locator("#desk[data-ready]").wait_for(timeout=WAITS_MS)
        if number == 0:
            page.locator("#try").click()
            page.locator("#try:not([disabled])").wait_for(timeout=WAITS_MS * 5)
            print("trial:", page.locator("#tried").inner_text().replace("\n", " "))
        page.locator("#why").fill("two raters call it right; its steps were looked at")
        page.screenshot(path=out / f"promote_{number + 1}.png", full_page=True)
        page.locator("#confirm").click()
        page.locator("#state.done, #sure[open]").first.wait_for(timeout=WAITS_MS)
        if page.locator("#sure[open]").count():
            print("unusual:", page.locator("#sure ul").inner_text())
            page.locator("#sure button.main").click()
        page.locator("#state.done").wait_for(timeout=WAITS_MS)
        print(page.locator("h1").inner_text(), "->", page.locator("#state").inner_text())


def look(browser: Browser, address: str, out: Path) -> None:
    """What the pages say afterwards, in both languages and at every width."""
    for language in ("en-GB", "ja-JP"):
        for width in WIDTHS:
            page = _signed_in(browser, address, "tess", language=language, width=width)
            for name, path in (("list", "/promotions"), ("history", "/promotions/history/filter_change")):
                page.goto(path)
                page.screenshot(path=out / f"{name}_{language[:2]}_{width}.png", full_page=True)
            if (language, width) == ("en-GB", 1000):
                print(page.locator(".round").first.inner_text())


def adopt_and_withdraw(page: Page, study: str, out: Path) -> None:
    """An administrator adopts the policy of a study and withdraws it."""
    page.goto("/policies")
    page.screenshot(path=out / "policies.png", full_page=True)
    page.locator(f'a[href^="/policies/adopt/{study}?"]').click()
    page.screenshot(path=out / "verified.png", full_page=True)
    print(page.locator(".policy").inner_text())
    page.locator("input[name=reason]").fill("all gates passed")
    page.locator("main button.main").click()
    page.locator(".done").wait_for()
    page.screenshot(path=out / "adopted.png", full_page=True)
    print(page.locator(".policy").first.inner_text())
    page.locator("input[name=reason]").fill("another camera")
    page.locator(".acts button").click()
    page.locator(".done").wait_for()
    page.locator("details summary").first.click()
    page.screenshot(path=out / "withdrawn.png", full_page=True)
    print(page.locator("details").first.inner_text())


def _accounts(home: Home) -> None:
    there = {one.who for one in list_accounts(home)}
    for who, role in PEOPLE.items():
        if who not in there:
            doer = Doer("loop", "127.0.0.1", datetime.now(UTC))
            add_account(home, Account(who, role), password=PASSWORD, by=doer)


def _signed_in(
    browser: Browser, address: str, who: str, *, language: str = "en-GB", width: int = 1000
) -> Page:
    """A page of a person's own browser."""
    context = browser.new_context(base_url=address, locale=language, viewport={"width": width, "height": 900})
    page = context.new_page()
    page.goto("/sign-in")
    page.locator("input[name=who]").fill(who)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("button.main").click()
    page.locator(".who").wait_for()
    return page


if __name__ == "__main__":
    main()
