"""The gates of a campaign: a profile held against the dev recordings of studies.

Test and challenge recordings are never looked at: a campaign looks every hour, and each look at held-out
recordings makes them worth less. Nor is a study judged before it was split, since which of its recordings are
held out is not known until then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import pandas as pd

from sopilot_assets.errors import ConfigError, StudyError
from sopilot_assets.evidence.gate_reports import repeat_values
from sopilot_assets.evidence.labels import with_labels
from sopilot_assets.evidence.results import MANIFEST, Results
from sopilot_assets.evidence.scored import scored_cases
from sopilot_assets.evidence.study import POLICIES, Study
from sopilot_assets.labels.chain import read_chain
from sopilot_assets.old_rules.detectors import old_outcome
from sopilot_assets.old_rules.profiles import GateProfile
from sopilot_assets.stations.score_repeats import current_repeats
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.studies.cases import labeled
from sopilot_assets.studies.gates import GateReport, check_gates, gate_counts
from sopilot_assets.studies.looks import HELD_OUT
from sopilot_assets.studies.metrics import figures, gate_values
from sopilot_assets.studies.policy_fits import independent_units
from sopilot_assets.studies.profiles import gate_profile
from sopilot_assets.studies.spec import ScoreOrigin, study_ids
from sopilot_assets.studies.split_manifest import parse_manifest

DEV: Final = "dev"

_OF_A_WHOLE_STUDY: Final = frozenset(
    {
        "test_looks",
        "leaking_groups",
        "rater_kappa_ci95_low",
        "settled_label_share",
        "blind_label_share",
        "coverage_rate",
        "scored_share",
    }
)
"""Checks that say something about a study as a whole, or its held-out part: its own gate report has them."""


@dataclass(frozen=True, slots=True)
class DevGates:
    """One study's dev recordings against a profile; ``problem`` says why they could not be judged."""

    study_id: str
    recordings: int
    detector: str
    report: GateReport | None
    problem: str | None = None

    @property
    def passed(self) -> bool:
        """Whether they were judged and every check holds."""
        return self.report is not None and self.report.overall_pass

    def rows(self) -> list[dict[str, Cell]]:
        """A row for each check, or one with the problem."""
        known: dict[str, Cell] = {"study": self.study_id, "dev": self.recordings, "detector": self.detector}
        if self.report is None:
            return [
                {
                    **known,
                    "check": "–",
                    "passed": False,
                    "value": None,
                    "threshold": None,
                    "why": self.problem,
                }
            ]
        return [
            {
                **known,
                "check": check.name,
                "passed": check.passed,
                "value": check.value,
                "threshold": check.threshold,
                "why": check.reason,
            }
            for check in self.report.checks
            if check.enabled
        ]


def dev_gates(home: Home, profile: str, *, task_id: str | None = None) -> list[DevGates]:
    """The newest scores of each split study's dev recordings against a gate profile.

    Checks that ask for an amount of material are left out, and so are those about a study as a whole. A
    recording that is dev in one study and held out in another is not looked at.
    """
    asked = _of_dev(gate_profile(profile))
    split = {study_id: _case_ids(home, study_id) for study_id in study_ids(home)}
    held_out = {
        _recording(case)
        for by_split in split.values()
        for name in HELD_OUT
        for case in by_split.get(name, ())
    }
    judged = []
    for study_id, by_split in split.items():
        dev = [case for case in by_split.get(DEV, ()) if _recording(case) not in held_out]
        found = _judged(home, study_id, dev, asked, task_id) if dev else None
        if found is not None:
            judged.append(found)
    return judged


def _judged(
    home: Home, study_id: str, dev: list[str], profile: GateProfile, task_id: str | None
) -> DevGates | None:
    """None for studies of other tasks and of imported scores, which do not change."""
    try:
        study = Study.open(home, study_id)
        if task_id not in (None, study.spec.task) or study.spec.scores is ScoreOrigin.IMPORTED:
            return None
        cases = _dev_cases(study, dev)
        policy = study.policy if study.results.has(POLICIES) else None
        outcome = policy.outcome(cases) if policy else old_outcome(cases, study.spec.baseline_detector.value)
        repeats = current_repeats(home, study.spec.task)
        repeats = repeats[repeats["key"].isin(set(cases["case_id"]))].reset_index(drop=True)
        found = figures(cases, outcome, clusters=independent_units(cases), repeats=repeats)
        values = {**gate_values(found), **repeat_values(repeats)}
        report = check_gates(profile, values, without_minimum_evidence=True, counts=gate_counts(found))
    except StudyError as error:
        return DevGates(study_id, len(dev), "–", None, str(error))
    return DevGates(study_id, len(cases), policy.detector if policy else "baseline", report)


def _dev_cases(study: Study, dev: list[str]) -> pd.DataFrame:
    """The dev recordings with their newest scores and labels."""
    task = study.spec.task
    registered = study.registration
    cases = scored_cases(
        study.home,
        task,
        task_fingerprint=registered.current.task_fingerprint,
        promoted=registered.golds.promoted,
    )
    cases = cases[cases["case_id"].isin(dev)].reset_index(drop=True)
    labels = [event for event in read_chain(study.home, task) if event.key in set(dev)]
    cases = with_labels(cases, labels, [source.value for source in study.spec.label_sources])
    return cases[labeled(cases)].reset_index(drop=True)


def _of_dev(profile: GateProfile) -> GateProfile:
    return replace(
        profile,
        thresholds={
            name: value for name, value in profile.thresholds.items() if name not in _OF_A_WHOLE_STUDY
        },
        listed=tuple(name for name in profile.listed if name not in _OF_A_WHOLE_STUDY),
    )


def _case_ids(home: Home, study_id: str) -> Mapping[str, Sequence[str]]:
    """The case ids of a study by split; empty before it was split."""
    results = Results(home, study_id)
    if not results.has(MANIFEST):
        return {}
    return parse_manifest(results.read(MANIFEST), name=MANIFEST).case_ids


def _recording(case_id: str) -> str:
    """What a case shows, whatever the task that judges it."""
    try:
        return PartitionKey.parse(case_id).video_id
    except ConfigError:
        return case_id
