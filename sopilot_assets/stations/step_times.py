"""The step times of recordings, as scoring wrote them down: a table, a picture and a few figures each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import pandas as pd

from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.scoring.review.drawing import png
from sopilot_assets.stations.outcome import StationOutcome
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Cell, Row, plain_rows, query_together
from sopilot_assets.tasks import TaskSpec, find_tasks
from sopilot_assets.times.charts import recording_chart
from sopilot_assets.times.ledger import CYCLE, MADE_BY, TIMES_VERSION, step_times_ledger
from sopilot_assets.times.occurrences import WAITING

OLDER: Final = "Its score was made before step times were kept with it: `sopilot score run --stale`."
_NO_STEPS: Final = "It does not show the task, so that nothing in it has a time."
_SHOWN: Final = ("kind", "step_id", "occurrence", "begin_s", "end_s", "seconds", "usual_s", "low_s", "high_s")
_ROWS: Final = f"""
select times.*, scores.problem, wanted.key as wanted_key from wanted join scores using (key)
left join times on times.key = scores.key
    and {" and ".join(f"times.{name} = scores.{name}" for name in MADE_BY if name != "algorithm")}
    and times.algorithm = scores.algorithm || '+{TIMES_VERSION}'
order by wanted.key, number
"""  # noqa: S608 - constants of ours


def step_times(home: Home, keys: Sequence[PartitionKey]) -> list[StationOutcome]:
    """What is known of the step times of these recordings, in their order; with the reason where nothing is.

    Scoring has the alignment at hand and writes them into the ledger ``step_times``; nothing is computed
    here.
    """
    wanted = pd.DataFrame({"key": [str(key) for key in keys]}, dtype="string")
    ledgers = {"times": step_times_ledger(home), "scores": scores_ledger(home)}
    found: dict[str, list[Row]] = {}
    for row in plain_rows(query_together(ledgers, _ROWS, wanted=wanted)):
        found.setdefault(str(row["wanted_key"]), []).append(row)
    tasks = find_tasks(home.root).tasks
    return [_outcome(key, found.get(str(key), []), tasks) for key in keys]


def _outcome(key: PartitionKey, rows: Sequence[Row], tasks: Mapping[str, TaskSpec]) -> StationOutcome:
    if not rows:
        return StationOutcome(key, problem="It was not scored yet.")
    whole, stretches = rows[0], rows[1:]
    if whole["problem"] is not None:
        return StationOutcome(key, problem=str(whole["problem"]))
    if whole["kind"] != CYCLE:
        return StationOutcome(key, problem=OLDER)
    if whole["seconds"] is None:
        return StationOutcome(key, problem=_NO_STEPS)
    task = tasks.get(key.task_id)
    return StationOutcome(
        key,
        metadata=_figures(whole, stretches),
        table=[{name: row[name] for name in _SHOWN} for row in stretches],
        picture_png=None if task is None else png(recording_chart(task, stretches)),
    )


def _figures(whole: Row, stretches: Sequence[Row]) -> dict[str, Cell]:
    def seconds(rows: Sequence[Row]) -> float:
        return round(sum(float(row["seconds"] or 0.0) for row in rows), 3)

    slow = [row for row in stretches if row["high_s"] is not None]
    slow = [row for row in slow if float(row["seconds"] or 0.0) > float(row["high_s"] or 0.0)]
    return {
        "cycle_s": whole["seconds"],
        "complete": whole["whole"],
        "waiting_s": seconds([row for row in stretches if row["kind"] in WAITING]),
        "rework_s": seconds([row for row in stretches if row["rework"]]),
        "steps_longer_than_golds": len(slow),
    }
