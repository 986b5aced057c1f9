from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sopilot_assets.dossier.bundle import verify_script
from sopilot_assets.dossier.inputs import DossierInputs
from sopilot_assets.dossier.package import Dossier, build_dossier, publish_dossier
from sopilot_assets.dossier.plain import reason
from sopilot_assets.dossier.signing import SigningKey
from sopilot_assets.dossier.verifier.files import read_files
from sopilot_assets.dossier.verifier.report import main, report_lines
from sopilot_assets.dossier.verifier.verify import verify_files
from sopilot_assets.dossier.words import gate_value, not_shown, shown
from sopilot_assets.errors import DossierError
from sopilot_assets.texts.languages import Text
from sopilot_assets_tests.dossier.made_up import changed, study_inputs

pytestmark = pytest.mark.whole


def test_the_same_inputs_give_the_same_bytes(
    inputs: DossierInputs, dossier: Dossier, key: SigningKey
) -> None:
    study_inputs.cache_clear()
    again = build_dossier(study_inputs(), key)
    assert again.files == dossier.files
    assert again.zip_bytes() == dossier.zip_bytes()


def test_other_content_has_another_id(inputs: DossierInputs, dossier: Dossier, key: SigningKey) -> None:
    stills = inputs.pictures.stills
    assert stills is not None
    name = next(iter(stills))
    other = build_dossier(changed(inputs, "pictures", stills={**stills, name: b"\xff\xd8other"}), key)
    assert other.dossier_id != dossier.dossier_id


def test_figures_that_the_rows_do_not_give_are_refused(inputs: DossierInputs, key: SigningKey) -> None:
    detector = inputs.results.detector
    test = inputs.results.of("test", detector)
    assert test is not None
    assert inputs.results.figures is not None
    bad = replace(test, labels=replace(test.labels, critical_miss_rate=0.77))
    figures = {**inputs.results.figures, "test": {**inputs.results.figures["test"], detector: bad}}
    wrong = changed(inputs, "results", figures=figures)
    with pytest.raises(DossierError, match=rf"test\.{detector}\.critical_miss_rate"):
        build_dossier(wrong, key)


@pytest.mark.parametrize("name", ["../out.jpg", "a/b/c.jpg", "/etc/x.jpg", "a/.."])
def test_pictures_stay_in_their_folder(inputs: DossierInputs, key: SigningKey, name: str) -> None:
    with pytest.raises(DossierError, match="still"):
        build_dossier(changed(inputs, "pictures", stills={name: b"x"}), key)


def test_publishing_leaves_only_the_dossiers_own_files(dossier: Dossier, tmp_path: Path) -> None:
    folder, archive = publish_dossier(dossier, tmp_path)
    (folder / "old.txt").write_text("left over")
    publish_dossier(dossier, tmp_path)
    assert read_files(folder) == dossier.files
    assert read_files(archive) == dossier.files
    assert {info.date_time for info in zipfile.ZipFile(archive).infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_page_needs_nothing_but_itself(files: Mapping[str, bytes], inputs: DossierInputs) -> None:
    page = files["index.html"].decode()
    assert not re.search(r"<script|<link|<iframe|javascript:|\son\w+=", page, re.IGNORECASE)
    assert not re.search(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert "default-src 'none'" in page
    assert page.count("<svg") >= 6
    assert inputs.tables.errors is not None
    wrong = inputs.tables.errors.loc[inputs.tables.errors["error"] != "undecided", "case_id"]
    assert len(wrong) > 0
    assert all(case in page for case in wrong)
    assert page.count('src="data:image/jpeg') == 4 * len(wrong)


def test_the_page_says_the_verdict_and_what_would_be_needed(files: Mapping[str, bytes]) -> None:
    page = files["index.html"].decode()
    assert "Gates not passed" in page
    assert "more independent positives" in page


def test_the_japanese_part_has_every_error_and_how_it_was_done(
    files: Mapping[str, bytes], inputs: DossierInputs
) -> None:
    page = files["index.html"].decode().split('<section id="ja"')[1]
    assert inputs.tables.errors is not None
    listed = inputs.tables.errors.loc[inputs.tables.errors["error"] != "undecided"]
    assert page.count('<a href="#error-') == len(listed) > 0
    assert all(str(name) in page for name in listed["original_name"])
    assert len(re.findall("<td>(?:見逃し|誤警報)</td>", page)) == len(listed)
    assert not re.search("_reported|_found|_overruled|_threshold|_to_golds", page)
    for said in ("録画の分割", "分割をまたぐもの", "候補", "ラベルは", "一致度", "旧検出器", "見た記録"):
        assert said in page


@pytest.mark.parametrize(
    ("name", "english", "japanese"),
    [
        ("missing_step_reported", "missing step reported", "手順の抜けを報告"),
        ("nothing_found", "nothing found", "何も報告されていない"),
        ("several_reported", "several reported", "複数の逸脱を報告"),
        ("non_missing_critical", "non missing critical", "non missing critical"),
    ],
)
def test_a_reason_is_told_in_both_languages(name: str, english: str, japanese: str) -> None:
    assert reason(name) == Text(english, japanese)


def test_names_from_outside_are_escaped_in_the_page(inputs: DossierInputs, key: SigningKey) -> None:
    page = (
        build_dossier(changed(inputs, "protocol", title="<script>x</script>"), key)
        .files["index.html"]
        .decode()
    )
    assert "<script>" not in page


def test_the_auditors_walk(dossier: Dossier, key: SigningKey, tmp_path: Path) -> None:
    zipfile.ZipFile(io.BytesIO(dossier.zip_bytes())).extractall(tmp_path)
    folder = tmp_path / dossier.name
    # -I and -S: no package of this installation can be imported
    command = [
        sys.executable,
        "-I",
        "-S",
        "-W",
        "error",
        str(folder / "verify.py"),
        "--signer",
        key.fingerprint,
    ]
    done = subprocess.run(
        command, cwd="/", env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "comparisons agree" in done.stdout
    assert f"by the key that you expect, {key.fingerprint}" in done.stdout

    rows = folder / "rows" / "cases.csv"
    rows.write_bytes(rows.read_bytes().replace(b",north,", b",south,", 1))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "BAD  rows/cases.csv: SHA-256 in manifest.json" in done.stdout


def test_a_file_in_the_dossier_cannot_stand_in_for_the_library(folder: Path) -> None:
    (folder / "json.py").write_text("raise SystemExit(0)\n")
    done = subprocess.run(
        [sys.executable, str(folder / "verify.py")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "BAD  json.py" in done.stdout


def test_the_verifier_imports_the_standard_library_only_and_no_network() -> None:
    modules = {
        line.split()[1].partition(".")[0]
        for line in re.findall(r"^(?:from|import) \S+", verify_script(), re.M)
    }
    assert modules <= set(sys.stdlib_module_names) | {"__future__"}
    assert not modules & {"socket", "urllib", "http", "ssl", "ftplib"}


def test_the_report_names_figures_and_the_signer(files: Mapping[str, bytes], key: SigningKey) -> None:
    text = "\n".join(report_lines(verify_files(files)))
    assert "test miss rate" in text
    assert key.fingerprint in text
    assert "gates FAILED" in text


def test_verify_reads_a_folder_or_a_zip_and_refuses_anything_else(
    dossier: Dossier, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = tmp_path / "dossier.zip"
    archive.write_bytes(dossier.zip_bytes())
    assert main([str(folder), "--json"]) == 0
    assert main([str(archive), "--hashes-only"]) == 0
    archive.write_bytes(b"no zip")
    assert main([str(archive)]) == 1
    assert main([str(tmp_path / "nothing")]) == 1
    assert main([str(folder), "--signer", "no key"]) == 1
    assert "NOT OK" in capsys.readouterr().err


def test_a_study_that_passes_says_so_in_every_place(key: SigningKey) -> None:
    made = build_dossier(study_inputs(640, power=6.0), key)
    assert made.verdict == "gates_passed"
    assert "All gates passed" in made.files["index.html"].decode()
    assert json.loads(made.files["statement.json"])["predicate"]["result"] == "PASSED"
    assert "all gates passed" in "\n".join(report_lines(verify_files(made.files)))


def test_fits_that_are_no_policy_are_kept_apart(key: SigningKey) -> None:
    inputs = study_inputs(640, power=6.0)
    made = build_dossier(inputs, key)
    refused = {one.policy_id for one in inputs.results.policies if not one.feasible}
    assert refused
    assert {name.split("/")[2][:-5] for name in made.files if name.startswith("protocol/refused")} == refused


def test_repeats_without_a_score_are_not_told_as_measured(inputs: DossierInputs, dossier: Dossier) -> None:
    assert inputs.tables.repeats is not None
    repeats = inputs.tables.repeats.copy()
    exact = (repeats["kind"] == "exact").to_numpy()
    rows = np.flatnonzero(~exact)
    repeats.loc[exact, ["score", "base_score"]] = np.nan
    repeats.loc[rows[0], ["score", "base_score"]] = (0.0, 100.0)
    repeats.loc[rows[1:5], ["score", "base_score"]] = np.nan
    said = shown(changed(inputs, "tables", repeats=repeats), dossier.summary)
    left = len(rows) - 4
    (again,) = [one for one in said if one.startswith("Scored again")]
    assert again == (
        f"Scored again with the sampling shifted in time, {left} times in all, {left} recordings moved by at "
        "most 100 points, and the decision on 0 of them changed."
    )


def test_the_value_of_a_gate_on_many_recordings_is_written_out() -> None:
    assert gate_value("num_completed_jobs", 12345.0) == "12345"
    assert gate_value("num_completed_jobs", 500.0) == "500"
    assert gate_value("rescore_jitter_max_delta", 1.23456) == "1.235"


def test_a_gate_that_hardly_fails_does_not_read_like_its_threshold(
    inputs: DossierInputs, dossier: Dossier
) -> None:
    gates = inputs.results.gates
    assert gates is not None
    (check,) = [one for one in gates.report.checks if one.name == "clustered_miss_rate_ci95_high"]
    # 37 people without a miss, 26 of them with two recordings
    hardly = replace(check, passed=False, value=0.100157, reason="threshold_violation", needed=None)
    report = replace(gates.report, checks=(hardly,), overall_pass=False)
    said = not_shown(changed(inputs, "results", gates=replace(gates, report=report)), dossier.summary)
    assert (
        "Missed: upper 95 % bound, by person: at most 10\u00a0% was asked for, 10.02\u00a0% was found."
        in said
    )
