"""One study as its stations read it: the registered file, and what was published so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, TypeAdapter

from sopilot_assets.evidence.results import GATES, MANIFEST, Results
from sopilot_assets.labels.agreement import RaterAgreement
from sopilot_assets.labels.events import LabelEvent
from sopilot_assets.old_rules.detectors import DetectorOutcome, old_outcome
from sopilot_assets.old_rules.profiles import GateProfile
from sopilot_assets.store.home import Home
from sopilot_assets.studies.cases import read_cases
from sopilot_assets.studies.gates import Override, StudyGates, read_gates
from sopilot_assets.studies.metrics import Figures, read_figures
from sopilot_assets.studies.policies import Policy, parse_policies
from sopilot_assets.studies.policy_fits import independent_units
from sopilot_assets.studies.profiles import study_profile
from sopilot_assets.studies.registration import Registration, registered_study
from sopilot_assets.studies.shadow import ShadowReport, read_shadow
from sopilot_assets.studies.spec import StudySpec
from sopilot_assets.studies.split_manifest import FULL, SplitManifest, parse_manifest

CASES: Final = "cases.csv"
LEAKAGE: Final = "leakage.csv"
LABEL_EVENTS: Final = "label_events.json"
AGREEMENT: Final = "agreement.json"
POLICIES: Final = "policies.json"
POLICY: Final = "policy.json"
EVALUATIONS: Final = "split_evaluations.json"
REPEATS: Final = "repeats.csv"
LOOKS: Final = "looks.csv"
SHADOW: Final = "shadow_report.json"
ERRORS: Final = "error_packet.csv"
BREAKDOWN: Final = "error_breakdown.csv"
LEFT_OUT: Final = "leave_group_out.csv"
PLAN: Final = "labeling_plan.csv"
FORECAST: Final = "labeling_forecast.csv"


class _Chosen(BaseModel):
    policy_id: str | None


class _Evaluations(BaseModel):
    splits: dict[str, dict[str, dict[str, object]]]


class _Shadow(BaseModel):
    splits: dict[str, dict[str, object]]


class _Events(BaseModel):
    events: list[LabelEvent]
    head: str


_LIST: Final = TypeAdapter(list[object])
_OBJECT: Final = TypeAdapter(dict[str, object])
_CHOSEN: Final = TypeAdapter(_Chosen)
_EVALUATIONS: Final = TypeAdapter(_Evaluations)
_SHADOW: Final = TypeAdapter(_Shadow)
_EVENTS: Final = TypeAdapter(_Events)
_AGREEMENT: Final = TypeAdapter(RaterAgreement)


@dataclass(frozen=True)
class Study:
    """A registered study of a home; published files are read, and checked, when they are first asked for."""

    home: Home
    spec: StudySpec
    registration: Registration
    results: Results

    @classmethod
    def open(cls, home: Home, study_id: str) -> Study:
        """The study, if it is registered and unchanged; `StudyError` else."""
        spec, registration = registered_study(home, study_id)
        return cls(home, spec, registration, Results(home, study_id))

    @cached_property
    def cases(self) -> pd.DataFrame:
        """The table of cases that was split."""
        return read_cases(self.results.read(CASES), name=CASES)

    @cached_property
    def manifest(self) -> SplitManifest:
        """The split."""
        return parse_manifest(self.results.read(MANIFEST), name=MANIFEST)

    @cached_property
    def clusters(self) -> npt.NDArray[np.object_]:
        """Whom each case (n,) depends on, which intervals are clustered by; see `independent_units`."""
        return independent_units(self.cases)

    @cached_property
    def policies(self) -> tuple[Policy, ...]:
        """Every fit, feasible or not."""
        documents = self.results.read_json(POLICIES, _LIST)
        return tuple(parse_policies(documents))

    @cached_property
    def policy(self) -> Policy | None:
        """The selected policy; None where no fit was feasible."""
        chosen = self.results.read_json(POLICY, _CHOSEN).policy_id
        return next((policy for policy in self.policies if policy.policy_id == chosen), None)

    @cached_property
    def figures(self) -> Mapping[str, Mapping[str, Figures]]:
        """The figures of each detector on each opened split."""
        splits = self.results.read_json(EVALUATIONS, _EVALUATIONS).splits
        return {
            split: {name: read_figures(one) for name, one in detectors.items()}
            for split, detectors in splits.items()
        }

    @cached_property
    def gates(self) -> StudyGates:
        """The published gates."""
        document = self.results.read_json(GATES, _OBJECT)
        return read_gates(document)

    @cached_property
    def shadow(self) -> Mapping[str, ShadowReport]:
        """The selected policy beside the baseline, by split."""
        splits = self.results.read_json(SHADOW, _SHADOW).splits
        return {split: read_shadow(one) for split, one in splits.items()}

    @cached_property
    def label_events(self) -> tuple[tuple[LabelEvent, ...], str]:
        """The chain of label events that the cases were labeled by, and the id it ends with."""
        document = self.results.read_json(LABEL_EVENTS, _EVENTS)
        return tuple(document.events), document.head

    @cached_property
    def agreement(self) -> RaterAgreement:
        """How far raters agree on the cases."""
        return self.results.read_json(AGREEMENT, _AGREEMENT)

    @property
    def profile(self) -> GateProfile:
        """The gates that the study is held to."""
        return study_profile(self.spec.gate_profile.value)

    @property
    def overrides(self) -> tuple[Override, ...]:
        """The thresholds that replace the profile's."""
        return tuple(Override(one.check, one.threshold, one.reason) for one in self.spec.gate_overrides)

    @property
    def baseline(self) -> DetectorOutcome:
        """What the baseline detector says of every case."""
        return old_outcome(self.cases, self.spec.baseline_detector.value)

    def split(self, name: str) -> npt.NDArray[np.bool_]:
        """Which cases (n,) are in a split; ``full`` is all three together."""
        places = self.manifest.split_of(self.cases["case_id"])
        return np.asarray(places != "" if name == FULL else places == name, dtype=bool)
