"""What deviations cost, and which step to train first.

Everything is in seconds: a deviation costs the time that it took beyond the usual, and a critical one the
whole work once more, since what it belongs to has to be done again. A frozen picture is the camera's and
costs nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sopilot_assets.store.ledgers import Cell, plain_rows
from sopilot_assets.tasks import DeviationType, TaskSpec
from sopilot_assets.texts.languages import Text
from sopilot_assets.times.figures import TimesFilter, ask
from sopilot_assets.times.reading import Times

MOST_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Costly:
    """One type of deviation at one step, or at the ``steps`` that were swapped: in how many ``recordings``
    and of how many ``persons``, in how many of these it was ``critical``, and what it cost in all, in
    ``seconds``.
    """

    type: DeviationType
    steps: tuple[str, ...]
    recordings: int
    persons: int
    critical: int
    seconds: float


@dataclass(frozen=True, slots=True)
class StepToTrain:
    """A step that is worth training: what it costs a recording on average, in seconds, and why."""

    step_id: str
    seconds: float
    reasons: tuple[Text, ...]


def costly_deviations(
    times: Times, wanted: TimesFilter, *, redo_s: float, most: int = MOST_SHOWN
) -> tuple[Costly, ...]:
    """The deviations that cost most in the recordings of a task that are ``wanted``, the dearest first; of
    those that cost the same the more frequent one.

    A cost is how often it was found times the seconds each took beyond the usual; a critical one takes
    ``redo_s`` (see `usual_cycle_s`).
    """
    sql = _COSTLY.format(redo_s=redo_s)
    rows = plain_rows(ask(sql, wanted, found=times.deviations))[:most]
    return tuple(
        Costly(
            DeviationType(str(row["type"])),
            tuple(filter(None, str(row["steps"]).split(","))),
            int(row["recordings"] or 0),
            int(row["persons"] or 0),
            int(row["critical"] or 0),
            float(row["seconds"] or 0.0),
        )
        for row in rows
    )


def usual_cycle_s(times: Times, task: TaskSpec) -> float:
    """The golds' usual time for all steps of a task, as far as recordings of it show them."""
    rows = ask(_USUAL, TimesFilter(task=task.task_id), done=times.steps)
    return float(rows["usual_s"].sum())


def train_first(
    times: Times, task: TaskSpec, wanted: TimesFilter, *, redo_s: float
) -> tuple[StepToTrain, ...]:
    """The steps of a task in the order in which training them would save most, with the reasons; steps that
    cost nothing are left out.

    A step costs what its deviations cost (see `costly_deviations`; one at two steps half at each), and what
    it took beyond the longest gold, in place of what an over-long step was found to take. By recording.
    """
    sql = _BY_STEP.format(redo_s=redo_s)
    rows = plain_rows(ask(sql, wanted, found=times.deviations, done=times.steps))
    recordings = int(ask("select count(*) as n from known", wanted, known=times.cycles)["n"].iloc[0])
    ranked = [one for row in rows if (one := _to_train(row, task, recordings)) is not None]
    return tuple(sorted(ranked, key=lambda one: (-one.seconds, task.step_ids.index(one.step_id))))


def _to_train(row: dict[str, Cell], task: TaskSpec, recordings: int) -> StepToTrain | None:
    step_id, seconds = str(row["step_id"]), float(row["seconds"] or 0.0)
    if step_id not in task.step_ids or seconds <= 0:
        return None
    return StepToTrain(step_id, seconds / max(recordings, 1), tuple(_reasons(row, recordings)))


def _reasons(row: dict[str, Cell], recordings: int) -> list[Text]:
    reasons = []
    for name, (en, ja) in _SAID.items():
        count, persons = int(row[name] or 0), int(row[f"{name}_persons"] or 0)
        if count:
            who = f", {persons} person{'s' if persons > 1 else ''}" if persons else ""
            whose = f"、{persons} 人" if persons else ""
            reasons.append(
                Text(
                    f"{en} in {count} of {recordings} recordings{who}",
                    f"{recordings} 件中 {count} 件で{ja}{whose}",
                )
            )
    if slow := int(row["slow"] or 0):
        timed, longest = row["timed"], f"{row['high_s']:.1f}"
        by = f"{float(row['excess_s'] or 0.0) / slow:.1f}"
        reasons.append(
            Text(
                f"longer than any gold ({longest} s) in {slow} of {timed}, by {by} s on average",
                f"{timed} 件中 {slow} 件でお手本の最長 {longest} 秒を超過（平均 {by} 秒）",
            )
        )
    return reasons


_SAID: Final = {
    "missing": ("missing", "抜け"),
    "swapped": ("out of order", "順序違い"),
    "other": ("something else done", "別の作業"),
}
_COST: Final = "case when severity = 'critical' then {redo_s} else lost_s end"
_USUAL: Final = """
select step_id, arg_max(usual_s, one) as usual_s from done where kind = 'step' group by step_id
"""
_COSTLY: Final = f"""
select type, steps, count(distinct one) as recordings, count(distinct person) as persons,
    count(distinct one) filter (severity = 'critical') as critical, sum({_COST}) as seconds
from found where type <> 'freeze' group by type, steps
order by seconds desc, recordings desc, type, steps
"""  # noqa: S608 - constants of ours
_KINDS: Final = {
    "missing": "type = 'missing_step'",
    "swapped": "type = 'order_swap'",
    "other": "type in ('wrong_step', 'step_deviation')",
}
_COUNTED: Final = ", ".join(
    f"count(distinct one) filter ({kind}) as {name}, count(distinct person) filter ({kind}) as {name}_persons"
    for name, kind in _KINDS.items()
)
_BY_STEP: Final = f"""with exploded as (
    select one, person, type, severity, lost_s, unnest(string_split(steps, ',')) as step_id,
        len(string_split(steps, ',')) as shared
    from found where type <> 'freeze' and steps <> ''
), deviated as (
    select step_id, {_COUNTED},
        sum(case when type = 'over_time' and severity <> 'critical' then 0 else {_COST} / shared end)
            as cost_s
    from exploded group by step_id
), timed as (
    select step_id, count(*) as timed, count(*) filter (seconds > high_s) as slow,
        sum(greatest(seconds - high_s, 0)) as excess_s, arg_max(high_s, one) as high_s
    from done where kind = 'step' and whole and not rework group by step_id
)
select step_id, coalesce(cost_s, 0) + coalesce(excess_s, 0) as seconds, deviated.*, timed.*
from deviated full join timed using (step_id)
"""  # noqa: S608 - constants of ours
