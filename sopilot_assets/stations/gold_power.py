"""How often the absence of weak steps would be found with one more gold: the calibration made with it."""

from __future__ import annotations

from collections.abc import Sequence

from threadpoolctl import threadpool_limits

from sopilot_assets.alignment.calibration import Calibration, calibrate
from sopilot_assets.capture.registry import Recording
from sopilot_assets.errors import GoldError
from sopilot_assets.reference.ledger import current_reference_ids
from sopilot_assets.reference.model import Gold, Reference, build_reference
from sopilot_assets.scoring.limits import golds_limits
from sopilot_assets.scoring.verifiability import LEAST_POWER, verifiability
from sopilot_assets.stations.adoptions import adopted_limits
from sopilot_assets.stations.gold_inputs import step_intervals
from sopilot_assets.stations.gold_promotions import decoded_steps
from sopilot_assets.stations.gold_references import EmbeddingsOf, current_calibration, read_reference
from sopilot_assets.store.home import Home
from sopilot_assets.tasks import DeviationType, TaskSpec, load_task


def power_with(home: Home, task_id: str, recordings: Sequence[Recording]) -> dict[str, str | None]:
    """For each recording, by key, the power at each weak critical step now and with it among the golds, as
    ``seal .25 -> .60``; None where it has no complete steps or no reference can be made with it, and empty
    where no step is weak.

    A step is weak where its absence is found, by the limit that decides now, in fewer than half of the golds
    that were edited to lack it.
    Raises `GoldError` where the task has no reference.
    """
    task = load_task(home.tasks / f"{task_id}.yaml")
    reference = read_reference(home, task_id, current_reference_ids(home).get(task_id))
    limits = adopted_limits(home, task, model_id=reference.model_id) or golds_limits(task)
    now = _power(task, current_calibration(home, reference), limits.review)
    weak = {step: power for step, power in now.items() if power is None or power < LEAST_POWER}
    found: dict[str, str | None] = {}
    for one in recordings:
        then = _power_with(home, task, reference, one, limits.review) if weak else {}
        found[str(one.key)] = (
            None
            if then is None
            else ", ".join(
                f"{step} {_said(power)} -> {_said(then.get(step))}" for step, power in weak.items()
            )
        )
    return found


def _power_with(
    home: Home, task: TaskSpec, reference: Reference, recording: Recording, review: float
) -> dict[str, float | None] | None:
    try:
        gold = Gold(
            video_id=recording.key.video_id,
            person=recording.person,
            site=recording.site,
            embedding=EmbeddingsOf(home, task.task_id)(recording.key.video_id),
            intervals=step_intervals(task, decoded_steps(home, task, recording)),
            confirmed=True,
        )
        golds = [*reference.golds, gold]
        # one thread: sums come out the same on every machine
        with threadpool_limits(limits=1):
            made = build_reference(task.task_id, task.step_ids, golds, orders=reference.task_orders)
            return _power(task, calibrate(made), review)
    except GoldError:
        return None


def _power(task: TaskSpec, calibration: Calibration, review: float) -> dict[str, float | None]:
    """How often the absence of each critical step is found."""
    return {
        row.step_id: row.power
        for row in verifiability(task, calibration, review)
        if row.type is DeviationType.MISSING_STEP and row.step_id in task.critical_ids
    }


def _said(power: float | None) -> str:
    return "unknown" if power is None else f"{power:.2f}".removeprefix("0")
