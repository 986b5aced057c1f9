"""A dossier whose recordings are erased: no picture of them is left in it, and it still verifies."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import signal
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from sopilot_assets.dossier.inputs import DossierInputs
from sopilot_assets.dossier.package import Dossier, build_dossier, erased_document, publish_dossier
from sopilot_assets.dossier.signing import SigningKey, new_key
from sopilot_assets.dossier.verifier.erased import ERASED, ERASED_SIGNATURE
from sopilot_assets.dossier.verifier.files import read_files, sha256
from sopilot_assets.dossier.verifier.report import report_lines
from sopilot_assets.dossier.verifier.verify import DossierVerification, verify_files
from sopilot_assets.store import publish
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets.upkeep.erasing.dossiers import dossiers_with, erase_in_dossier
from sopilot_assets.upkeep.erasing.plan import ErasedRecording, ErasurePlan
from sopilot_assets_tests.dossier.made_up import study_inputs
from sopilot_assets_tests.forkserver import started


@pytest.fixture(scope="module")
def inputs() -> DossierInputs:
    return study_inputs()


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return new_key(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def dossier(inputs: DossierInputs, key: SigningKey) -> Dossier:
    return build_dossier(inputs, key)


@pytest.fixture
def published(home: Home, dossier: Dossier, key: SigningKey) -> Path:
    """The folder of a signed dossier in a home that has its key."""
    shutil.copytree(key.private.parent, str(home.keys))
    return publish_dossier(dossier, home.dossiers / "pilot")[0]


def shown_cases(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "stills").iterdir())


def plan_of_cases(*cases: str) -> ErasurePlan:
    recordings = tuple(ErasedRecording(case, "0" * 64, 1, gold=False) for case in cases)
    return ErasurePlan("p1", "ann", "asked", "2025-06-09T08:00:00+00:00", recordings)


def verified(place: Path) -> DossierVerification:
    return verify_files(read_files(place), use_ssh_keygen=False)


def test_its_pictures_go_and_everything_else_verifies(home: Home, published: Path) -> None:
    one, other = shown_cases(published)[:2]
    pictures = [path.read_bytes() for path in sorted((published / "stills" / one).iterdir())]
    kept = [path.read_bytes() for path in sorted((published / "stills" / other).iterdir())]
    plan = plan_of_cases(one)
    assert dossiers_with(home, plan) == [published]
    published.with_name(f"{published.name}.pdf").write_bytes(b"printed with its pictures")
    assert erase_in_dossier(home, published, plan) == len(pictures)
    for place in (published, published.with_name(f"{published.name}.zip")):
        found = verified(place)
        assert found.ok, found.findings.failed
        assert found.erased.signed
        lines = report_lines(found)
        told = f"1 of {found.erased.of} recordings erased on request or after their time, {len(pictures)} "
        assert any(f"{told}pictures with them" in line for line in lines)
    everything = b"".join(read_files(published).values())
    with zipfile.ZipFile(published.with_name(f"{published.name}.zip")) as archive:
        everything += b"".join(archive.read(name) for name in archive.namelist())
    for picture in pictures:
        assert picture not in everything
        assert base64.b64encode(picture) not in everything
    assert all(picture in everything for picture in kept)
    assert not published.with_name(f"{published.name}.pdf").exists()


def test_a_second_erasure_adds_to_the_first_and_the_same_one_changes_nothing(
    home: Home, published: Path
) -> None:
    one, other = shown_cases(published)[:2]
    erase_in_dossier(home, published, plan_of_cases(one))
    once = read_files(published)
    erase_in_dossier(home, published, plan_of_cases(one))
    assert read_files(published) == once
    erase_in_dossier(home, published, plan_of_cases(other))
    found = verified(published)
    assert found.ok
    assert found.erased.recordings == {one, other}


def test_what_a_killed_erasure_left_half_written_goes_with_the_next_one(home: Home, published: Path) -> None:
    half = published / ".publishing-page.html"
    half.write_bytes(b"<html>")
    erase_in_dossier(home, published, plan_of_cases(shown_cases(published)[0]))
    assert not half.exists()
    for place in (published, published.with_name(f"{published.name}.zip")):
        found = verified(place)
        assert found.ok, found.findings.failed


def erase_until(root: str, folder: str, case: str, last: int) -> None:
    """Erase in a dossier; this process dies before it places file number ``last``, which is written."""
    placed, count = publish._place, itertools.count(1)

    def place(finished: Path, local: Path) -> None:
        if next(count) == last:
            os.kill(os.getpid(), signal.SIGKILL)
        placed(finished, local)

    publish._place = place
    erase_in_dossier(Home.at(root), Path(folder), plan_of_cases(case))


def test_a_dossier_verifies_whatever_file_an_erasure_was_killed_at(home: Home, published: Path) -> None:
    one = shown_cases(published)[0]
    for last in itertools.count(1):
        process = started(erase_until, str(home.root), str(published), one, last)
        process.join(120)
        found = verified(published)
        assert found.ok, (last, found.findings.failed)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
    assert last > 3
    assert found.erased.recordings == {one}


def test_without_its_key_the_dossier_verifies_and_says_that_nobody_signed_the_erasure(
    home: Home, published: Path
) -> None:
    for path in local_path(home.keys).iterdir():
        path.unlink()
    erase_in_dossier(home, published, plan_of_cases(shown_cases(published)[0]))
    found = verified(published)
    assert (found.ok, found.erased.signed) == (True, False)
    assert any("NOT SIGNED" in line for line in report_lines(found))


def test_a_page_that_somebody_else_put_in_the_place_of_the_signed_one_is_told(published: Path) -> None:
    files = dict(read_files(published))
    before, files["index.html"] = sha256(files["index.html"]), b"<p>all gates passed</p>"
    page = (before, sha256(files["index.html"]))
    files[ERASED] = erased_document([], {}, page=page)
    files.pop(ERASED_SIGNATURE, None)
    assert "NOT THE PAGE THAT WAS SIGNED" in "\n".join(report_lines(verify_files(files)))


def test_nothing_but_pictures_can_be_explained_away(home: Home, published: Path) -> None:
    erase_in_dossier(home, published, plan_of_cases(shown_cases(published)[0]))
    files = dict(read_files(published))
    told = json.loads(files[ERASED])
    manifest = json.loads(files["manifest.json"])["files"]
    rows = files.pop("rows/errors.csv")
    assert rows
    told["removed"]["rows/errors.csv"] = manifest["rows/errors.csv"]["sha256"]
    files[ERASED] = json.dumps(told).encode()
    files.pop(ERASED_SIGNATURE)
    found = verify_files(files, use_ssh_keygen=False)
    assert {ERASED, "rows/errors.csv"} <= set(found.findings.bad_files)
    changed = dict(read_files(published))
    changed["index.html"] += b"<p>all gates passed</p>"
    assert "index.html" in verify_files(changed, use_ssh_keygen=False).findings.bad_files
    forged = dict(read_files(published))
    forged[ERASED] = forged[ERASED].replace(b"asked", b"asked") + b" "
    assert ERASED_SIGNATURE in verify_files(forged, use_ssh_keygen=False).findings.bad_files


def test_a_dossier_made_after_an_erasure_is_ready_and_says_so(inputs: DossierInputs, key: SigningKey) -> None:
    assert inputs.tables.errors is not None
    case = next(str(one) for one in inputs.tables.errors.query("error != 'undecided'")["case_id"])
    stills = {
        name: data for name, data in (inputs.pictures.stills or {}).items() if not name.startswith(f"{case}/")
    }
    pictures = replace(inputs.pictures, stills=stills)
    assert not build_dossier(replace(inputs, pictures=pictures), key).ready
    told = build_dossier(replace(inputs, pictures=replace(pictures, erased=frozenset({case}))), key)
    assert told.ready
    found = verify_files(told.files, use_ssh_keygen=False)
    assert found.ok
    assert found.erased.recordings == {case}
    assert found.erased.signed
