"""The golds of each task: whether there are enough, annotated, and right in the eyes of the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from sopilot_assets.capture.promotions import promoted_golds
from sopilot_assets.capture.registry import withdrawn_recordings
from sopilot_assets.labels.blind import NOT_LABELED, why_not_right
from sopilot_assets.labels.chain import read_chain
from sopilot_assets.reference.annotations import told as listed
from sopilot_assets.reference.ledger import reference_states
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.scoring.result import Cause, Decision
from sopilot_assets.stations.clip_embeddings import embeddings_ledger
from sopilot_assets.stations.gold_inputs import GoldInputs, task_inputs
from sopilot_assets.store.ledgers import Cell, plain_rows
from sopilot_assets.texts.languages import Text
from sopilot_assets.upkeep.conditions.condition import Answer, Condition, Fine, found, problem, warning
from sopilot_assets.upkeep.conditions.situation import Situation

GOLDS: Final = "golds"
STEPS: Final = "steps"
STEPS_FILE: Final = "steps.csv"
REFERENCE: Final = "reference"
PROMOTED: Final = "promoted"
_THEN: Final = "do as it says; the sensor `golds` or `sopilot score run --stale` then scores again"

_Rows = list[Mapping[str, Cell]]


def enough_golds(asked: Situation) -> Answer:
    """Whether each task has golds enough that can be embedded, by how many persons."""
    least, persons_least = asked.settings.limits.golds, asked.settings.limits.gold_persons
    told: list[Condition | Fine] = []
    rows: _Rows = []
    for task_id, golds in _golds(asked).items():
        named = {str(row["person"]) for row in golds if row["person"] is not None}
        nameless = [str(row["original_name"]) for row in golds if row["person"] is None]
        persons = max(len(named), min(1, len(nameless)))  # unknown ones may be a single one
        by = _by(len(named), len(nameless))
        needed = f"{least} by {persons_least} persons"
        if len(golds) >= least and persons >= persons_least:
            told.append(Fine(GOLDS, task_id, f"{len(golds)} {by}"))
            continue
        found_now = f"{len(golds)} golds {by}{_withdrawn(asked, task_id)}"
        if nameless and len(golds) >= least:
            told.append(_nameless(task_id, found_now, nameless, needed))
        else:
            told.append(_few(task_id, found_now if golds else "", needed))
        counts = {"golds": len(golds), "persons": persons, "needed": least, "persons_needed": persons_least}
        rows.append({"task_id": task_id, **counts})
    return Answer(tuple(told), rows, {"tasks": len(told)})


def _by(named: int, nameless: int) -> str:
    known = f"by {named} persons"
    return known if not nameless else f"{known} and by unknown ones" if named else "by unknown persons"


def _withdrawn(asked: Situation, task_id: str) -> str:
    golds = [one for one in withdrawn_recordings(asked.home).values() if one.role == "gold"]
    count = sum(one.task_id == task_id for one in golds)
    return f", {count} more withdrawn" if count else ""


def _few(task_id: str, found: str, needed: str) -> Condition:
    if not found:
        return no_gold(task_id)
    return warning(GOLDS, task_id, f"{task_id}: {found}; {needed} give sane results", film_golds(task_id))


def _nameless(task_id: str, found: str, nameless: Sequence[str], needed: str) -> Condition:
    """That nobody said who some golds show: they may be of as many persons as are needed."""
    unsaid = f"Nobody said who is seen in {len(nameless)} of them, e.g. {nameless[0]}"
    what = f"{task_id}: {found}; {needed} give sane results. {unsaid}"
    action = f"sopilot recording correct {nameless[0]} --person CODE, for each gold"
    return warning(GOLDS, task_id, what, action)


def no_gold(task_id: str) -> Condition:
    """That a task has no gold at all."""
    return warning(GOLDS, task_id, f"{task_id} has no gold: nothing can be scored.", film_golds(task_id))


def film_golds(task_id: str) -> str:
    """What to do for more golds."""
    return f"sopilot capture add FOLDER --task {task_id} --role gold --site SITE"


def steps_confirmed(asked: Situation) -> Answer:
    """Whether the steps of all golds of each task were annotated by a person in steps.csv or confirmed by
    promoting them, and what of that cannot be taken.
    """
    told: list[Condition | Fine] = []
    rows: _Rows = []
    for task_id, inputs in _inputs(asked).items():
        if not inputs.golds:
            continue
        count, missing = len(inputs.golds), inputs.unannotated
        conditions = [*_rows_not_taken(inputs), *_guessed(inputs)]
        told += conditions or [Fine(STEPS, task_id, _annotated(count, count))]
        if conditions:
            counts: Mapping[str, Cell] = {"golds": count, "annotated": count - len(missing)}
            why = " ".join(one.what for one in conditions)
            rows.append({"task_id": task_id, **counts, "annotate_in": _steps_csv(task_id), "why": why})
    return Answer(tuple(told), rows, {"unconfirmed_tasks": len(rows)})


def _annotated(count: int, golds: int) -> str:
    return f"steps of {count} of {golds} golds are annotated"


def _rows_not_taken(inputs: GoldInputs) -> Iterator[Condition]:
    mend = f"mend {_steps_csv(inputs.task_id)}"
    if inputs.problem is not None:
        action = mend if inputs.annotations.faults else "do as it says"
        yield problem(STEPS_FILE, inputs.task_id, inputs.problem.en, action)
    if strangers := inputs.annotations.strangers:
        what = "; ".join(one.en for one in listed(strangers))
        action = f"{mend}, or add the gold that is meant"
        yield warning(STEPS_FILE, f"{inputs.task_id}: rows of no gold", what, action)
    if overruled := inputs.overruled:
        what = "; ".join(one.en for one in listed(overruled))
        yield warning(STEPS_FILE, f"{inputs.task_id}: other steps than confirmed", what, mend)


def _guessed(inputs: GoldInputs) -> Iterator[Condition]:
    """Golds without rows, where the file has no fault: else nobody knows what it says of them."""
    if (missing := inputs.unannotated) and inputs.problem is None:
        count = len(inputs.golds)
        names = ", ".join(one.en for one in listed([Text(name, name) for name in missing]))
        what = f"{inputs.task_id}: {_annotated(count - len(missing), count)}; guessed in {names}"
        yield warning(STEPS, inputs.task_id, what, f"complete {_steps_csv(inputs.task_id)}")


def _steps_csv(task_id: str) -> str:
    return f"capture/{task_id}/gold/steps.csv"


def promoted_right(asked: Situation) -> Answer:
    """Promoted golds of which blind labels do not say any more that they are right."""
    told: list[Condition | Fine] = []
    promoted = promoted_golds(asked.home)
    golds = {key: row for key, row in asked.recordings.items() if key in promoted}
    for task_id in sorted({str(row["task_id"]) for row in golds.values()}):
        said = why_not_right(read_chain(asked.home, task_id))
        mine = {key: row for key, row in golds.items() if row["task_id"] == task_id}
        wrong = {key: why for key in mine if (why := said.get(key, NOT_LABELED)) is not None}
        for key, why in wrong.items():
            what = f"{mine[key]['original_name']} was promoted to gold, but {why.en}"
            action = f"look at it again; sopilot gold demote {key} --by ID --reason WHY takes it back"
            told.append(warning(PROMOTED, key, what, action))
        if not wrong:
            told.append(Fine(PROMOTED, task_id, f"{len(mine)} promoted, all right by blind labels"))
    return Answer(tuple(told))


def references_made(asked: Situation) -> Answer:
    """Tasks whose golds gave no reference when they were last looked at, and why: without one, nothing is
    scored; with an older one, by that.
    """
    told: list[Condition | Fine] = []
    rows: _Rows = []
    states, inputs = reference_states(asked.home), _inputs(asked)
    for task_id, state in states.items():
        its = inputs.get(task_id)
        if its is None or its.problem is not None:  # the file of the task, or steps.csv, is told already
            continue
        if its.is_renewed(state):
            told.append(Fine(REFERENCE, task_id, "golds or steps.csv changed: made with the next scoring"))
            continue
        if state.problem is None:
            told.append(Fine(REFERENCE, task_id, "made of its golds"))
            continue
        kept = state.reference_id is not None
        scored = "An older reference judges instead" if kept else "Nothing of it can be scored"
        told.append(problem(REFERENCE, task_id, f"{state.problem.en} {scored}.", _THEN))
        rows.append({"task_id": task_id, "why": state.problem.en, "older_reference": state.reference_id})
    return Answer(tuple(told), rows, {"without_new_reference": len(rows)})


def _inputs(asked: Situation) -> dict[str, GoldInputs]:
    """What the reference of each task would be made of now; tasks whose file cannot be used are left out."""
    return task_inputs(asked.home, asked.tasks.tasks)


def _golds(asked: Situation) -> Mapping[str, _Rows]:
    """The golds of every task that is described or has recordings, without those that gave no embedding."""
    unusable = set(
        embeddings_ledger(asked.home).query("select key from latest where problem is not null")["key"]
    )
    tasks = {str(row["task_id"]) for row in asked.recordings.values()} | set(asked.tasks.tasks)
    golds: dict[str, _Rows] = {task_id: [] for task_id in sorted(tasks)}
    for key, row in asked.recordings.items():
        if row["role"] == "gold" and key not in unusable:
            golds[str(row["task_id"])].append(row)
    return golds


def golds_pass(asked: Situation) -> Answer:
    """Golds that are not right when they are judged by the other golds: below their task's pass score, with
    something critical in them, of other work, or with a picture that stands still.

    The lowest score among them is the noise floor: what the score does on recordings that are right.
    """
    tasks = asked.tasks.tasks
    frame = scores_ledger(asked.home).query(
        "select key, task_id, original_name as file, round(score, 2) as score, decision, cause, "
        "reason_en as reason from latest where role = 'gold' and problem is null order by key"
    )
    frame = frame[frame["key"].isin(list(asked.recordings))].copy()
    frame["pass_score"] = [tasks[task].pass_score if task in tasks else 0.0 for task in frame["task_id"]]
    low, scored = frame["score"] < frame["pass_score"], frame["score"].dropna()
    wrong = (frame["decision"] == Decision.FAIL) | frame["cause"].isin(_NOT_RIGHT)
    failing = plain_rows(frame[low | wrong])
    floor = {"noise_floor": float(scored.min())} if len(scored) else {}
    return found(
        _failing(failing),
        Fine("golds_pass", "", f"{len(scored)} scored golds are right by the others"),
        rows=failing,
        figures={"golds": len(scored), **floor},
    )


_NOT_RIGHT: Final = (Cause.CRITICAL, Cause.OTHER_WORK, Cause.FILM_AGAIN)


def _failing(rows: Sequence[Mapping[str, Cell]]) -> Iterator[Condition]:
    for row in rows:
        what = f"gold {row['file']} has a score of {row['score']}, below {row['pass_score']}"
        if row["decision"] == Decision.FAIL or row["cause"] in _NOT_RIGHT:
            what = f"gold {row['file']} is not right by the other golds: {row['reason']}"
        action = "look at its review page: its annotated steps, or the gold itself, may be wrong"
        yield warning("golds_pass", str(row["key"]), what, action)
