"""The old system's figures that are wrong by design, each with the right one beside it.

The old ones are those of `legacy.reports`, so they are what its scripts printed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pandas as pd

from sopilot_assets.errors import StudyError
from sopilot_assets.legacy.importing import task_name
from sopilot_assets.legacy.policies import OldFit
from sopilot_assets.legacy.reports import (
    Document,
    LabelCounts,
    OldJobs,
    evaluation,
    gates,
    old_outcome,
)
from sopilot_assets.legacy.splits import GROUPED, RANDOM, OldSplit
from sopilot_assets.old_rules.choices import SplitRatios
from sopilot_assets.old_rules.detectors import DEFAULT_THRESHOLD, MODES
from sopilot_assets.old_rules.figures import figures_in, old_gate_values
from sopilot_assets.old_rules.profiles import NO_PROFILE
from sopilot_assets.studies.gates import check_gates
from sopilot_assets.studies.groups import person_groups
from sopilot_assets.studies.leakage import leakage_table, leaking_groups
from sopilot_assets.studies.metrics import Figures, figures
from sopilot_assets.studies.spec import DEFAULT_SEED, SplitPlan, SplitStrategy
from sopilot_assets.studies.split_manifest import SPLITS
from sopilot_assets.studies.splits import split_manifest

PROFILE: Final = "research_v2"


@dataclass(frozen=True, slots=True)
class OldAndRight:
    """One figure twice, and what is wrong with the old one; None where it cannot be computed."""

    figure: str
    old: float | str | None
    right: float | str | None
    why: str


def old_and_right(jobs: OldJobs, task_id: str | None) -> list[OldAndRight]:
    """Every old figure that misleads, for the completed jobs of a task.

    Raises `StudyError` where no completed job has a label.
    """
    cases = jobs.completed(task_id)
    if not len(jobs.eligible(task_id)):
        raise StudyError("expected completed jobs with a label of yes or no, found none.")
    counts = LabelCounts(len(jobs.labels.job_ids), len(jobs.labels.expected))
    clusters = person_groups(cases)
    rows: list[OldAndRight] = []
    for mode in MODES:
        old = evaluation(cases, counts, mode=mode, threshold=DEFAULT_THRESHOLD)
        right = figures(cases, old_outcome(cases, mode, DEFAULT_THRESHOLD), clusters=clusters)
        rows += _bounds(mode, old, right)
        if mode == MODES[0]:
            rows += [*_drifts(old, right), _empty_gate(old)]
    return [*rows, *_leaks(jobs, task_id, cases), *_fit(jobs, task_id)]


def _bounds(mode: str, old: Document, right: Figures) -> Iterator[OldAndRight]:
    for name, found in (
        ("critical_miss_rate", right.clustered_miss_rate),
        ("critical_false_positive_rate", right.clustered_false_positive_rate),
    ):
        interval = old["critical_confidence"][name.removeprefix("critical_")]["ci95"] or {}
        yield OldAndRight(
            f"{name}, upper 95 % bound, {mode}",
            interval.get("high"),
            found.high,
            f"{found.n} jobs are of {found.clusters} persons or videos; repeats are no new evidence",
        )


def _drifts(old: Document, right: Figures) -> Iterator[OldAndRight]:
    drift = right.drift
    for name, found in (("critical_score_psi", drift.critical_score), ("score_psi", drift.score)):
        why = "too few jobs"
        if found is not None:
            why = (
                "an empty bin alone adds up to 2; with fixed bins, chance gives as much with a probability "
                f"of {found.psi_p_value:.2g}"
            )
        yield OldAndRight(f"drift, {name}", old["drift"][name], None if found is None else found.psi, why)


def _empty_gate(old: Document) -> OldAndRight:
    passed = {True: "passes", False: "fails"}
    return OldAndRight(
        "gate without a profile",
        passed[gates(NO_PROFILE, old)["overall_pass"]],
        passed[check_gates(NO_PROFILE, old_gate_values(*figures_in(old))).overall_pass],
        "a gate that asks for nothing shows nothing",
    )


def _leaks(jobs: OldJobs, task_id: str | None, cases: pd.DataFrame) -> Iterator[OldAndRight]:
    task = task_name(task_id) or "all"
    plan = SplitPlan(strategy=SplitStrategy.GROUP_PERSON, seed=DEFAULT_SEED)
    by_person = split_manifest(cases, study_id="beside", task=task, plan=plan)
    right = leaking_groups(leakage_table(cases, by_person))
    for strategy in (RANDOM, *GROUPED):
        members = OldSplit(task_id, strategy, DEFAULT_SEED, SplitRatios(), None).members(jobs)
        names = dict(zip(cases["order"], cases["case_id"], strict=True))
        ids = {split: tuple(names[order] for order in members[split]) for split in SPLITS}
        leaking = leaking_groups(leakage_table(cases, by_person.model_copy(update={"case_ids": ids})))
        yield OldAndRight(
            f"persons and videos in two splits, {strategy}",
            float(leaking),
            float(right),
            "what is fitted on dev can be recognised in test; group_person keeps persons together",
        )


def _fit(jobs: OldJobs, task_id: str | None) -> Iterator[OldAndRight]:
    dev = OldSplit(task_id, "group_trainee", DEFAULT_SEED, SplitRatios(), None).members(jobs)["dev"]
    cases = jobs.completed(task_id)
    chosen = cases[cases["order"].isin(dev)].reset_index(drop=True)
    if chosen.empty:
        return
    best = OldFit(task_id, PROFILE, intervals=False, threshold=DEFAULT_THRESHOLD).run(chosen).best
    written = f"min_dtw {best.min_dtw:g}, exceeds its limits by {best.violation:.3g}"
    yield OldAndRight(
        f"policy fitted under {PROFILE}",
        written,
        written if best.feasible else "none",
        "the best candidate is no policy where it breaks the limits it was fitted under",
    )
