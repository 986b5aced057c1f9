"""A real browser at a real server: Debian's Chromium, driven by Playwright.

Where there is no Chromium the tests that need it are skipped, and say so; with SOPILOT_BROWSER=required they
fail.
"""

from __future__ import annotations

import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, sync_playwright

from sopilot_assets.desk.app import create_app
from sopilot_assets.desk.config import DeskConfig
from sopilot_assets.store.home import Home

_LOOKS, _LOOK_MS = 600, 50


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, for one module's tests."""
    path = shutil.which("chromium")
    if path is None:
        if os.environ.get("SOPILOT_BROWSER") == "required":
            pytest.fail("no chromium on the path, and SOPILOT_BROWSER=required")
        pytest.skip("no chromium on the path (on Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def wait_until(page: Page, condition: str) -> None:
    """Wait until a condition in JavaScript holds. The desk's policy forbids what Playwright's own way does,
    from its second look on.
    """
    for _ in range(_LOOKS):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(_LOOK_MS)
    raise AssertionError(f"{condition}: does not hold after {_LOOKS * _LOOK_MS / 1000:g} s")


@contextmanager
def served(home: Home, **settings: Any) -> Iterator[str]:
    """The address at which the desk of a home is served, with the real clock, by uvicorn in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(create_app(DeskConfig(home)), log_level="warning", **settings)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
