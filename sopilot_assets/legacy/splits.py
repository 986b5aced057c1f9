"""Split manifests and split evaluations of the old system, made again; see `legacy.reports`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from sopilot_assets.errors import StudyError
from sopilot_assets.legacy.policies import OldPolicy
from sopilot_assets.legacy.reports import (
    Document,
    LabelCounts,
    OldJobs,
    Report,
    configured,
    evaluation,
    gates,
    old_scores,
)
from sopilot_assets.old_rules.choices import SplitRatios
from sopilot_assets.old_rules.profiles import LEGACY_CHECKS
from sopilot_assets.old_rules.seeded_splits import (
    grouped,
    hardness,
    leave_one_site_out,
    random_stratified,
)
from sopilot_assets.studies.groups import UNKNOWN, group_names
from sopilot_assets.studies.split_manifest import SPLITS

VERSION: Final = "split_manifest_v1"
RANDOM: Final = "random_stratified"
ONE_SITE_OUT: Final = "leave_one_site_out"
GROUPED: Final = ("group_trainee", "group_gold", "group_site")

_EVIDENCE: Final = {check.key for check in LEGACY_CHECKS if check.evidence}


@dataclass(frozen=True, slots=True)
class OldSplit:
    """How an old manifest was made."""

    task_id: str | None
    strategy: str
    seed: int
    ratios: SplitRatios
    holdout_site: str | None

    @classmethod
    def of(cls, manifest: Document) -> OldSplit:
        """What a manifest says of how it was made."""
        ratios = {name: float(manifest["split_ratios"][name]) for name in SPLITS}
        return cls(
            task_id=manifest.get("task_id"),
            strategy=str(manifest["strategy"]),
            seed=int(manifest["seed"]),
            ratios=SplitRatios(**ratios),
            holdout_site=manifest.get("holdout_site"),
        )

    def members(self, jobs: OldJobs) -> dict[str, list[int]]:
        """The job ids of dev, test and challenge, ascending."""
        cases = jobs.eligible(self.task_id)
        if cases.empty:
            raise StudyError("split: expected completed jobs with a label of yes or no, found none.")
        split = self._split(cases)
        ids = cases["order"].to_numpy()
        return {name: ids[split == name].tolist() for name in SPLITS}

    def manifest(self, jobs: OldJobs) -> Report:
        """The manifest without its hash."""
        return {
            "version": VERSION,
            "task_id": self.task_id,
            "strategy": self.strategy,
            "holdout_site": self.holdout_site,
            "seed": self.seed,
            "split_ratios": self.ratios.shares(),
            "split_job_ids": self.members(jobs),
        }

    def _split(self, cases: pd.DataFrame) -> np.ndarray:
        positive = cases["expected"].to_numpy() == 1
        hard = hardness(positive, old_scores(cases))
        if self.strategy == RANDOM:
            return random_stratified(positive, hard, seed=self.seed, ratios=self.ratios)
        if self.strategy in GROUPED:
            groups = group_names(cases, self.strategy)
            return grouped(positive, hard, groups, seed=self.seed, ratios=self.ratios)
        if self.strategy != ONE_SITE_OUT:
            expected = ", ".join((RANDOM, *GROUPED, ONE_SITE_OUT))
            raise StudyError(f"strategy: expected one of {expected}; found {self.strategy!r}.")
        held_out = np.array([(site or UNKNOWN) == self.holdout_site for site in cases["site"]], dtype=bool)
        if not held_out.any():
            raise StudyError(f"holdout_site: no labeled job is of the site {self.holdout_site!r}.")
        return leave_one_site_out(
            positive,
            hard,
            group_names(cases, ONE_SITE_OUT),
            held_out,
            seed=self.seed,
            ratios=self.ratios,
        )


def split_evaluation(
    jobs: OldJobs,
    manifest: Document,
    *,
    modes: Sequence[str],
    threshold: float,
    profile: str,
    strict: bool,
    policy: OldPolicy | None,
) -> Report:
    """The report of detectors on all labeled jobs and on each split; gates leave out the checks for an
    amount of evidence unless ``strict``.
    """
    cases = jobs.eligible(manifest["task_id"])
    members = manifest["split_job_ids"]
    gate, config = configured(profile, {})
    used = {key: value for key, value in config.items() if strict or key not in _EVIDENCE}
    places = {"full": cases["order"].tolist(), **members}
    results: dict[str, Report] = {}
    for mode in modes:
        results[mode] = {}
        for name, ids in places.items():
            part = cases[cases["order"].isin(ids)].reset_index(drop=True)
            counts = LabelCounts(len(ids), len(ids))
            report = evaluation(part, counts, mode=mode, threshold=threshold, policy=policy)
            report |= {"split": name, "critical_threshold": threshold}
            results[mode][name] = {
                **report,
                "gates": gates(gate, report, without_minimum_evidence=not strict),
            }
    return {
        "task_id": manifest["task_id"],
        "split_strategy": manifest["strategy"],
        "critical_threshold": threshold,
        "candidate_modes": list(modes),
        "gate_profile": profile,
        "gate_profile_locked": gate.locked,
        "gate_config_used": used,
        "strict_evidence_gates": strict,
        "eligible_counts": _counts(cases, places["full"]),
        "split_counts": {name: _counts(cases, ids) for name, ids in members.items()},
        "split_job_ids": dict(members),
        "split_manifest": dict(manifest),
        "results": results,
    }


def _counts(cases: pd.DataFrame, ids: Sequence[int]) -> dict[str, int]:
    expected = cases.loc[cases["order"].isin(ids), "expected"]
    return {
        "jobs": len(expected),
        "critical_positives": int((expected == 1).sum()),
        "critical_negatives": int((expected == 0).sum()),
    }
