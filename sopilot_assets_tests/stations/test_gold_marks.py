"""Steps that people confirm: what counts, what it changes, and what is refused."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from sopilot_assets.capture.marks import MarkEvent, deciding_marks, marks_chain, marks_ledger
from sopilot_assets.capture.promotions import ConfirmedStep
from sopilot_assets.capture.registry import Registry
from sopilot_assets.errors import ExchangeError, GoldError, MarkConflict
from sopilot_assets.exchange.formats import FileFormat
from sopilot_assets.reference.ledger import reference_rows
from sopilot_assets.stations.exchanged_steps import export_steps, import_steps
from sopilot_assets.stations.gold_inputs import GoldInputs, gold_remarks, task_inputs
from sopilot_assets.stations.gold_marks import confirm_steps, confirmed_of
from sopilot_assets.stations.gold_references import refresh_references
from sopilot_assets.stations.marked_golds import usual_seconds
from sopilot_assets.stations.review_now import result_now
from sopilot_assets.stations.staleness import outdated_by_golds, stale_scores
from sopilot_assets.stations.step_proposals import propose_steps
from sopilot_assets.store.chain import NO_EVENT
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks import TaskSpec, find_tasks, load_task
from sopilot_assets.upkeep.chains import event_chains
from sopilot_assets.upkeep.conditions.golds import steps_confirmed
from sopilot_assets.upkeep.conditions.situation import Situation
from sopilot_assets_tests.cli.running import rows, sopilot
from sopilot_assets_tests.stations.test_gold_promotions import demote, label, promote, reference_bytes
from sopilot_assets_tests.stations.test_staleness import bring_up_to_date, keys, later, steps_csv

TASK = "filter_change"
BEGIN = datetime(2026, 3, 2, 8, tzinfo=UTC)
_moments = itertools.count(1)


def golds(home: Home) -> list[PartitionKey]:
    return [PartitionKey.parse(key) for key in keys(home, "gold")]


def task_of(home: Home) -> TaskSpec:
    return load_task(home.tasks / f"{TASK}.yaml")


def inputs(home: Home) -> GoldInputs:
    return task_inputs(home, find_tasks(home.root).tasks)[TASK]


def steps_now(home: Home, key: PartitionKey) -> tuple[ConfirmedStep, ...]:
    return confirmed_of(task_of(home), inputs(home).annotations.steps.get(key.video_id, ()))


def moved(steps: Sequence[ConfirmedStep], by_s: float) -> tuple[ConfirmedStep, ...]:
    """The same steps with the border after the first one elsewhere."""
    first, second, *rest = steps
    border = first.end_s + by_s
    return (
        first.model_copy(update={"end_s": border}),
        second.model_copy(update={"start_s": border}),
        *rest,
    )


def confirm(
    home: Home, key: PartitionKey, steps: Sequence[ConfirmedStep], who: str = "tess", **more: object
) -> MarkEvent | None:
    at = BEGIN + timedelta(minutes=next(_moments))
    fields = {"at": at, "run_id": "desk", "based_on": newest(home, key)}
    return confirm_steps(home, key, steps, who=who, **{**fields, **more})  # type: ignore[arg-type]


def newest(home: Home, key: PartitionKey) -> str:
    mark = deciding_marks(marks_chain(home).read(TASK)).get(str(key))
    return NO_EVENT if mark is None else mark.event_id


def is_outdated(home: Home, key: PartitionKey) -> bool:
    """Whether the page of a recording says that its result is."""
    told = result_now(home, key)
    assert told is not None
    return told.outdated


def events(home: Home) -> list[MarkEvent]:
    return marks_chain(home).read(TASK)


def test_a_home_without_marks_has_the_reference_it_had(scored: Home) -> None:
    before, was = reference_bytes(scored), inputs(scored).fingerprint
    key = golds(scored)[0]
    confirm(scored, key, steps_now(scored, key))  # what steps.csv says, confirmed
    assert inputs(scored).fingerprint == was
    assert reference_bytes(scored) == before
    assert stale_scores(scored).empty


def test_a_mark_counts_over_steps_csv_makes_scores_stale_and_one_update_brings_all_to_rest(
    scored: Home,
) -> None:
    key, was = golds(scored)[0], inputs(scored).fingerprint
    before = steps_now(scored, key)
    event = confirm(scored, key, moved(before, 0.4))
    assert event is not None
    assert steps_now(scored, key) == moved(before, 0.4)
    assert inputs(scored).fingerprint != was
    assert set(stale_scores(scored)["why"]) == {"reference"}
    tasks = find_tasks(scored.root).tasks
    assert list(outdated_by_golds(scored, tasks, task_inputs(scored, tasks))) == [TASK]
    assert is_outdated(scored, key)
    bring_up_to_date(scored)
    assert stale_scores(scored).empty
    assert not is_outdated(scored, key)
    confirm(scored, key, before, who="bob")
    assert inputs(scored).fingerprint == was  # what counts is what is said now, however it came


def test_steps_csv_that_says_otherwise_is_told_and_can_be_imported(scored: Home) -> None:
    key = golds(scored)[0]
    before = steps_now(scored, key)
    confirm(scored, key, moved(before, 0.4))
    (remark,) = inputs(scored).overruled
    name = Registry.read(scored)[key].original_name
    assert f"says other steps of {name} than its confirmed mark, which counts" in remark.en
    assert "sopilot gold import filter_change" in remark.ja
    assert remark.en in gold_remarks(scored, {TASK: inputs(scored)})
    told = steps_confirmed(Situation(scored, BEGIN, {})).told
    assert any("other steps than confirmed" in str(one) for one in told)
    done = _import(scored, steps_csv(scored).read_bytes())
    assert set(done.taken) == {"gold_001.mp4", "gold_002.mp4", "gold_003.mp4"}
    assert steps_now(scored, key) == before
    assert inputs(scored).overruled == ()
    assert {one.proposed_by for one in events(scored)[1:]} == {"steps.csv"}
    assert _import(scored, steps_csv(scored).read_bytes()).taken == ()


def _import(home: Home, data: bytes):  # type: ignore[no-untyped-def]
    at = BEGIN + timedelta(minutes=next(_moments))
    return import_steps(home, inputs(home), data, source="marked.csv", who="tess", at=at, run_id="desk")


def exported(home: Home) -> str:
    return export_steps(home, task_of(home), inputs(home), FileFormat.CSV)[1].decode("utf-8-sig")


def test_what_is_written_as_a_sheet_reads_back_the_same(scored: Home) -> None:
    key = golds(scored)[1]
    confirm(scored, key, moved(steps_now(scored, key), -0.123))
    was, sheet = inputs(scored).fingerprint, exported(scored)
    steps_csv(scored).write_text(sheet, "utf-8")
    assert inputs(scored).overruled == ()
    _import(scored, sheet.encode())
    steps_csv(scored).unlink()
    assert inputs(scored).fingerprint == was


def test_commands_show_steps_and_take_them_from_a_sheet(scored: Home, tmp_path: Path) -> None:
    key = golds(scored)[0]
    before = steps_now(scored, key)
    assert len(rows(scored, "gold", "show", TASK)) == 21
    sheet = tmp_path / "marked.csv"
    shown = sopilot(scored, "gold", "show", TASK, "--csv").stdout
    sheet.write_text(shown.replace(f",{before[0].end_s:g}\n", f",{before[0].end_s - 0.1:.3f}\n"), "utf-8")
    said = sopilot(scored, "gold", "import", TASK, "--by", "ann", "--steps", str(sheet)).stdout
    assert "are stale" in said
    assert steps_now(scored, key)[0].end_s == pytest.approx(before[0].end_s - 0.1)
    again = sopilot(scored, "gold", "import", TASK, "--by", "ann", "--steps", str(sheet)).stdout
    assert "nothing changed" in again
    sheet.write_text(shown.replace("wipe_seat", "wipe_set"), "utf-8")
    refused = sopilot(scored, "gold", "import", TASK, "--by", "ann", "--steps", str(sheet), exit_code=1)
    assert "did you mean wipe_seat" in refused.stderr.replace("\n", " ")


def test_faults_of_a_sheet_are_named_by_line_and_nothing_is_taken(scored: Home) -> None:
    text = steps_csv(scored).read_text("utf-8").replace("lift_off_cover", "lift_of_cover", 1)
    with pytest.raises(
        ExchangeError, match=r"marked.csv, line 3, column step: .*did you mean lift_off_cover"
    ):
        _import(scored, text.encode())
    assert events(scored) == []


def test_faults_of_steps_csv_matter_only_as_long_as_a_gold_needs_it(scored: Home) -> None:
    for key in golds(scored)[:2]:
        confirm(scored, key, steps_now(scored, key))
    last = golds(scored)[2]
    kept = steps_now(scored, last)
    steps_csv(scored).write_text("video,step,start_s,end_s\ngold_003.mp4,dance,0,1\n", "utf-8")
    assert inputs(scored).problem is not None
    confirm(scored, last, kept)
    assert inputs(scored).problem is None
    assert "found 'dance'" in inputs(scored).overruled[0].en
    assert inputs(scored).unannotated == ()


def test_saying_the_same_once_more_adds_nothing(scored: Home) -> None:
    key = golds(scored)[0]
    steps = moved(steps_now(scored, key), 0.2)
    seen = newest(scored, key)
    assert confirm(scored, key, steps, based_on=seen) is not None
    assert confirm(scored, key, steps, based_on=seen) is None  # sent again after a lost answer
    assert confirm(scored, key, steps) is None
    assert len(events(scored)) == 1
    assert confirm(scored, key, steps, who="bob") is not None  # a second person says so too


def test_who_confirms_on_an_older_base_is_refused_and_told_who_was_first(scored: Home) -> None:
    key = golds(scored)[0]
    before, seen = steps_now(scored, key), newest(scored, key)
    confirm(scored, key, moved(before, 0.2), who="ann", based_on=seen)
    with pytest.raises(MarkConflict, match="ann confirmed its steps meanwhile") as refused:
        confirm(scored, key, moved(before, -0.2), who="bob", based_on=seen)
    assert "ann が" in str(refused.value.ja)
    assert [one.who for one in events(scored)] == ["ann"]
    confirm(scored, key, moved(before, -0.2), who="bob")
    assert steps_now(scored, key) == moved(before, -0.2)


def test_of_many_at_once_one_is_taken_and_the_chain_is_whole(scored: Home) -> None:
    key = golds(scored)[0]
    before = steps_now(scored, key)

    def say(number: int) -> str:
        try:
            confirm(scored, key, moved(before, number / 100), who=f"p{number}", based_on=NO_EVENT)
        except MarkConflict:
            return "told"
        return "taken"

    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(say, range(1, 9)))
    assert sorted(said) == ["taken", *["told"] * 7]
    assert len(events(scored)) == 1


def test_an_independent_mark_decides_nothing_and_is_kept(scored: Home) -> None:
    key, was = golds(scored)[0], inputs(scored).fingerprint
    before = steps_now(scored, key)
    assert confirm(scored, key, moved(before, 0.6), who="bob", independent=True) is not None
    assert inputs(scored).fingerprint == was
    confirm(scored, key, before)
    assert [one.independent for one in events(scored)] == [True, False]
    assert confirm(scored, key, moved(before, 0.6), who="bob", independent=True) is not None


FAULTS: dict[str, tuple[Callable[[ConfirmedStep, float], dict[str, object]], str]] = {
    "unknown": (lambda _one, _end: {"step": "dance"}, "expected steps of filter_change"),
    "backwards": (lambda one, _end: {"end_s": one.start_s}, "to end after it begins"),
    "after the end": (lambda _one, end: {"end_s": end + 5}, "to end within the"),
    "overlap": (lambda one, _end: {"end_s": one.end_s + 1}, "begins at .* before .* ends"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_steps_that_no_recording_can_have_are_refused(scored: Home, fault: str) -> None:
    key = golds(scored)[0]
    change, why = FAULTS[fault]
    steps = list(steps_now(scored, key))
    place = -1 if fault == "after the end" else 0
    steps[place] = steps[place].model_copy(update=change(steps[place], Registry.read(scored)[key].duration_s))
    with pytest.raises(GoldError, match=why) as refused:
        confirm(scored, key, steps)
    assert refused.value.ja
    assert events(scored) == []


def test_no_step_at_all_and_what_is_no_gold_are_refused(scored: Home) -> None:
    key = golds(scored)[0]
    with pytest.raises(GoldError, match="expected at least one step"):
        confirm(scored, key, ())
    trainee = PartitionKey.parse(keys(scored, "trainee")[0])
    with pytest.raises(GoldError, match="expected a gold that counts; it is a trainee's recording"):
        confirm(scored, trainee, steps_now(scored, key))
    with pytest.raises(GoldError, match="not registered"):
        confirm(scored, PartitionKey(TASK, "gold", "0" * 12), steps_now(scored, key))


def test_a_step_may_be_missing_or_done_in_two_parts(scored: Home) -> None:
    key = golds(scored)[0]
    first, second, *rest = steps_now(scored, key)
    again = first.model_copy(update={"start_s": rest[-1].end_s - 0.5, "end_s": rest[-1].end_s})
    shown = (first, *rest[:-1], rest[-1].model_copy(update={"end_s": again.start_s}), again)
    confirm(scored, key, shown)
    assert steps_now(scored, key) == shown
    assert second.step not in {one.step for one in shown}


def test_of_a_promotion_and_a_mark_the_later_one_counts(scored: Home) -> None:
    key = PartitionKey.parse(keys(scored, "trainee")[0])
    label(scored, key)
    event = promote(scored, key)
    promoted = steps_now(scored, key)
    assert promoted == event.steps  # type: ignore[attr-defined]
    confirm(scored, key, moved(promoted, 0.3))
    assert steps_now(scored, key) == moved(promoted, 0.3)
    demote(scored, key, at=BEGIN + timedelta(days=10))
    assert steps_now(scored, key) == ()
    promote(scored, key, at=BEGIN + timedelta(days=11))
    assert steps_now(scored, key) == event.steps  # type: ignore[attr-defined]


def test_a_broken_chain_keeps_the_reference_before_and_is_named(scored: Home) -> None:
    key = golds(scored)[0]
    confirm(scored, key, moved(steps_now(scored, key), 0.4))
    bring_up_to_date(scored)
    before = reference_rows(scored)[TASK]["reference_id"]
    shutil.rmtree(local_path(scored.ledgers / marks_ledger(scored).name))
    (outcome,) = refresh_references(scored, [TASK], **later())
    assert outcome.reference_id == before
    assert "marks of filter_change: expected event 1" in str(outcome.problem)
    with pytest.raises(GoldError, match="Restore ledgers/marks"):
        [chain.read(TASK) for chain in event_chains(scored)]


def test_a_changed_event_is_found(scored: Home) -> None:
    key = golds(scored)[0]
    confirm(scored, key, steps_now(scored, key))
    (path,) = local_path(scored.ledgers / "marks").glob("*.parquet")
    frame = pd.read_parquet(path)
    frame["who"] = "mallory"
    frame.to_parquet(path)
    with pytest.raises(GoldError, match="expected the content that its hash says"):
        events(scored)


def test_a_step_that_the_task_has_no_more_is_named(scored: Home) -> None:
    key = golds(scored)[0]
    before = steps_now(scored, key)
    confirm(scored, key, before)
    path, gone = local_path(scored.tasks / f"{TASK}.yaml"), task_of(scored).step_ids[-1]
    path.write_text(path.read_text("utf-8").replace(gone, "something_else"), "utf-8")
    steps_csv(scored).unlink()
    problem = inputs(scored).problem
    assert problem is not None
    assert f"was marked with the steps {gone}, which task filter_change has no more" in problem.en
    assert gone in problem.ja
    # what is left of the mark is there to be confirmed, or taken from a file that says the same
    left = tuple(one for one in before if one.step != gone)
    assert steps_now(scored, key) == left
    data = "video,step,start_s,end_s\n" + "".join(
        f"{key},{one.step},{one.start_s},{one.end_s}\n" for one in left
    )
    done = _import(scored, data.encode())
    assert len(done.taken) == 1
    assert inputs(scored).problem is None
    assert steps_now(scored, key) == left


def test_proposals_come_from_golds_with_steps_and_else_from_change_points(scored: Home) -> None:
    task, key = task_of(scored), golds(scored)[2]
    truth = inputs(scored).annotations.steps[key.video_id]
    recording = Registry.read(scored)[key]
    decoded = propose_steps(scored, task, inputs(scored), recording)
    assert [one.step for one in decoded.steps] == [one.step for one in truth]
    assert decoded.by.startswith("golds ")
    assert key.video_id not in decoded.golds
    assert len(decoded.golds) == 2
    steps_csv(scored).unlink()
    first = propose_steps(scored, task, inputs(scored), recording)
    assert (first.by, len(first.steps)) == ("change points", len(task.steps))
    assert usual_seconds(task, inputs(scored), without=key.video_id) == {}


def test_without_an_embedding_it_says_when_proposals_come(scored: Home) -> None:
    key = golds(scored)[0]
    shutil.rmtree(local_path(scored.ledgers / "embeddings"))
    with pytest.raises(GoldError, match="proposals come when the recording has been looked at"):
        propose_steps(scored, task_of(scored), inputs(scored), Registry.read(scored)[key])
