"""What lies in the folder beside the packages."""

from __future__ import annotations

import csv
import hashlib
import re
import sys
import tomllib
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement

from installer import bundle as bundles
from installer import pages
from sopilot_assets.privacy.detector import WEIGHTS_SHA256


def test_every_page_of_the_documentation_is_there_and_every_link_between_them_leads_somewhere(
    tmp_path: Path,
) -> None:
    pages.write_pages(bundles.ROOT, tmp_path / "docs")
    made = {path.name for path in (tmp_path / "docs").iterdir()}
    wanted = {f"{path.stem}.html" for path in (bundles.ROOT / "docs").glob("*.md")}
    assert made >= wanted | {"index.html", "CHANGELOG.html"}
    for path in (tmp_path / "docs").glob("*.html"):
        text = path.read_text(encoding="utf-8")
        links = re.findall(r'(?:href|src)="(?!https?:|#)([^"#]+)', text)
        assert {link for link in links if link.endswith((".html", ".png", ".svg"))} <= made, path.name
        assert not [link for link in links if link.endswith(".md")]


def test_the_sums_are_of_all_files_and_the_same_for_the_same_files(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "two").write_bytes(b"2")
    (tmp_path / "one").write_bytes(b"1")
    bundles.write_sums(tmp_path)
    sums = (tmp_path / "SHA256SUMS").read_text(encoding="utf-8")
    digest = hashlib.sha256
    assert sums == f"{digest(b'2').hexdigest()}  b/two\n{digest(b'1').hexdigest()}  one\n"
    bundles.write_sums(tmp_path)
    assert (tmp_path / "SHA256SUMS").read_text(encoding="utf-8") == sums


def test_every_package_states_a_licence(tmp_path: Path) -> None:
    bundles.write_licences(Path(sys.prefix), tmp_path / "licences")
    with (tmp_path / "licences" / "licences.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["package"]: row for row in csv.DictReader(file)}
    assert rows["dagster"]["licence"] == "Apache-2.0"
    assert (tmp_path / "licences" / f"numpy-{rows['numpy']['version']}").is_dir()
    assert int(rows["numpy"]["texts"]) > 1


def test_the_folder_has_what_only_the_first_patch_versions_of_this_python_need() -> None:
    """Debian 12 has Python 3.11.2, for which `redis` asks for one package more than for 3.11.3."""
    minor = ".".join(map(str, sys.version_info[:2]))
    first = {"extra": "", "python_full_version": f"{minor}.0"}
    asked = {
        requirement.name
        for one in distributions()
        for requirement in map(Requirement, one.requires or [])
        if requirement.marker is not None
        and requirement.marker.evaluate(first)
        and not requirement.marker.evaluate({"extra": "", "python_full_version": f"{minor}.99"})
    }
    assert asked <= set(bundles.FIRST_PATCHES_NEED)


def test_the_version_is_that_of_the_package() -> None:
    from sopilot_assets import __version__

    assert bundles.project_version() == __version__


def test_the_weights_of_the_face_detector_are_in_the_bill_with_their_licence() -> None:
    component = bundles.face_weights(bundles.ROOT)
    assert component["hashes"] == [{"alg": "SHA-256", "content": WEIGHTS_SHA256}]
    project = tomllib.loads((bundles.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "MIT" in project["license"]
    texts = [(bundles.ROOT / name).read_text(encoding="utf-8") for name in project["license-files"]]
    assert any("Permission is hereby granted" in text for text in texts)
