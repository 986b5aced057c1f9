from __future__ import annotations

import shutil
from pathlib import Path

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
