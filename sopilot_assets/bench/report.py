"""From the runs and the labels to the report: per task, per site and pooled, with the baseline beside it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import sopilot_assets
from sopilot_assets.bench.folder import LabeledFolder
from sopilot_assets.bench.measures import Json, ScoredRecording, measure
from sopilot_assets.bench.recordings import NotScored
from sopilot_assets.bench.run import Reported, Result, TaskRun
from sopilot_assets.bench.truth import Truth, truth_of
from sopilot_assets.scoring.ledger import algorithm_version

COLUMNS: Final = (
    "file",
    "task",
    "site",
    "performer",
    "variant",
    "critical",
    "wanted",
    "allowed",
    "reported",
    "suspected",
    "critical_found",
    "held_back",
    "decision",
    "score",
    "critical_probability",
    "problem",
    "baseline_reported",
    "baseline_decision",
    "baseline_score",
    "baseline_critical_probability",
)


@dataclass(frozen=True, slots=True)
class TaskCases:
    """The scored recordings of a task beside their labels: by the product, and by the baseline (None where it
    was left out).
    """

    run: TaskRun
    product: tuple[ScoredRecording, ...]
    baseline: tuple[ScoredRecording, ...] | None
    baseline_seconds: float | None

    @property
    def sites(self) -> list[str]:
        """The sites of its recordings, ascending."""
        return sorted({case.truth.site for case in self.product})


def join(folder: LabeledFolder, run: TaskRun, baseline: TaskRun | None) -> TaskCases:
    """The results of a task with the labels of its recordings."""
    gold_sites = {gold.site for gold in run.golds}
    truths = {
        one.file: truth_of(run.task, one, folder.labels[run.task.task_id, one.file])
        for one in run.task.trainees
    }

    def cases(results: Mapping[str, Result]) -> tuple[ScoredRecording, ...]:
        return tuple(
            ScoredRecording(truths[file], result, truths[file].site in gold_sites)
            for file, result in results.items()
        )

    return TaskCases(
        run=run,
        product=cases(run.results),
        baseline=None if baseline is None else cases(baseline.results),
        baseline_seconds=None if baseline is None else baseline.seconds,
    )


def report(
    folder: LabeledFolder, tasks: Sequence[TaskCases], *, golds: int | None, seed: int, promote: int = 0
) -> dict[str, Json]:
    """The whole report, ready to be written as JSON; keys are in a fixed order and no number is NaN."""
    return {
        "version": sopilot_assets.__version__,
        "algorithm": algorithm_version(),
        "golds_asked_for": golds,
        "promotions_asked_for": promote,
        "seed": seed,
        "tasks": {
            one.run.task.title: _task_block(one, folder, seed=seed)
            for one in sorted(tasks, key=lambda one: one.run.task.title)
        },
        "pooled": _pooled(tasks, seed=seed),
        "not_scored": [_not_scored(one) for one in not_scored(folder, tasks)],
        "notes": list(folder.notes),
    }


def not_scored(folder: LabeledFolder, tasks: Sequence[TaskCases]) -> list[NotScored]:
    """What got no score: missing files, what intake refused, tasks without golds."""
    found = [*folder.not_scored, *(one for task in tasks for one in task.run.not_scored)]
    return sorted(found, key=lambda one: (one.task_id, one.file))


def _not_scored(one: NotScored) -> Json:
    return {"task": one.task_id, "file": one.file, "why": one.why}


def _task_block(one: TaskCases, folder: LabeledFolder, *, seed: int) -> dict[str, Json]:
    task, golds = one.run.task, one.run.golds
    refused = [item for item in not_scored(folder, [one]) if item.task_id == task.task_id]
    return {
        "task_id": task.task_id,
        "steps": list(task.step_ids),
        "golds": {
            "n": len(golds),
            "files": [gold.file for gold in golds],
            "performers": sorted({gold.person for gold in golds if gold.person is not None}),
            "sites": sorted({gold.site for gold in golds}),
            "annotated": sum(gold.file in task.gold_steps for gold in golds),
            "promoted": sum((task.task_id, gold.file) in folder.labels for gold in golds),
        },
        "not_scored": len(refused),
        **_both(one.product, one.baseline, one.run.seconds, one.baseline_seconds, seed=seed),
        "sites": {site: _site_block(one, site, seed=seed) for site in one.sites},
    }


def _site_block(one: TaskCases, site: str, *, seed: int) -> dict[str, Json]:
    def here(cases: tuple[ScoredRecording, ...]) -> list[ScoredRecording]:
        return [case for case in cases if case.truth.site == site]

    baseline = None if one.baseline is None else here(one.baseline)
    return _both(here(one.product), baseline, None, None, seed=seed)


def _pooled(tasks: Sequence[TaskCases], *, seed: int) -> dict[str, Json]:
    product = [case for one in tasks for case in one.product]
    baseline = [case for one in tasks for case in one.baseline or ()]
    ran = any(one.baseline is not None for one in tasks)
    return _both(
        product,
        baseline if ran else None,
        sum(one.run.seconds for one in tasks),
        sum(one.baseline_seconds or 0.0 for one in tasks),
        seed=seed,
    )


def _both(
    product: Sequence[ScoredRecording],
    baseline: Sequence[ScoredRecording] | None,
    seconds: float | None,
    baseline_seconds: float | None,
    *,
    seed: int,
) -> dict[str, Json]:
    beside = None if baseline is None else measure(baseline, seed=seed, seconds=baseline_seconds)
    return {**measure(product, seed=seed, seconds=seconds), "baseline": beside}


def dump(tasks: Sequence[TaskCases]) -> str:
    """CSV text with a row for each scored trainee recording, to look at single errors."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    for one in tasks:
        beside = {case.truth.file: case.result for case in one.baseline or ()}
        for case in one.product:
            table.writerow(_row(case.truth, case.result, beside.get(case.truth.file)))
    return text.getvalue()


def _row(truth: Truth, result: Result, beside: Result | None) -> dict[str, object]:
    return {
        "file": truth.file,
        "task": truth.task_id,
        "site": truth.site,
        "performer": truth.performer,
        "variant": truth.variant,
        "critical": truth.critical,
        "wanted": "; ".join(sorted(map(str, truth.needed))),
        "allowed": "; ".join(sorted(map(str, truth.allowed))),
        "suspected": _named(result.suspected),
        "critical_found": result.critical,
        "held_back": result.held_back,
        **dict(_said(result)),
        "problem": result.problem,
        **({f"baseline_{name}": value for name, value in _said(beside)} if beside else {}),
    }


def _said(result: Result) -> Iterator[tuple[str, object]]:
    yield "reported", _named(result.reported)
    yield "decision", result.decision
    yield "score", result.score
    yield "critical_probability", result.probability


def _named(deviations: Iterable[Reported]) -> str:
    return "; ".join(
        f"{one.fault} {one.segment.start_s:.1f}-{one.segment.end_s:.1f} s"
        for one in sorted(deviations, key=lambda one: (one.segment, one.fault))
    )
