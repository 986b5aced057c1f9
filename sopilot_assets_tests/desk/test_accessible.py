"""Every page can be used by people who see, hear or move badly, as far as axe-core can tell (WCAG 2.2, A and
AA).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import axe_core_python
import pytest
from playwright.sync_api import Browser, Page

from sopilot_assets.desk.accounts import Account, add_account
from sopilot_assets.desk.app import routes
from sopilot_assets.desk.roles import Role
from sopilot_assets.store.home import Home
from sopilot_assets_tests.desk.browser import served
from sopilot_assets_tests.desk.conftest import BOSS, PASSWORD

pytestmark = pytest.mark.whole

AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
PAGES = sorted({route.path for route in routes() if "GET" in route.methods and "{" not in route.path})
GRAVE = ("serious", "critical")


def faults(page: Page) -> list[str]:
    """What axe finds wrong, gravely, in the page that is shown."""
    found: dict[str, Any] = page.evaluate(
        f"async () => {{ {AXE}; return await axe.run({json.dumps(RULES)}); }}"
    )
    return [
        f"{page.url} {one['id']}: {node['html'][:150]}"
        for one in found["violations"]
        if one["impact"] in GRAVE
        for node in one["nodes"]
    ]


def test_what_shuts_people_out_is_found(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content(
        "<title>t</title><main><h1>h</h1><input><img src=x><p style='color:#ddd'>pale</p></main>"
    )
    assert {fault.split()[1].strip(":") for fault in faults(page)} >= {"image-alt", "label", "color-contrast"}
    page.close()


def walked(page: Page) -> Iterator[str]:
    """Every page that has an address of its own, one after the other; what is no HTML is passed over."""
    for path in PAGES:
        answer = page.request.get(path)
        if answer.ok and "text/html" in answer.headers.get("content-type", ""):
            page.goto(path)
            yield path


@pytest.mark.parametrize(("language", "scheme", "width"), [("en-GB", "light", 1000), ("ja-JP", "dark", 360)])
def test_no_page_shuts_anybody_out(
    browser: Browser, home: Home, language: str, scheme: Any, width: int
) -> None:
    for account in (Account("ada", Role.ADMIN), Account("ben", Role.TRAINEE, "p014")):
        add_account(home, account, password=PASSWORD, by=BOSS)
    with served(home) as address:
        context = browser.new_context(
            base_url=address,
            locale=language,
            color_scheme=scheme,
            viewport={"width": width, "height": 800},
            extra_http_headers={"accept-language": language[:2]},
        )
        page = context.new_page()
        page.goto("/sign-in")
        found = faults(page)
        page.locator("input[name=who]").fill("ada")
        page.locator("input[name=password]").fill("wrong password")
        page.locator("button.main").click()
        found += faults(page)
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("button.main").click()
        page.locator(".who").wait_for()
        paths = []
        for path in walked(page):
            paths.append(path)
            found += faults(page)
            wide = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
            found += [f"{path} scrolls sideways at {width} px"] if wide else []
        context.close()
    assert {"/", "/account", "/accounts"} <= set(paths)
    assert found == []


@pytest.mark.parametrize("language", ["en-GB", "ja-JP"])
def test_all_pages_are_named_in_one_row_on_a_small_laptop(
    browser: Browser, home: Home, language: str
) -> None:
    add_account(home, Account("ada", Role.ADMIN), password=PASSWORD, by=BOSS)
    with served(home) as address:
        context = browser.new_context(
            base_url=address, locale=language, viewport={"width": 1000, "height": 800}
        )
        page = context.new_page()
        page.goto("/")
        page.locator("input[name=who]").fill("ada")
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("button.main").click()
        links = page.locator(".bar nav a")
        assert links.count() > 9
        assert len(set(links.evaluate_all("all => all.map((one) => one.offsetTop)"))) == 1
        context.close()
