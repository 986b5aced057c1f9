"""Steps of golds and labels go out in every format and come back, by the commands."""

from __future__ import annotations

from pathlib import Path

from sopilot_assets.capture.ledgers import VIDEO_COLUMNS, videos_ledger
from sopilot_assets.capture.marks import marks_chain
from sopilot_assets.capture.registry import Registry
from sopilot_assets.exchange.formats import FORMATS, FileFormat
from sopilot_assets.labels.chain import read_chain
from sopilot_assets.stations.exchanged_steps import pictures_of
from sopilot_assets.store.home import Home
from sopilot_assets_tests.cli.running import rows, sopilot

TASK = "filter_change"


def test_steps_go_out_in_every_format_and_come_back_the_same(scored: Home, tmp_path: Path) -> None:
    before = rows(scored, "gold", "show", TASK)
    project = tmp_path / "steps.boris"
    sopilot(scored, "gold", "export", TASK, project)
    said = sopilot(scored, "gold", "import", TASK, "--by", "ann", "--steps", project).stdout
    assert "Steps taken of gold_001.mp4, gold_002.mp4, gold_003.mp4." in said
    assert {one.proposed_by for one in marks_chain(scored).read(TASK)} == {"boris: steps.boris"}
    for form in FileFormat:
        asked = tmp_path / f"{form.value}{FORMATS[form].suffix}"
        told = sopilot(scored, "gold", "export", TASK, asked, "--format", form.value).stdout
        made = asked if asked.exists() else asked.with_suffix(".zip")
        assert made.name in told.replace("\n", "")
        back = sopilot(scored, "gold", "import", TASK, "--by", "ann", "--steps", made)
        assert "nothing changed" in back.stdout, form
        assert back.stderr == "", form
    assert rows(scored, "gold", "show", TASK) == before


def test_a_file_of_one_recording_is_about_the_one_that_is_named(scored: Home, tmp_path: Path) -> None:
    file, names = tmp_path / "one.eaf", ("gold_002.mp4", "gold_001.mp4")
    sopilot(scored, "gold", "export", TASK, file, "--recording", names[0])
    ask = ("gold", "import", TASK, "--by", "ann", "--steps", str(file), "--recording")
    told = sopilot(scored, *ask, names[0])
    assert (told.stderr, f"Steps taken of {names[0]}." in told.stdout) == ("", True)
    other = sopilot(scored, *ask, names[1]).stderr.replace("\n", " ")
    assert "speaks of './gold_002.mp4', taken as gold_001.mp4" in other
    assert "other content than gold_001.mp4 has now (its hash differs)" in other
    sopilot(scored, "gold", "export", TASK, tmp_path / "what.json", exit_code=1)
    assert not (tmp_path / "what.json").exists()
    assert len(marks_chain(scored).read(TASK)) == 2


def test_labels_go_out_and_come_back(scored: Home, tmp_path: Path) -> None:
    trainee = next(one for one in Registry.read(scored).active(TASK).values() if one.role == "trainee")
    key, step = str(trainee.key), "wipe_seat"
    seen = f"missing_step:{step}@1.234"
    sopilot(scored, "label", "add", TASK, key, "yes", "--who", "ann", "--seen", seen, "--note", "open")
    for form in (FileFormat.ELAN, FileFormat.LABEL_STUDIO):
        file = tmp_path / f"{form.value}{FORMATS[form].suffix}"
        sopilot(scored, "label", "export", TASK, file, "--who", "ann", "--format", form.value)
        bob = ("label", "import", TASK, file, "--who", "bob", "--source", "blind_human")
        sopilot(scored, *bob)
    events = read_chain(scored, TASK)
    assert [(one.who, one.critical_expected, str(one.seen[0])) for one in events] == [
        ("ann", True, seen),
        ("bob", True, seen),
    ]
    file = tmp_path / "elan.eaf"
    file.write_text(file.read_text("utf-8").replace("missing_step", "mising_step"), "utf-8")
    refused = sopilot(scored, *bob[:3], file, *bob[4:], exit_code=1).stderr.replace("\n", " ")
    assert "did you mean missing_step?" in refused
    assert len(read_chain(scored, TASK)) == 2
    assert pictures_of(scored, trainee).end_ms > 1234


def test_labels_of_two_recordings_of_one_name_are_both_written(scored: Home, tmp_path: Path) -> None:
    trainees = [one for one in Registry.read(scored).active(TASK).values() if one.role == "trainee"]
    first, second = trainees[:2]
    named = {name: second.row[name] for name in VIDEO_COLUMNS} | {"original_name": first.original_name}
    videos_ledger(scored).append([named], run_id="named", written_at="2030-01-01T00:00:00+00:00")
    wanted = {str(first.key): True, str(second.key): False}
    for key, critical in wanted.items():
        sopilot(scored, "label", "add", TASK, key, "yes" if critical else "no", "--who", "ann")
    for form in (FileFormat.BORIS, FileFormat.BORIS_TABLE, FileFormat.ELAN, FileFormat.VIA, FileFormat.CVAT):
        file = tmp_path / f"{form.value}{FORMATS[form].suffix}"
        sopilot(scored, "label", "export", TASK, file, "--who", "ann", "--format", form.value)
        made = file if file.exists() else file.with_suffix(".zip")
        who = f"by_{form.value}"
        sopilot(
            scored, "label", "import", TASK, made, "--who", who, "--source", "blind_human", "--format", form
        )
        found = {one.key: one.critical_expected for one in read_chain(scored, TASK) if one.who == who}
        assert found == wanted, form
