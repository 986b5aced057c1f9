"""Dossiers that a careful forger, or a dishonest issuer, would like to see verified."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sopilot_assets.dossier.inputs import DossierInputs
from sopilot_assets.dossier.package import Dossier, build_dossier
from sopilot_assets.dossier.signing import SigningKey, new_key
from sopilot_assets.dossier.verifier.evidence import clusters_of
from sopilot_assets.dossier.verifier.fields import read_json
from sopilot_assets.dossier.verifier.files import read_files
from sopilot_assets.dossier.verifier.gates import (
    FIXED_CHECKS,
    LEAST_CHECKS,
    LOCKED_PROFILES,
    PROFILE_THRESHOLDS,
)
from sopilot_assets.dossier.verifier.report import main
from sopilot_assets.dossier.verifier.tables import CaseRow, number, read_csv
from sopilot_assets.dossier.verifier.verify import verify_files
from sopilot_assets.labels.events import Draft, Source, place
from sopilot_assets.studies.policy_fits import independent_units
from sopilot_assets.studies.profiles import CHECKS, PROFILES, study_profile
from sopilot_assets_tests.dossier.made_up import changed
from sopilot_assets_tests.dossier.test_tampering import edited_csv, issued_again

Files = Mapping[str, bytes]


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return new_key(tmp_path_factory.mktemp("issuer"), "issuer")


def bad_files(files: Files) -> list[str]:
    return verify_files(files, use_ssh_keygen=False).findings.bad_files


def edited(files: Files, name: str, change: Callable[[dict[str, Any]], object]) -> dict[str, bytes]:
    content = json.loads(files[name])
    change(content)
    return {**files, name: json.dumps(content).encode()}


def passing(gates: dict[str, Any], *, drop: bool) -> None:
    """The report as an issuer would like it: failed checks left out, or their thresholds moved."""
    report = gates["report"]
    if drop:
        report["checks"] = [check for check in report["checks"] if check["passed"]]
    for check in report["checks"]:
        if not check["passed"]:
            check |= {"threshold": check["value"], "passed": True, "reason": "ok"}
    report["overall_pass"] = True


@pytest.mark.parametrize("drop", [True, False])
def test_gates_that_ask_for_less_than_their_profile_are_found(
    files: Files, issuer: SigningKey, drop: bool
) -> None:
    forged = edited(files, "results/gates.json", lambda gates: passing(gates, drop=drop))
    forged = edited(forged, "dossier.json", lambda dossier: dossier.update(verdict="gates_passed"))
    assert bad_files(issued_again(forged, issuer)) == ["results/gates.json"]


def test_another_profile_than_the_registered_one_is_found(files: Files, issuer: SigningKey) -> None:
    forged = edited(files, "results/gates.json", lambda one: one["report"].update(profile="legacy_poc"))
    assert bad_files(issued_again(forged, issuer)) == ["results/gates.json"]


def test_overrides_that_were_not_registered_are_found(files: Files, issuer: SigningKey) -> None:
    override = {"check": "decided_share", "threshold": None, "reason": "too hard"}

    def loosen(gates: dict[str, Any]) -> None:
        gates["report"]["overrides"] = [override]
        for check in gates["report"]["checks"]:
            if check["name"] == "decided_share":
                check |= {"threshold": None, "enabled": False, "passed": True, "reason": "disabled"}

    forged = edited(files, "results/gates.json", loosen)
    assert bad_files(issued_again(forged, issuer)) == ["results/gates.json"]


def test_the_verifier_knows_the_profiles() -> None:
    assert {name: dict(study_profile(name).thresholds) for name in PROFILES} == {
        name: dict(thresholds) for name, thresholds in PROFILE_THRESHOLDS.items()
    }, "dossier/verifier/gates.py has its own copy"
    least = {check.name for check in CHECKS.values() if check.direction == "min"}
    assert least == LEAST_CHECKS, "dossier/verifier/gates.py has its own copy"
    assert {check.name for check in CHECKS.values() if check.fixed} == FIXED_CHECKS
    assert {name for name, profile in PROFILES.items() if profile.locked} == LOCKED_PROFILES


@pytest.mark.parametrize(
    ("change", "bad"),
    [
        ({"headline": []}, "dossier.json"),
        ({"verdict": "gates_passed"}, "dossier.json"),
        ({"detector": "", "policy_id": None, "verdict": "gates_passed"}, "dossier.json"),
        ({"label_sources": ["blind_human", "prefill"]}, "dossier.json"),
        ({"study_id": "another"}, "dossier.json"),
        ({"gate_split": "dev"}, "dossier.json"),
        ({"detectors": ["legacy_binary"]}, "dossier.json"),
    ],
)
def test_a_summary_that_says_something_else_is_found(
    files: Files, issuer: SigningKey, change: dict[str, Any], bad: str
) -> None:
    forged = edited(files, "dossier.json", lambda dossier: dossier.update(change))
    assert bad in bad_files(issued_again(forged, issuer))


@pytest.mark.parametrize("name", ["results/evaluations.json", "results/drift.json"])
def test_results_without_content_are_found(files: Files, issuer: SigningKey, name: str) -> None:
    assert name in bad_files(issued_again({**files, name: b"{}"}, issuer))


@pytest.mark.parametrize("content", [b"{}", b"[]"])
def test_a_dossier_that_says_nothing_does_not_verify(files: Files, content: bytes) -> None:
    assert "dossier.json" in bad_files({**files, "dossier.json": content})


def test_recordings_of_one_person_cannot_pass_for_many(files: Files, issuer: SigningKey) -> None:
    def alone(rows: list[dict[str, str]]) -> None:
        for row in rows:
            row["cluster"] = row["case_id"]

    forged = {**files, "rows/detections.csv": edited_csv(files["rows/detections.csv"], alone)}
    assert "rows/detections.csv" in bad_files(issued_again(forged, issuer))


def test_groups_are_found_as_the_product_finds_them(inputs: DossierInputs) -> None:
    assert inputs.tables.cases is not None
    rng = np.random.default_rng(3)
    n = len(inputs.tables.cases)
    cases = inputs.tables.cases.assign(
        person=rng.choice(["", "a", "b", "c", "d"], n),
        site=rng.choice(["north", ""], n),
        session=rng.choice([*map(str, range(40)), *[""] * 40], n),
        source_video=rng.choice([*map(str, range(60)), *[""] * 60], n),
    )
    cases.loc[: n // 2, "person"] = [f"p{number}" for number in range(n // 2 + 1)]
    rows = [
        CaseRow({str(name): value for name, value in row.items() if isinstance(value, str)}, {}, {})
        for row in cases.to_dict("records")
    ]
    found = clusters_of(rows)
    stated = independent_units(cases)
    assert len(set(zip(found, stated, strict=True))) == len(set(found)) == len(set(stated))
    assert [one == "" for one in found] == [one == "" for one in stated]


def test_json_that_says_a_thing_twice_is_refused() -> None:
    assert read_json(b'{"a": 1, "b": {"a": 2}}') == {"a": 1, "b": {"a": 2}}
    for text in ('{"verdict": "gates_passed", "verdict": "gates_failed"}', '{"a": NaN}', "[Infinity]"):
        with pytest.raises(ValueError, match=r"twice|no number"):
            read_json(text)


def test_tables_that_can_be_read_in_two_ways_are_refused() -> None:
    assert read_csv(b'a,b\n1,"x\ny"\n') == [{"a": "1", "b": "x\ny"}]
    for data in (b"a,a\n1,2\n", b"a,b\n1\n", b"a,b\n1,2,3\n"):
        with pytest.raises(ValueError, match=r"twice|expected 2 cells"):
            read_csv(data)
    with pytest.raises(ValueError, match="nan"):
        number("nan")


def test_a_case_that_is_listed_twice_is_found(files: Files, issuer: SigningKey) -> None:
    names = ("rows/cases.csv", "rows/detections.csv")
    forged = {
        **files,
        **{name: edited_csv(files[name], lambda rows: rows.append(rows[-1])) for name in names},
    }
    assert "rows/cases.csv" in bad_files(issued_again(forged, issuer))


def zipped(path: Path, members: list[tuple[str | zipfile.ZipInfo, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_that_programs_unpack_differently_is_refused(dossier: Dossier, tmp_path: Path) -> None:
    honest: list[tuple[str | zipfile.ZipInfo, bytes]] = [
        (f"{dossier.name}/{name}", data) for name, data in dossier.files.items()
    ]
    assert read_files(zipped(tmp_path / "honest.zip", honest)) == dict(dossier.files)
    link = zipfile.ZipInfo(f"{dossier.name}/rows/link")
    link.external_attr = 0o120777 << 16
    bad: list[tuple[str, tuple[str | zipfile.ZipInfo, bytes]]] = [
        ("twice", (f"{dossier.name}/index.html", b"<h1>All gates passed</h1>")),
        ("link", (link, b"/etc/passwd")),
        ("folder", (f"{dossier.name}/hidden/", b"bytes")),
    ]
    for why, member in bad:
        with pytest.raises(ValueError, match=why):
            read_files(zipped(tmp_path / f"{why}.zip", [member, *honest]))


def test_a_damaged_or_oversized_zip_is_no_crash(
    dossier: Dossier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = zipped(tmp_path / "d.zip", [(f"d/{name}", data) for name, data in dossier.files.items()])
    sound = path.read_bytes()
    rng = np.random.default_rng(1)
    for at in rng.integers(0, len(sound) // 2, 30):
        damaged = bytearray(sound)
        damaged[int(at)] ^= 255
        path.write_bytes(damaged)
        # what does not matter to any file, as its date, may be damaged
        assert main([str(path), "--hashes-only"]) == 1 or read_files(path) == dict(dossier.files)
    path.write_bytes(sound)
    monkeypatch.setattr("sopilot_assets.dossier.verifier.files.LARGEST_BYTES", 10_000)
    assert main([str(path)]) == 1
    assert "too many for a dossier" in capsys.readouterr().err


def test_nothing_hides_in_a_folder(folder: Path) -> None:
    (folder / "__pycache__").mkdir()
    cache = folder / "__pycache__" / "verify.cpython-311.pyc"
    cache.write_bytes(b"made by Python")
    assert verify_files(read_files(folder), use_ssh_keygen=False).ok
    for name in ("__pycache__/verify.html", "rows/__pycache__/more.csv", "all__pycache__.html"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"all gates passed")
        assert name in bad_files(read_files(folder))
        (folder / name).unlink()
    (folder / "more").symlink_to(folder / "rows", target_is_directory=True)
    with pytest.raises(ValueError, match="a link instead of a file"):
        read_files(folder)


def test_two_names_that_are_one_on_some_disks_are_found(files: Files, issuer: SigningKey) -> None:
    manifest = json.loads(files["manifest.json"])
    manifest["files"]["INDEX.html"] = manifest["files"]["index.html"]
    forged = {**files, "INDEX.html": files["index.html"], "manifest.json": json.dumps(manifest).encode()}
    found = verify_files(forged, signature=False, figures=False)
    assert any(line.file == "index.html" and "INDEX" in line.found for line in found.findings.failed)


def test_an_expected_signer_is_not_passed_over(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([str(folder), "--no-signature", "--signer", "SHA256:x"])
    assert stop.value.code == 2
    assert "--no-signature" in capsys.readouterr().err


ODD = 'No. 7, "left"\r\nline 2\u2028\x85 作業 🛠️'


def test_odd_notes_and_names_do_not_break_a_dossier(inputs: DossierInputs, key: SigningKey) -> None:
    events = inputs.labels.events
    draft = Draft(
        task_id=inputs.protocol.task_id,
        key=events[0].key,
        who="rater_a",
        at="2026-03-01T09:00:00+00:00",
        source=Source.BLIND_HUMAN,
        critical_expected=events[0].critical_expected,
        note=ODD,
    )
    last = place(draft, seq=len(events) + 1, previous_hash=events[-1].event_id)
    odd = changed(inputs, "labels", events=[*events, last], head=last.event_id)
    repeats = inputs.tables.repeats
    assert repeats is not None
    odd = changed(odd, "tables", repeats=repeats.assign(repeat_id=[ODD] * len(repeats)))
    built = build_dossier(odd, key)
    assert verify_files(built.files, use_ssh_keygen=False).ok
    assert list(csv.reader(io.StringIO(built.files["rows/repeats.csv"].decode(), newline="")))[1][0]


def test_the_report_never_calls_a_wrong_signature_the_expected_one(
    files: Files, folder: Path, issuer: SigningKey, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(folder), "--signer", issuer.fingerprint]) == 1
    told = capsys.readouterr().out
    assert "by the key that you expect" not in told
    assert "valid, but BY ANOTHER KEY than you expect" in told
    assert main([str(folder), "--signer", "partner.pub"]) == 1  # no such file
    assert "--signer: expected a fingerprint" in capsys.readouterr().err
    (folder / "statement.json").write_bytes(files["statement.json"] + b"\n")
    assert main([str(folder)]) == 1
    assert "Signature: NOT VALID" in capsys.readouterr().out
