from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import psutil
import pytest

from sopilot_assets.dossier import pdf
from sopilot_assets.errors import DossierError


@pytest.mark.skipif(not any(map(shutil.which, pdf.BROWSERS)), reason="no Chromium is installed")
def test_a_page_is_printed(folder: Path) -> None:
    target = folder.with_suffix(".pdf")
    assert pdf.print_pdf(folder / "index.html", target) == target
    assert target.read_bytes().startswith(b"%PDF-")
    assert sorted(path.name for path in folder.parent.iterdir()) == [folder.name, target.name]


def test_without_a_browser_it_says_what_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(DossierError, match="Install Chromium"):
        pdf.print_pdf(folder / "index.html", folder.with_suffix(".pdf"))


def test_a_browser_that_hangs_is_ended_with_all_it_started(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = folder.parent / "bin" / "chromium"
    browser.parent.mkdir()
    pid = browser.parent / "pid"
    # sleeps far longer than any test, in a child, as Chromium's zygotes do
    browser.write_text(f"#!/bin/sh\nsleep 1000 & echo $! > {pid}\nwait\n", encoding="utf-8")
    browser.chmod(0o755)
    monkeypatch.setenv("PATH", f"{browser.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(pdf, "_SECONDS", 1.0)
    with pytest.raises(DossierError, match="did not end"):
        pdf.print_pdf(folder / "index.html", folder.with_suffix(".pdf"))
    assert _ended(int(pid.read_text(encoding="utf-8")))


def _ended(pid: int) -> bool:
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False
