"""Labels that no person gave: prefilled from file names, and simulated raters."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sopilot_assets.capture.simulate.raters import Rater, rated, read_truth
from sopilot_assets.errors import ConfigError, LabelError
from sopilot_assets.labels.events import Source
from sopilot_assets.labels.prefill import prefill_drafts
from sopilot_assets.labels.recordings import RecordingToLabel
from sopilot_assets.labels.sheet_files import read_sheet
from sopilot_assets.labels.simulated import fill_as
from sopilot_assets.labels.state import label_state
from sopilot_assets_tests.labels.made_up import AT, TASK, draft, key_of
from sopilot_assets_tests.labels.test_state import events

NAMES = ("take_1.mp4", "take_1_bad_freeze.mp4", "take_2_bad_cut_tail.mp4")
RECORDINGS = [RecordingToLabel(key_of(name), name, "videos/x.mp4") for name in NAMES]
TRUTH = {f"trainee_{n:04}.mp4": n % 4 == 0 for n in range(4000)}


def test_names_prefill_labels_that_are_marked() -> None:
    drafts = prefill_drafts(RECORDINGS, [], task_id=TASK, at=AT)
    assert [one.critical_expected for one in drafts] == [False, True, False]
    assert {one.source for one in drafts} == {Source.PREFILL}
    only = prefill_drafts(RECORDINGS, [], task_id=TASK, at=AT, pattern="_bad_", only_matching=True)
    assert [one.critical_expected for one in only] == [True, True]
    assert label_state(events(*drafts), ["blind_human", "human"]).empty


@pytest.mark.parametrize("source", ["blind_human", "human", "imported"])
def test_what_is_labeled_is_not_prefilled(source: str) -> None:
    labeled = events(draft(key_of(NAMES[1]), critical=False, source=source))
    drafts = prefill_drafts(RECORDINGS, labeled, task_id=TASK, at=AT)
    assert [one.key for one in drafts] == [key_of(NAMES[0]), key_of(NAMES[2])]


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(LabelError, match="regular expression"):
        prefill_drafts(RECORDINGS, [], task_id=TASK, at=AT, pattern="(")


def test_simulated_raters_err_at_their_rates() -> None:
    rater = Rater("r1", miss_rate=0.2, false_alarm_rate=0.05, unsure_rate=0.1)
    said = rated(TRUTH, rater, seed=1)
    assert sum(answer is None for answer in said.values()) / 4000 == pytest.approx(0.1, abs=0.02)
    for critical, rate in ((True, 0.2), (False, 0.05)):
        answers = [
            said[name] for name, truth in TRUTH.items() if truth is critical and said[name] is not None
        ]
        assert sum(one is not critical for one in answers) / len(answers) == pytest.approx(rate, abs=0.04)


def test_an_answer_depends_on_nothing_but_seed_rater_and_recording() -> None:
    rater = Rater("r1", miss_rate=0.3, false_alarm_rate=0.3)
    few = dict(list(TRUTH.items())[:50])
    every = rated(TRUTH, rater, seed=1)
    assert rated(few, rater, seed=1) == {name: every[name] for name in few}
    assert rated(few, rater, seed=2) != rated(few, rater, seed=1)
    assert rated(few, Rater("r2", 0.3, 0.3), seed=1) != rated(few, rater, seed=1)
    assert rated(TRUTH, Rater("sure"), seed=3) == TRUTH


def test_rates_beyond_one_are_refused() -> None:
    with pytest.raises(ConfigError, match="miss_rate"):
        Rater("r1", miss_rate=1.5)


def test_truth_is_read_by_file_name_and_bad_lines_are_named(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    path.write_text(json.dumps({"file": "videos/tea/a.mp4", "critical_expected": True}) + "\n", "utf-8")
    assert read_truth(path) == {"a.mp4": True}
    for line in ('{"file": "b.mp4"}', "{", '{"file": "b.mp4", "critical_expected": null}', "[]"):
        path.write_text(line, "utf-8")
        with pytest.raises(ConfigError, match="line 1"):
            read_truth(path)
    with pytest.raises(ConfigError, match=r"none\.jsonl"):
        read_truth(tmp_path / "none.jsonl")


def test_a_simulated_rater_fills_in_a_blind_sheet_and_no_sheet_of_a_person(tmp_path: Path) -> None:
    path = tmp_path / "r1.csv"
    truth = {NAMES[0]: False, NAMES[1]: True}
    assert fill_as(path, RECORDINGS, truth, Rater("r1"), seed=1) == 2
    assert [row.cells["critical_expected"] for row in read_sheet(path).rows] == ["no", "yes"]
    with pytest.raises(LabelError, match="expected no such file"):
        fill_as(path, RECORDINGS, truth, Rater("r1"), seed=1)
