"""What one more gold would do, worked out: the calibration made with it, and recordings judged by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd
from threadpoolctl import threadpool_limits

from sopilot_assets.alignment.align import align
from sopilot_assets.alignment.calibration import Calibration, calibrate
from sopilot_assets.capture.ledgers import ACTIVE, videos_ledger
from sopilot_assets.capture.registry import Recording
from sopilot_assets.errors import GoldError
from sopilot_assets.intervals import ClusteredInterval, clustered
from sopilot_assets.labels.audit import drawn
from sopilot_assets.processes.limited import MEMORY_LIMIT_BYTES, run_limited
from sopilot_assets.reference.model import Gold, Reference, build_reference
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.scoring.limits import DecisionLimits, golds_limits
from sopilot_assets.scoring.score import score_alignment
from sopilot_assets.scoring.verifiability import LEAST_POWER, verifiability
from sopilot_assets.settings import AuditSettings
from sopilot_assets.stations.adoptions import adopted_limits
from sopilot_assets.stations.gold_inputs import step_intervals
from sopilot_assets.stations.gold_promotions import decoded_steps
from sopilot_assets.stations.gold_references import EmbeddingsOf, current_calibration, reference_of
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import query_together
from sopilot_assets.studies.audit import DECIDED
from sopilot_assets.tasks import DeviationType, TaskSpec, load_task

MOST_TRIED: Final = 40
"""About so many recordings are judged once more, drawn by chance."""
_TIME_LIMIT_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class StepPower:
    """How often the absence of a weak critical step is found in edited golds, now and with one more gold;
    None where that is not known.
    """

    step_id: str
    now: float | None
    then: float | None

    def __str__(self) -> str:
        return f"{self.step_id} {_said(self.now)} -> {_said(self.then)}"


@dataclass(frozen=True, slots=True)
class GoldTrial:
    """Recordings judged once more with one more gold, and the power at weak steps.

    ``now`` and ``then`` are the shares left to a person, of the same recordings; ``newly_decided`` are those
    that were left before, ``newly_left`` the other way round.
    """

    now: ClusteredInterval
    then: ClusteredInterval
    newly_decided: int
    newly_left: int
    powers: tuple[StepPower, ...]


@dataclass(frozen=True, slots=True)
class _With:
    """A task's reference, or the one with one more gold, and its calibration."""

    reference: Reference
    calibration: Calibration


def power_with(
    home: Home, task_id: str, recordings: Sequence[Recording]
) -> dict[str, tuple[StepPower, ...] | None]:
    """For each recording, by key, the power at each weak critical step now and with it among the golds; None
    where it has no complete steps or no reference can be made with it, and empty where no step is weak.

    A step is weak where its absence is found, by the limit that decides now, in fewer than half of the golds
    that were edited to lack it.
    Raises `GoldError` where the task has no reference.
    """
    task, now, limits = _now(home, task_id)
    weak = _weak(task, now, limits)
    found: dict[str, tuple[StepPower, ...] | None] = {}
    for one in recordings:
        try:
            made = _with(home, task, now.reference, one) if weak else now
        except GoldError:
            found[str(one.key)] = None
            continue
        found[str(one.key)] = _powers(task, weak, made, limits)
    return found


def try_gold(home: Home, recording: Recording) -> GoldTrial:
    """What would be left to a person with a recording among the golds, with the steps that scoring found.

    About `MOST_TRIED` recordings, drawn by chance among those that are judged by the current reference and
    show the task, are judged once more. Runs in a limited child process. Raises `GoldError` where the
    recording has no complete steps, or no reference can be made.
    """
    return run_limited(
        _tried, (home, recording), time_limit_s=_TIME_LIMIT_S, memory_limit_bytes=MEMORY_LIMIT_BYTES
    )


def _tried(home: Home, recording: Recording) -> GoldTrial:
    task, now, limits = _now(home, recording.task_id)
    made = _with(home, task, now.reference, recording)
    rows = _sample(home, recording, now.reference)
    left = [not _is_decided(home, task, made, limits, video_id) for video_id in rows["video_id"]]
    before, after = ~rows["decision"].isin([one.value for one in DECIDED]), pd.Series(left, dtype=bool)
    return GoldTrial(
        now=clustered(before, rows["person"]),
        then=clustered(after, rows["person"]),
        newly_decided=int((before & ~after).sum()),
        newly_left=int((after & ~before).sum()),
        powers=_powers(task, _weak(task, now, limits), made, limits),
    )


def _is_decided(home: Home, task: TaskSpec, made: _With, limits: DecisionLimits, video_id: str) -> bool:
    # one thread: sums come out the same on every machine
    with threadpool_limits(limits=1):
        embedding, prices = EmbeddingsOf(home, task.task_id)(video_id), made.calibration.prices
        alignment = align(video_id, embedding, made.reference, prices=prices)
    return score_alignment(task, made.reference, alignment, made.calibration, limits).decision in DECIDED


def _sample(home: Home, recording: Recording, reference: Reference) -> pd.DataFrame:
    """Trainee recordings that count and that the reference judged, drawn by their keys: every trial draws the
    same.
    """
    asked = {"its_key": [str(recording.key)], "its_reference": [reference.reference_id]}
    rows = query_together(
        {"scores": scores_ledger(home), "videos": videos_ledger(home)},
        _JUDGED,
        asked=pd.DataFrame(asked, dtype="string"),
    )
    share = min(1.0, MOST_TRIED / max(1, len(rows)))
    picked = drawn(rows["key"], AuditSettings(share=share, seed=0))
    return rows[rows["key"].isin(picked)].reset_index(drop=True)


_JUDGED: Final = f"""
select key, scores.video_id, coalesce(videos.person, '') as person, decision
from videos join scores using (key), asked
where videos.status = '{ACTIVE}' and scores.role = 'trainee' and problem is null
    and shows_task is distinct from false
    and reference_id = asked.its_reference and key <> asked.its_key
order by key
"""  # noqa: S608 - a constant of ours


def _now(home: Home, task_id: str) -> tuple[TaskSpec, _With, DecisionLimits]:
    task = load_task(home.tasks / f"{task_id}.yaml")
    reference = reference_of(home, task)
    limits = adopted_limits(home, task, model_id=reference.model_id) or golds_limits(task)
    return task, _With(reference, current_calibration(home, reference)), limits


def _with(home: Home, task: TaskSpec, reference: Reference, recording: Recording) -> _With:
    gold = Gold(
        video_id=recording.key.video_id,
        person=recording.person,
        site=recording.site,
        embedding=EmbeddingsOf(home, task.task_id)(recording.key.video_id),
        intervals=step_intervals(task, decoded_steps(home, task, recording)),
        confirmed=True,
    )
    # one thread: sums come out the same on every machine
    with threadpool_limits(limits=1):
        golds, orders = [*reference.golds, gold], reference.task_orders
        made = build_reference(task.task_id, task.step_ids, golds, orders=orders)
        return _With(made, calibrate(made))


def _weak(task: TaskSpec, now: _With, limits: DecisionLimits) -> Mapping[str, float | None]:
    powers = _power(task, now, limits)
    return {step: power for step, power in powers.items() if power is None or power < LEAST_POWER}


def _powers(
    task: TaskSpec, weak: Mapping[str, float | None], made: _With, limits: DecisionLimits
) -> tuple[StepPower, ...]:
    then = _power(task, made, limits) if weak else {}
    return tuple(StepPower(step, power, then.get(step)) for step, power in weak.items())


def _power(task: TaskSpec, by: _With, limits: DecisionLimits) -> dict[str, float | None]:
    """How often the absence of each critical step is found."""
    return {
        row.step_id: row.power
        for row in verifiability(task, by.calibration, limits.review)
        if row.type is DeviationType.MISSING_STEP and row.step_id in task.critical_ids
    }


def _said(power: float | None) -> str:
    return "unknown" if power is None else f"{power:.2f}".removeprefix("0")
