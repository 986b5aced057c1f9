"""Recordings that people make golds: what is asked of them, what they change, and how it is taken back."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopilot_assets.capture.facts import corrections, restore_recordings, withdraw_recordings
from sopilot_assets.capture.promotions import promoted_golds, promotions_chain, promotions_ledger
from sopilot_assets.capture.registry import Registry
from sopilot_assets.errors import GoldError, LedgerError
from sopilot_assets.labels.chain import append_events
from sopilot_assets.labels.events import Draft
from sopilot_assets.labels.recordings import recordings_to_label
from sopilot_assets.reference.ledger import reference_rows
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.stations.gold_candidates import gold_candidates
from sopilot_assets.stations.gold_inputs import GoldInputs, task_inputs
from sopilot_assets.stations.gold_marks import Proposed, confirm_steps, confirmed_of
from sopilot_assets.stations.gold_power import power_with, try_gold
from sopilot_assets.stations.gold_promotions import (
    decoded_steps,
    demote_recording,
    promotable_recording,
    promote_recording,
    proposed_to_promote,
)
from sopilot_assets.stations.gold_references import refresh_references
from sopilot_assets.stations.staleness import outdated_by_golds, stale_scores
from sopilot_assets.store.chain import NO_EVENT
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import plain_rows
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks import find_tasks, load_task
from sopilot_assets.upkeep.conditions.golds import enough_golds, promoted_right
from sopilot_assets.upkeep.conditions.situation import Situation
from sopilot_assets_tests.capture.removed import note_removed
from sopilot_assets_tests.cli.running import rows, sopilot
from sopilot_assets_tests.stations.test_staleness import bring_up_to_date, keys, later

TASK = "filter_change"
BEGIN = datetime(2026, 1, 20, 8, tzinfo=UTC)
_moments = itertools.count(1)


def trainees(home: Home) -> list[PartitionKey]:
    """The correct recording first, then the one with a missing step, then the one with steps swapped."""
    named = {one.original_name: key for key, one in Registry.read(home).recordings.items()}
    return [key for _, key in sorted(named.items()) if key.role == "trainee"]


def label(
    home: Home, key: PartitionKey, who: str = "ann", critical: bool | None = False, **more: object
) -> None:
    fields = {"source": "blind_human", "at": "2026-01-10T08:00:00+00:00", **more}
    draft = Draft.model_validate(
        {"task_id": TASK, "key": str(key), "who": who, "critical_expected": critical, **fields}
    )
    append_events(home, [draft], **later())


def signed() -> dict[str, object]:
    at = BEGIN + timedelta(minutes=next(_moments))
    return {"who": "tess", "why": "two people looked at it", "at": at, "run_id": "gold"}


def promote(home: Home, key: PartitionKey, **more: object) -> object:
    return promote_recording(home, key, **{**signed(), **more})  # type: ignore[arg-type]


def demote(home: Home, key: PartitionKey, **more: object) -> object:
    return demote_recording(home, key, **{**signed(), **more})  # type: ignore[arg-type]


def steps_file(home: Home, *keys: PartitionKey, steps: Sequence[str] | None = None) -> Path:
    """A sheet with steps of the same length in these recordings."""
    names = load_task(home.tasks / f"{TASK}.yaml").step_ids if steps is None else steps
    lines = ["video,step,start_s,end_s"]
    for key in keys:
        one = Registry.read(home)[key]
        length = one.duration_s / len(names)
        lines += [
            f"{one.original_name},{step},{n * length:.2f},{(n + 1) * length:.2f}"
            for n, step in enumerate(names)
        ]
    path = local_path(home.root).parent / "marked.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def inputs(home: Home) -> GoldInputs:
    return task_inputs(home, find_tasks(home.root).tasks)[TASK]


def reference_bytes(home: Home) -> bytes:
    (outcome,) = refresh_references(home, [TASK], **later())
    assert outcome.reference_id is not None, outcome.problem
    return local_path(home.reference(TASK, outcome.reference_id)).read_bytes()


def score_rows(home: Home) -> dict[str, dict[str, object]]:
    written = ("written_at", "run_id", "row_id")
    rows = plain_rows(scores_ledger(home).latest())
    return {str(row["key"]): {k: v for k, v in row.items() if k not in written} for row in rows}


def test_whose_video_was_removed_is_no_candidate_and_becomes_no_gold(scored: Home) -> None:
    key = trainees(scored)[0]
    label(scored, key)
    note_removed(scored, [str(key)], at=BEGIN.isoformat(), sha256=Registry.read(scored)[key].sha256)
    (candidate,) = gold_candidates(scored, TASK)
    assert candidate.lacks is not None
    assert "The video was removed" in candidate.lacks.en
    for attempt in (promote, promotable_recording):
        with pytest.raises(GoldError, match=r"a gold is shown beside others.*The video was removed"):
            attempt(scored, key)


def test_a_promoted_recording_is_a_gold_in_reference_and_scores(scored: Home) -> None:
    key, before = trainees(scored)[0], score_rows(scored)
    label(scored, key)
    event = promote(scored, key)
    assert event is not None
    assert [step.step for step in event.steps] == list(load_task(scored.tasks / f"{TASK}.yaml").step_ids)  # type: ignore[attr-defined]
    assert set(stale_scores(scored)["key"]) == set(before)
    tasks = find_tasks(scored.root).tasks
    found = outdated_by_golds(scored, tasks, task_inputs(scored, tasks))
    assert list(found) == [TASK]

    bring_up_to_date(scored)

    assert stale_scores(scored).empty
    row = reference_rows(scored)[TASK]
    assert (row["golds"], row["promoted"], row["confirmed"]) == (4, str(key), True)
    after = score_rows(scored)[str(key)]
    assert (after["role"], before[str(key)]["role"]) == ("gold", "trainee")
    assert after["gold_id"] not in (None, key.video_id)
    assert local_path(scored.review(str(key))).exists()


def test_promoting_and_demoting_gives_the_same_reference_and_scores_as_before(scored: Home) -> None:
    key = trainees(scored)[0]
    label(scored, key)
    reference, scores, was = reference_bytes(scored), score_rows(scored), inputs(scored).fingerprint
    promote(scored, key)
    bring_up_to_date(scored)
    assert inputs(scored).fingerprint != was
    assert score_rows(scored) != scores
    demote(scored, key)
    bring_up_to_date(scored)
    assert inputs(scored).fingerprint == was
    assert reference_bytes(scored) == reference
    assert score_rows(scored) == scores
    assert stale_scores(scored).empty


def test_the_order_of_promotions_does_not_matter(scored: Home, tmp_path: Path) -> None:
    made = []
    for number, order in enumerate(itertools.permutations(trainees(scored)[:2])):
        home = Home.at(shutil.copytree(str(scored.root), tmp_path / f"order_{number}" / "home"))
        for key in order:
            label(home, key)
            promote(home, key, steps_file=steps_file(home, key))
        made.append(reference_bytes(home))
    assert made[0] == made[1]


@settings(max_examples=8)
@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=6))
def test_what_counts_is_who_is_promoted_now_and_not_how_it_came(
    original: Home, changes: list[tuple[int, bool]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        homes = [Home.at(shutil.copytree(str(original.root), Path(folder) / n / "home")) for n in "ab"]
        every = trainees(homes[0])
        for home, key in itertools.product(homes, every):
            label(home, key)
        marked = steps_file(homes[0], *every)
        now: set[PartitionKey] = set()
        for place, up in changes:
            key = every[place]
            event = promote(homes[0], key, steps_file=marked) if up else demote(homes[0], key)
            assert (event is None) is ((key in now) is up)
            now = now | {key} if up else now - {key}
        for key in sorted(now, reverse=True):
            promote(homes[1], key, steps_file=marked)
        assert set(promoted_golds(homes[0])) == {str(key) for key in now}
        assert inputs(homes[0]).fingerprint == inputs(homes[1]).fingerprint


def _taken_in(home: Home) -> PartitionKey:
    return PartitionKey.parse(keys(home, "gold")[0])


def _withdrawn(home: Home) -> PartitionKey:
    key = trainees(home)[0]
    label(home, key)
    withdraw_recordings(home, [str(key)], who="tess", why="cut short", at=BEGIN, run_id="x")
    return key


def _labelled(*labels: tuple[str, bool | None], **more: object) -> Callable[[Home], PartitionKey]:
    def prepare(home: Home) -> PartitionKey:
        key = trainees(home)[0]
        for who, critical in labels:
            label(home, key, who, critical, **more)
        return key

    return prepare


def _without_alignment(home: Home) -> PartitionKey:
    key = _labelled(("ann", False))(home)
    reference = str(reference_rows(home)[TASK]["reference_id"])
    local_path(home.alignment(reference, key.video_id)).unlink()
    return key


@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        (_taken_in, "it is a gold already"),
        (_withdrawn, "withdrawn by tess: cut short"),
        (_labelled(), "nobody labeled it blind"),
        (_labelled(("ann", False), source="human"), "nobody labeled it blind"),
        (_labelled(("ann", True)), "ann saw a critical deviation"),
        (_labelled(("ann", None)), "nobody who labeled it blind could say"),
        (_labelled(("ann", True), ("bob", False)), "ann, bob disagree about it"),
        (_labelled(("ann", False), seen=[{"type": "over_time"}]), "ann saw deviations: over_time"),
        (_without_alignment, "it has no alignment with the present reference"),
    ],
)
def test_what_is_no_gold_is_refused_with_the_reason_and_nothing_changes(
    scored: Home, prepare: Callable[[Home], PartitionKey], why: str
) -> None:
    key, was = prepare(scored), inputs(scored).fingerprint
    with pytest.raises(GoldError, match=why) as refused:
        promote(scored, key)
    assert refused.value.ja
    assert promotions_chain(scored).read(TASK) == []
    assert inputs(scored).fingerprint == was


def test_a_settled_disagreement_is_no_obstacle(scored: Home) -> None:
    key = _labelled(("ann", True), ("bob", False))(scored)
    label(scored, key, "chief", False, adjudicates=True)
    assert promote(scored, key) is not None


def test_an_unknown_recording_and_the_wrong_task_are_refused(scored: Home) -> None:
    key = _labelled(("ann", False))(scored)
    with pytest.raises(LedgerError, match="no such recording"):
        promote(scored, PartitionKey(TASK, "trainee", "0" * 12))
    with pytest.raises(GoldError, match=f"expected a recording of task tea, found one of {TASK}"):
        promote(scored, key, task_id="tea")
    with pytest.raises(GoldError, match=r"--reason: .*at least 1"):
        promote(scored, key, why=" ")
    with pytest.raises(GoldError, match="--by: "):
        promote(scored, key, who="tess miller")
    assert promotions_chain(scored).read(TASK) == []


def test_steps_from_a_file_have_to_be_complete(scored: Home) -> None:
    key = _labelled(("ann", False))(scored)
    first, *others = load_task(scored.tasks / f"{TASK}.yaml").step_ids
    with pytest.raises(GoldError, match=f"a gold shows every step, and .*marked.csv says no {first}"):
        promote(scored, key, steps_file=steps_file(scored, key, steps=others))
    with pytest.raises(GoldError, match="column step: expected one of the task's steps, found 'dance'"):
        promote(scored, key, steps_file=steps_file(scored, key, steps=[first, "dance"]))
    with pytest.raises(GoldError, match="a gold shows every step"):  # the rows are about another recording
        promote(scored, key, steps_file=steps_file(scored, trainees(scored)[1]))
    with pytest.raises(GoldError, match=r"gone.csv: expected a file"):
        promote(scored, key, steps_file=Path("gone.csv"))
    event = promote(scored, key, steps_file=steps_file(scored, key))
    assert event.steps_from == "marked.csv"  # type: ignore[attr-defined]


def test_promoting_again_changes_nothing_but_other_steps_are_refused(scored: Home) -> None:
    key = _labelled(("ann", False))(scored)
    marked = steps_file(scored, key)
    promote(scored, key, steps_file=marked)
    assert promote(scored, key) is None
    assert promote(scored, key, steps_file=marked, why="again", who="bob") is None
    marked.write_text(marked.read_text().replace(",0.00,", ",0.25,"))
    with pytest.raises(GoldError, match="it is a gold already, with other steps"):
        promote(scored, key, steps_file=marked)
    assert len(promotions_chain(scored).read(TASK)) == 1


def test_demoting_what_was_not_promoted_changes_nothing_and_a_gold_is_withdrawn_instead(scored: Home) -> None:
    assert demote(scored, trainees(scored)[0]) is None
    with pytest.raises(GoldError, match="sopilot recording withdraw"):
        demote(scored, _taken_in(scored))


def test_a_withdrawn_one_is_no_gold_until_it_is_restored(scored: Home) -> None:
    key = _labelled(("ann", False))(scored)
    promote(scored, key)
    at = {"who": "tess", "why": "?", "run_id": "x"}
    withdraw_recordings(scored, [str(key)], at=BEGIN + timedelta(days=1), **at)
    assert len(inputs(scored).golds) == 3
    restore_recordings(scored, [str(key)], at=BEGIN + timedelta(days=2), **at)
    assert inputs(scored).promoted == (str(key),)


def test_the_history_of_a_recording_says_who_promoted_it_and_why(scored: Home) -> None:
    key = _labelled(("ann", False))(scored)
    promote(scored, key)
    demote(scored, key, why="the cap was left open")
    said = [(one.fact, one.was, one.now, one.who, one.why) for one in corrections(scored, str(key))]
    assert said == [
        ("role", "trainee", "gold", "tess", "two people looked at it"),
        ("role", "gold", "trainee", "tess", "the cap was left open"),
    ]


def test_a_broken_chain_of_promotions_keeps_the_reference_before(scored: Home) -> None:
    key = _labelled(("ann", False))(scored)
    promote(scored, key)
    bring_up_to_date(scored)
    before = reference_rows(scored)[TASK]["reference_id"]
    shutil.rmtree(local_path(scored.ledgers / promotions_ledger(scored).name))
    (outcome,) = refresh_references(scored, [TASK], **later())
    assert outcome.reference_id == before
    assert "events were dropped or replaced" in str(outcome.problem)
    assert "Restore ledgers/promotions" in str(outcome.problem)


def test_a_step_that_the_task_has_no_more_is_named(scored: Home) -> None:
    key = _labelled(("ann", False))(scored)
    promote(scored, key)
    path = local_path(scored.tasks / f"{TASK}.yaml")
    gone = load_task(scored.tasks / f"{TASK}.yaml").step_ids[-1]
    path.write_text(path.read_text("utf-8").replace(gone, "something_else"), "utf-8")
    marks = local_path(scored.steps_csv(TASK))
    marks.write_text(marks.read_text("utf-8").replace(gone, "something_else"), "utf-8")
    problem = inputs(scored).problem
    assert problem is not None
    assert f"was marked with the steps {gone}" in problem.en
    assert gone in problem.ja
    # marked anew at the desk it is a gold as before
    left = inputs(scored).annotations.steps[key.video_id]
    task = load_task(scored.tasks / f"{TASK}.yaml")
    steps = confirmed_of(task, left)
    now = datetime(2026, 12, 1, tzinfo=UTC)
    confirm_steps(scored, key, steps, who="tess", at=now, run_id="desk", based_on=NO_EVENT)
    assert inputs(scored).problem is None
    assert Registry.read(scored)[key].promotion is not None


def test_a_promoted_recording_is_labeled_no_more_but_a_label_of_it_is_still_taken(scored: Home) -> None:
    key = _labelled(("ann", False))(scored)
    promote(scored, key)
    assert str(key) not in {one.key for one in recordings_to_label(scored, TASK)}
    (known,) = (one for one in recordings_to_label(scored, TASK, with_promoted=True) if one.promoted)
    assert known.key == str(key)
    assert len(recordings_to_label(scored, TASK, with_promoted=True)) == 3


def test_candidates_are_right_by_blind_labels_and_say_what_they_lift(scored: Home) -> None:
    right, other, wrong = trainees(scored)
    assert gold_candidates(scored, TASK) == []
    for key in (right, other):
        label(scored, key)
    label(scored, wrong, critical=True)
    found = {one.recording.key: one for one in gold_candidates(scored, TASK)}
    assert set(found) == {right, other}
    assert found[right].new_person
    assert not found[right].new_site
    assert found[right].lacks is None
    assert found[right].lifts.en == f"{found[right].recording.person} is in no gold"
    promote(scored, right)
    assert [one.recording.key for one in gold_candidates(scored, TASK)] == [other]


def test_doctor_says_where_labels_contradict_a_promoted_gold(scored: Home) -> None:
    key = _labelled(("ann", False))(scored)

    def asked() -> Situation:
        return Situation(scored, BEGIN, {})

    assert promoted_right(asked()).told == ()
    promote(scored, key)
    assert [one.what for one in promoted_right(asked()).told] == ["1 promoted, all right by blind labels"]
    assert asked().recordings[str(key)]["role"] == "gold"
    (enough,) = enough_golds(asked()).told
    assert enough.what.startswith("4 by ")
    label(scored, key, "bob", True)
    (said,) = promoted_right(asked()).told
    assert "was promoted to gold, but ann, bob disagree about it" in said.what


def test_commands_promote_list_and_take_back(scored: Home) -> None:
    key = _labelled(("ann", False))(scored)
    name = Registry.read(scored)[key].original_name
    (found,) = rows(scored, "gold", "candidates", TASK)
    assert (found["key"], found["new_person"], found["lacks"]) == (str(key), True, None)
    assert "のお手本はまだありません" in str(
        rows(scored, "gold", "candidates", TASK, "--lang", "ja")[0]["lifts"]
    )
    signed_by = ("--by", "tess", "--reason", "two people looked at it")
    other = trainees(scored)[1]
    refused = sopilot(scored, "gold", "promote", str(other), *signed_by, exit_code=1)
    assert "nobody labeled it blind" in refused.stderr
    said = sopilot(scored, "gold", "promote", name, *signed_by).stdout
    assert f"{key} is a gold of {TASK} now" in " ".join(said.split())
    assert "nothing changed" in sopilot(scored, "gold", "promote", name, *signed_by).stdout
    (shown,) = (row for row in rows(scored, "recording", "list", "--role", "gold") if row["key"] == str(key))
    assert (
        shown["promoted"] == f"by tess on {promoted_golds(scored)[str(key)].at[:10]}: two people looked at it"
    )
    assert rows(scored, "gold", "candidates", TASK) == []
    sopilot(scored, "gold", "demote", name, *signed_by)
    assert "nothing changed" in sopilot(scored, "gold", "demote", name, *signed_by).stdout
    assert promoted_golds(scored) == {}


def test_the_power_with_a_candidate_is_computed_and_not_guessed(scored: Home) -> None:
    key = _labelled(("ann", False))(scored)
    recording = Registry.read(scored)[key]
    assert len(decoded_steps(scored, load_task(scored.tasks / f"{TASK}.yaml"), recording)) >= 1
    said = power_with(scored, TASK, [recording])
    assert set(said) == {str(key)}
    for one in said[str(key)] or ():
        assert one.step_id in load_task(scored.tasks / f"{TASK}.yaml").critical_ids
        assert all(value is None or 0 <= value <= 1 for value in (one.now, one.then))


def test_a_trial_judges_recordings_by_the_golds_with_one_more_and_changes_nothing(scored: Home) -> None:
    key = _labelled(("ann", False))(scored)
    was, rows = inputs(scored).fingerprint, score_rows(scored)
    tried = try_gold(scored, Registry.read(scored)[key])
    assert (tried.now.n, tried.then.n) == (2, 2)
    others = [row for its, row in rows.items() if its != str(key) and row["role"] == "trainee"]
    left = sum(row["decision"] in ("needs_review", "not_verifiable") for row in others)
    assert round((tried.now.point or 0) * 2) == left
    change = round((tried.then.point or 0) * 2) - round((tried.now.point or 0) * 2)
    assert change == tried.newly_left - tried.newly_decided
    assert (inputs(scored).fingerprint, score_rows(scored)) == (was, rows)


def test_steps_that_a_person_looked_at_are_taken_and_checked(scored: Home) -> None:
    key = _labelled(("ann", False))(scored)
    task = load_task(scored.tasks / f"{TASK}.yaml")
    shown = proposed_to_promote(scored, task, inputs(scored), Registry.read(scored)[key])
    assert shown.steps == decoded_steps(scored, task, Registry.read(scored)[key])
    assert shown.by.startswith("the alignment with reference ")
    with pytest.raises(GoldError, match=f"and there is no {task.step_ids[0]}") as refused:
        promote(scored, key, marked=Proposed(shown.steps[1:], shown.by))
    assert task.step_ids[0] in str(refused.value.ja)
    first, second, *rest = shown.steps
    overlapping = first.model_copy(update={"end_s": second.end_s})
    with pytest.raises(GoldError, match=r"begins at .* before"):
        promote(scored, key, marked=Proposed((overlapping, second, *rest), shown.by))
    assert promotions_chain(scored).read(TASK) == []
    event = promote(scored, key, marked=Proposed(tuple(reversed(shown.steps)), "looked at"))
    assert (event.steps, event.steps_from) == (shown.steps, "looked at")  # type: ignore[attr-defined]
    assert promote(scored, key, marked=Proposed(shown.steps, "again")) is None


def test_where_scoring_found_not_all_steps_the_golds_propose_them(scored: Home) -> None:
    key = _without_alignment(scored)
    task = load_task(scored.tasks / f"{TASK}.yaml")
    shown = proposed_to_promote(scored, task, inputs(scored), Registry.read(scored)[key])
    assert shown.by.startswith("golds ")
    assert [one.step for one in shown.steps] == list(task.step_ids)
    assert promote(scored, key, marked=shown) is not None
