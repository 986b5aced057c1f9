"""Runs as tasks of Celery workers, like dagster-celery's launcher, but noticed when a worker dies.

Celery's Redis backend keeps the last state it was told. Of a worker that lost its power it says "started"
for ever, and dagster-celery believes it. Our workers therefore renew the state every few seconds, with a
number that changes each time, and a run whose number stands still has lost its worker. Only the number is
compared, never the clocks of two machines.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from celery import Signature, states
from dagster import DagsterRun, Field
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._serdes import ConfigurableClassData
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_QUEUE_TAG

from sopilot_assets.defs.dagster_internals.launcher import health_of, tagged_process
from sopilot_assets.defs.scale.routing import MAIN_QUEUE, needs_main_machine

if TYPE_CHECKING:
    from dagster._config import UserConfigSchema

LOST_AFTER_S: Final = 60
"""Seconds without a sign of life after which a run counts as lost."""

_FORGET_AFTER_S: Final = 3600.0


@dataclass(slots=True)
class Silence:
    """For how long each run has shown the same sign of life, by the clock of the one who looks."""

    _seen: dict[str, tuple[object, float, float]] = field(default_factory=dict)

    def seconds(self, run_id: str, sign: object, now_s: float) -> float:
        """Seconds since ``sign`` was first seen for the run; 0 for a new one.

        >>> silence = Silence()
        >>> [silence.seconds("run", sign, now_s) for sign, now_s in ((1, 0.0), (1, 9.0), (2, 12.0))]
        [0.0, 9.0, 0.0]
        """
        before = self._seen.get(run_id)
        since_s = before[1] if before is not None and before[0] == sign else now_s
        recent = {run: one for run, one in self._seen.items() if now_s - one[2] < _FORGET_AFTER_S}
        self._seen = {**recent, run_id: (sign, since_s, now_s)}
        return now_s - since_s


class WorkerRunLauncher(CeleryRunLauncher):
    """dagster-celery's launcher for `sopilot worker run`; `dagster.scale.yaml` makes it the instance's.

    ``lost_after_s``: seconds without a sign of life after which a run counts as lost.
    """

    def __init__(self, *, lost_after_s: int = LOST_AFTER_S, **settings: Any) -> None:
        super().__init__(**settings)
        self.lost_after_s = lost_after_s
        self._silence = Silence()

    @property
    def supports_resume_run(self) -> bool:
        """False: a lost run is started anew by Dagster's retries, which every station allows."""
        return False

    def terminate(self, run_id: str) -> bool:
        """Whether the run is asked to end; its worker looks for that with each sign of life."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """``FAILED`` when the worker said so or has been silent for too long; a run that a command line
        executes has no worker, but notes its process.
        """
        if (noted := tagged_process(run)) is not None:
            return health_of(noted)
        state, sign = self._last_told(run)
        silent_s = self._silence.seconds(run.run_id, sign, time.monotonic())
        if state == states.SUCCESS:
            return CheckRunHealthResult(WorkerStatus.SUCCESS)
        if state in states.EXCEPTION_STATES:
            return CheckRunHealthResult(WorkerStatus.FAILED, f"The worker's task ended: {sign}.")
        if silent_s < self.lost_after_s:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        said = f"No sign of life from the worker for {silent_s:.0f} s (the last one: {sign})."
        return CheckRunHealthResult(WorkerStatus.FAILED, said)

    def _last_told(self, run: DagsterRun) -> tuple[str, str]:
        """The state of the run's task, and what its worker wrote beside it."""
        told = self.celery.AsyncResult(run.run_id)
        return str(told.state), repr(told.info)

    def _launch_celery_task_run(self, run: DagsterRun, task_signature: Signature, routing_key: str) -> None:
        # the task has the run's id, since the run's tag with the task's id is written after the task was sent
        queue = {DAGSTER_CELERY_QUEUE_TAG: MAIN_QUEUE} if needs_main_machine(run) else {}
        routed = run.with_tags({**queue, **run.tags})
        super()._launch_celery_task_run(routed, task_signature.set(task_id=run.run_id), routing_key)

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """dagster-celery's settings and ours."""
        ours = Field(int, is_required=False, default_value=LOST_AFTER_S, description="Seconds of silence.")
        return {**CeleryRunLauncher.config_type(), "lost_after_s": ours}  # type: ignore[dict-item]

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """The launcher with the settings of an instance file."""
        return cls(inst_data=inst_data, **config_value)
