"""What a change of a task would make out of date is what is out of date once it is saved."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sopilot_assets.capture.registry import Registry
from sopilot_assets.errors import GoldError
from sopilot_assets.labels.chain import append_events
from sopilot_assets.labels.events import Draft, Seen, Source
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.stations.gold_inputs import task_inputs
from sopilot_assets.stations.gold_promotions import decoded_steps
from sopilot_assets.stations.gold_references import reference_of
from sopilot_assets.stations.review_now import result_now
from sopilot_assets.stations.staleness import outdated_by_golds, stale_scores
from sopilot_assets.stations.task_changes import TaskChange, change_of
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import plain_rows
from sopilot_assets.store.publish import local_path
from sopilot_assets.studies.registration import freeze, register
from sopilot_assets.studies.starter import new_study
from sopilot_assets.tasks import DeviationType, EmbedderName, Step, TaskSpec, load_task
from sopilot_assets.tasks.saving import open_task, save_task
from sopilot_assets_tests.stations.test_adoptions import POLICY, adopt
from sopilot_assets_tests.stations.test_staleness import TASK, bring_up_to_date, keys

NOW = datetime(2026, 2, 23, 9, 30, tzinfo=UTC)


@pytest.fixture
def home(original: Home, tmp_path: Path) -> Home:
    return Home.at(shutil.copytree(str(original.root), tmp_path / "home"))


def task_of(home: Home) -> TaskSpec:
    return load_task(home.tasks / f"{TASK}.yaml")


def saved(home: Home, **fields: object) -> TaskChange:
    """What the change would do, said before it was saved."""
    opened = open_task(home, TASK)
    after = opened.task.model_copy(update=fields)
    change = change_of(home, opened.task, after)
    save_task(home, TASK, after, base=opened.base, who="ada", why="a test", at=NOW)
    return change


def with_step(task: TaskSpec, place: int, **fields: object) -> tuple[Step, ...]:
    steps = list(task.steps)
    steps[place] = steps[place].model_copy(update=fields)
    return tuple(steps)


CHANGES: dict[str, Callable[[TaskSpec], dict[str, object]]] = {
    "a sentence": lambda task: {"steps": with_step(task, 1, instruction="Both hands.")},
    "a name": lambda _: {"name": "Another name"},
    "a limit": lambda _: {"pass_score": 88.0},
    "a share": lambda _: {"accepted_miss": 0.1},
    "critical": lambda task: {"steps": with_step(task, 1, critical=False)},
    "an order": lambda task: {"steps": with_step(task, 4, after=())},
    "the embedder": lambda _: {"embedder": EmbedderName.LITE0_BOX},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_as_many_scores_are_stale_as_was_said_before(
    home: Home, lite0_models: Path, change: Callable[[TaskSpec], dict[str, object]]
) -> None:
    shutil.copytree(lite0_models, str(home.models), dirs_exist_ok=True)
    told = saved(home, **change(task_of(home)))
    assert (told.scores, told.already) == (len(stale_scores(home)), 0)
    assert told.scored == 6
    assert told.harmless == (told.scores == 0)


def test_scores_that_are_stale_already_are_not_counted_twice(home: Home) -> None:
    assert saved(home, pass_score=88.0).scores == 6
    told = saved(home, pass_score=89.0)
    assert (told.scores, told.already) == (0, 6)
    bring_up_to_date(home)
    assert saved(home, pass_score=90.0).scores == 6


def test_another_embedder_and_another_order_name_what_they_cost(home: Home) -> None:
    task = task_of(home)
    told = change_of(home, task, task.model_copy(update={"embedder": EmbedderName.LITE0_BOX}))
    assert (told.embeddings, told.reference, told.lost) == (6, True, ())
    told = change_of(home, task, task.model_copy(update={"steps": with_step(task, 4, after=())}))
    assert (told.embeddings, told.reference, told.judges_otherwise) == (0, True, True)
    told = change_of(home, task, task.model_copy(update={"version": 2}))
    assert (told.scores, told.judges_otherwise, told.new_version, told.reference) == (6, False, True, False)


def test_a_step_that_disappears_is_counted_in_golds_and_labels(home: Home) -> None:
    task, key = task_of(home), keys(home, "trainee")[0]
    seen = (Seen(type=DeviationType.MISSING_STEP, steps=("wipe_seat",)),)
    said = Draft(
        task_id=TASK,
        key=key,
        who="ann",
        at=NOW.isoformat(),
        source=Source.BLIND_HUMAN,
        critical_expected=True,
        seen=seen,
    )
    append_events(home, [said], run_id="r", written_at=NOW.isoformat())
    steps = tuple(step for step in task.steps if step.id not in ("wipe_seat", "oil_gasket"))
    told = change_of(home, task, task.model_copy(update={"steps": steps}))
    assert [(one.step.id, one.golds, one.labels) for one in told.lost] == [
        ("wipe_seat", 3, 1),
        ("oil_gasket", 3, 0),
    ]
    assert told.unmarked == 3
    assert not told.harmless


NEW: Step = Step(id="wipe_cover", name="Wipe the cover")
OTHER_STEPS: dict[str, Callable[[TaskSpec], tuple[Step, ...]]] = {
    "one less": lambda task: task.steps[1:],
    "one more": lambda task: (*task.steps[:3], NEW, *task.steps[3:]),
    "another in its place": lambda task: (*task.steps[:3], NEW, *task.steps[4:]),
}


@pytest.mark.parametrize("steps", OTHER_STEPS.values(), ids=OTHER_STEPS)
def test_nothing_is_judged_by_steps_that_no_gold_shows_yet(
    home: Home, steps: Callable[[TaskSpec], tuple[Step, ...]]
) -> None:
    before, key = task_of(home), keys(home, "trainee")[0]
    assert saved(home, steps=steps(before)).other_steps
    told = result_now(home, PartitionKey.parse(key))
    assert told is not None
    assert (told.outdated, told.work) == (True, None)
    with pytest.raises(GoldError, match="Mark the golds anew"):
        decoded_steps(home, task_of(home), Registry.read(home)[PartitionKey.parse(key)])
    with pytest.raises(GoldError, match="Mark the golds anew"):
        reference_of(home, task_of(home))
    bring_up_to_date(home)
    now = {str(row["key"]): row for row in plain_rows(scores_ledger(home).latest())}
    assert all("Mark the golds anew" in str(row["problem"]) for row in now.values())
    assert set(now) == {*keys(home, "trainee"), *keys(home, "gold")}
    saved(home, steps=before.steps)
    bring_up_to_date(home)
    assert not any(row["problem"] for row in plain_rows(scores_ledger(home).latest()))


def test_golds_that_lack_a_new_step_have_to_be_marked_anew(home: Home) -> None:
    task = task_of(home)
    told = change_of(home, task, task.model_copy(update={"steps": (*task.steps, NEW)}))
    assert (told.lost, told.unmarked, told.reference, told.harmless) == ((), 3, False, False)


def test_a_name_that_steps_csv_goes_by_is_not_harmless(home: Home) -> None:
    task, sheet = task_of(home), local_path(home.steps_csv(TASK))
    named = task.model_copy(update={"steps": with_step(task, 3, name="Clean the seat")})
    assert change_of(home, task, named).harmless
    sheet.write_text(sheet.read_text("utf-8").replace(",wipe_seat,", f",{task.steps[3].name},"), "utf-8")
    told = change_of(home, task, named)
    assert (told.unmarked, told.other_steps, told.harmless) == (3, False, False)


def test_scores_of_other_limits_wait_for_somebody(home: Home) -> None:
    saved(home, pass_score=88.0)
    tasks = {TASK: task_of(home)}
    assert outdated_by_golds(home, tasks, task_inputs(home, tasks)) == {}


def test_scores_of_other_steps_are_made_again_once_golds_show_them(home: Home) -> None:
    def outdated() -> set[str]:
        tasks = {TASK: task_of(home)}
        return set(outdated_by_golds(home, tasks, task_inputs(home, tasks)))

    task, sheet = task_of(home), local_path(home.steps_csv(TASK))
    saved(home, steps=(*task.steps, NEW))
    assert outdated() == set()
    rows = [line.split(",") for line in sheet.read_text("utf-8").splitlines()]
    ends = {video: end for video, step, _, end in rows if step == "close_housing"}
    sheet.write_text(
        sheet.read_text("utf-8")
        + "".join(f"{video},{NEW.id},{end},{float(end) + 0.9}\n" for video, end in ends.items()),
        "utf-8",
    )
    assert outdated() == {TASK}


def test_policies_and_studies_of_the_task_are_named(home: Home) -> None:
    adopt(home)
    for study in ("spring", "summer", "autumn"):
        new_study(home, study, task=TASK, title="A study")
    for study in ("spring", "summer"):
        register(home, study, registered_at=NOW, by="sato")
    freeze(home, "summer", "0" * 64)
    task = task_of(home)
    told = change_of(home, task, task.model_copy(update={"pass_score": 88.0}))
    assert (told.policy, told.studies, told.frozen) == (POLICY, ("spring",), ("summer",))
    told = change_of(home, task, task.model_copy(update={"name": "Another name"}))
    assert (told.policy, told.studies, told.frozen, told.harmless) == (None, (), (), True)
