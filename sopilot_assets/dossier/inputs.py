"""Everything a dossier is made from: whoever has a study's results fills this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import pandas as pd

from sopilot_assets.labels.agreement import RaterAgreement
from sopilot_assets.labels.events import LabelEvent
from sopilot_assets.studies.gates import StudyGates
from sopilot_assets.studies.metrics import Drift, Figures
from sopilot_assets.studies.policies import Policy
from sopilot_assets.studies.registration import Registration
from sopilot_assets.studies.shadow import ShadowReport
from sopilot_assets.studies.split_manifest import SplitManifest
from sopilot_assets.texts.languages import Text

BASELINE: Final = "baseline"
"""The name of the baseline detector's columns in ``detections``."""


@dataclass(frozen=True, slots=True)
class Protocol:
    """What was written down before anything was looked at; files byte for byte as they were registered."""

    study_id: str
    task_id: str
    title: str
    baseline_detector: str = ""
    label_sources: Sequence[str] = ("blind_human",)
    study_yaml: bytes | None = None
    task_yaml: bytes | None = None
    task_lock: bytes | None = None
    registration: Registration | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """The rows that everything can be computed from again.

    - ``cases``: exactly the frame that was split (`cases_sha256` of it is in the split manifest), with the
      labels by ``label_sources``.
    - ``detections``: one row for each case in the same order: ``case_id``, ``split`` (dev, test, challenge or
      ""), ``cluster`` (the group of `person_groups` that intervals are clustered by), and for each feasible
      policy's detector, and for ``baseline``, the columns ``<name>.score`` (NaN unknown), ``<name>.detected``
      and ``<name>.decided`` (bool) of its `DetectorOutcome`.
    - ``leakage``: `leakage_table`. ``looks``: `looks` of the study. ``repeats``: the ledger of repeats.
    - ``errors``: `error_packet` of the selected policy on all splits; an empty one says that there are none.
    """

    cases: pd.DataFrame | None = None
    detections: pd.DataFrame | None = None
    leakage: pd.DataFrame | None = None
    errors: pd.DataFrame | None = None
    looks: pd.DataFrame | None = None
    repeats: pd.DataFrame | None = None


@dataclass(frozen=True, slots=True)
class StudyResults:
    """What the stations of a study published.

    - ``policies``: every fit, feasible or not; ``policy_id`` is of the selected one.
    - ``figures``: by split (full, dev, test, challenge) and detector; ``baseline`` may be among these.
    - ``gates``: of the selected policy on test. Of what is not in `metrics.gate_values` the verifier expects:
      ``blind_label_share`` among the labeled cases of all splits, ``shifted_*`` from `repeatability`, and
      with repeats ``rescore_*`` from its exact ones, ``rater_kappa_ci95_low`` as ``low`` of the agreement,
      ``test_looks`` by `distinct_looks`, ``leaking_groups`` by `leaking_groups`.
    - ``shadow``: `shadow_report` on all splits. ``drift``: of the selected detector there.
    """

    manifest: SplitManifest | None = None
    policies: Sequence[Policy] = ()
    policy_id: str | None = None
    figures: Mapping[str, Mapping[str, Figures]] | None = None
    gates: StudyGates | None = None
    shadow: ShadowReport | None = None
    drift: Drift | None = None

    @property
    def policy(self) -> Policy | None:
        """The selected policy; None where none was selected or it is not among ``policies``."""
        return next((one for one in self.policies if one.policy_id == self.policy_id), None)

    @property
    def detector(self) -> str:
        """The detector of the selected policy; empty where there is none."""
        return self.policy.detector if self.policy else ""

    @property
    def detectors(self) -> list[str]:
        """The detectors that have a feasible policy."""
        return [one.detector for one in self.policies if one.feasible]

    def of(self, split: str, detector: str) -> Figures | None:
        """The figures of a detector on a split, where there are any."""
        return (self.figures or {}).get(split, {}).get(detector)


@dataclass(frozen=True, slots=True)
class LabelChain:
    """The whole chain of the task in order, the id it ends with, and how far raters agree on the cases."""

    events: Sequence[LabelEvent] = ()
    head: str | None = None
    agreement: RaterAgreement | None = None


@dataclass(frozen=True, slots=True)
class Pictures:
    """JPEGs by ``<case_id>/<name>.jpg``, none is right only without errors; why there are none; and the cases
    that have none, since they were erased at a person's wish or their video's time was over.
    """

    stills: Mapping[str, bytes] | None = None
    lacking: Mapping[str, str] = field(default_factory=dict)
    erased: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class DossierInputs:
    """The inputs of one dossier; what is None or empty is missing, unless its text says otherwise.

    ``privacy`` tells why people are filmed, line by line, as the operator says it. ``stale`` says of an
    input, by name, why it is not what counts by now. ``versions`` is what made it (package, model, reference,
    platform), name to version.
    """

    protocol: Protocol
    tables: Tables = Tables()
    results: StudyResults = StudyResults()
    labels: LabelChain = LabelChain()
    pictures: Pictures = Pictures()
    stale: Mapping[str, str] = field(default_factory=dict)
    privacy: Sequence[tuple[Text, Text]] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
