"""Scores: recordings without one, scores out of date, what cannot be scored, and contested decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from sopilot_assets.labels.contests import contested, in_a_line
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.stations.staleness import stale_scores
from sopilot_assets.store.ledgers import Cell, plain_rows
from sopilot_assets.upkeep.conditions.condition import Answer, Condition, Fine, found, warning
from sopilot_assets.upkeep.conditions.lateness import timely
from sopilot_assets.upkeep.conditions.situation import Situation


def have_scores(asked: Situation) -> Answer:
    """Recordings without a row in the scores ledger, not even one that says why there is no score; and
    whether one of them waits for too long.
    """
    scored = set(scores_ledger(asked.home).query("select key from latest")["key"])
    waiting = {key: row for key, row in asked.recordings.items() if key not in scored}
    counts = Counter(str(row["task_id"]) for row in waiting.values())
    return found(
        [*_late(asked, waiting), *(unscored(task_id, count) for task_id, count in sorted(counts.items()))],
        Fine("unscored", "", "every recording was judged"),
        rows=[{"key": key} for key in waiting],
        figures={"recordings": len(asked.recordings), "without_row": len(waiting)},
    )


def _late(asked: Situation, waiting: Mapping[str, Mapping[str, Cell]]) -> Iterator[Condition]:
    if not waiting:
        return
    oldest = datetime.fromisoformat(min(str(row["written_at"]) for row in waiting.values()))
    limit = asked.settings.freshness.unscored_hours
    look = "look at failed runs in the page of Dagster, or run `sopilot score run`"
    action = f"{len(waiting)} recordings wait: {look}"
    late = timely(asked, "scores of new recordings", oldest, limit, action)
    if isinstance(late, Condition):
        yield late


def unscored(task_id: str, count: int) -> Condition:
    """That so many recordings of a task have no score yet."""
    what = f"{task_id}: {count} recordings have no score."
    return warning("unscored", task_id, what, f"sopilot score run --task {task_id}")


def up_to_date(asked: Situation) -> Answer:
    """Scores that were not made by what would make them now, with the reason; to know that, the model of
    their task is made ready if it is not.
    """
    fine = Fine("scores", "out of date", "none")
    if not scores_ledger(asked.home).files():
        return found([], fine, figures={"stale": 0})
    frame = stale_scores(asked.home)
    frame = frame[frame["why"] != "missing"]
    reasons = dict(sorted(Counter(frame["why"]).items()))
    return found(
        [out_of_date(reasons)] if reasons else [],
        fine,
        rows=plain_rows(frame[["key", "why", "scored_with", "current"]]),
        figures={"stale": len(frame), **{f"stale_{why}": count for why, count in reasons.items()}},
    )


def out_of_date(reasons: Mapping[str, int]) -> Condition:
    """That scores were made by something older than what would make them now: how many, by reason."""
    what = f"{sum(reasons.values())} scores are out of date ({', '.join(reasons)})."
    return warning("scores", "out of date", what, "sopilot score run --stale")


def can_be_scored(asked: Situation) -> Answer:
    """Recordings that were judged, and have a problem instead of a score."""
    problems = scores_ledger(asked.home).query("select key from latest where problem is not null")
    count = len(set(problems["key"]) & set(asked.recordings))
    what = f"{count} recordings could not be scored"
    return found(
        [warning("scores", "problems", what, "sopilot score list --problems")] if count else [],
        Fine("scores", "problems", "none"),
    )


def nobody_contests(asked: Situation) -> Answer:
    """Decisions that a person calls wrong and that nobody has answered yet, by task."""
    by_task: dict[str, list[str]] = {}
    rows: list[Mapping[str, Cell]] = []
    for key, objections in sorted(contested(asked.home).items()):
        if key in asked.recordings:
            who = ", ".join(one.who for one in objections)
            by_task.setdefault(objections[0].task_id, []).append(
                f"{asked.recordings[key]['original_name']} ({who})"
            )
            rows.append({"key": key, "who": who})
    return found(
        [unanswered(task_id, names) for task_id, names in sorted(by_task.items())],
        Fine("contested", "", "no verdict waits for an answer"),
        rows=rows,
        figures={"contested": len(rows)},
    )


def unanswered(task_id: str, names: Sequence[str]) -> Condition:
    """That people contest the decisions of these recordings of a task; ``names`` say who, too."""
    verdicts = f"{len(names)} verdict{'' if len(names) == 1 else 's'}"
    return warning(
        "contested",
        task_id,
        f"{task_id}: people contest {verdicts}, and nobody has answered: {in_a_line(names)}.",
        f"sopilot recording show FILE, then {answer_to(task_id)}",
    )


def answer_to(task_id: str) -> str:
    """The command that answers an objection to a decision of a task."""
    return f"sopilot label add {task_id} FILE ANSWER --who ID --adjudicates"
