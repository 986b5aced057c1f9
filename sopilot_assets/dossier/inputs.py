"""Everything a dossier is made from, as plain values: whoever has a study's results fills this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import pandas as pd

Json: TypeAlias = Mapping[str, Any]
"""A JSON object as ``json.loads`` gives it."""

BASELINE: Final = "baseline"
"""The name of the baseline detector's columns in ``detections``."""


@dataclass(frozen=True, slots=True, eq=False)
class DossierInputs:
    """The inputs of one dossier; what is None, or empty where the text below says so, is missing.

    Files, byte for byte as they were registered (empty is missing): ``study_yaml``, ``task_yaml``,
    ``task_lock``. ``registration`` is the content of ``<study>.registration.json``.

    Tables:

    - ``cases``: exactly the frame that was split (`cases_sha256` of it is in the split manifest), with the
      labels by ``label_sources``. Empty is missing.
    - ``detections``: one row for each case in the same order: ``case_id``, ``split`` (dev, test, challenge or
      ""), ``cluster`` (the group of `person_groups` that intervals are clustered by), and for each of
      ``detectors``, and for ``baseline``, the columns ``<name>.score`` (NaN unknown), ``<name>.detected`` and
      ``<name>.decided`` (bool) of its `Outcome`. A detector is run with its policy where it has one, the
      baseline with the usual constants. Empty is missing.
    - ``leakage``: `leakage_table`. Empty is missing.
    - ``errors``: `error_packet` of the selected policy on ``errors_split``; an empty frame says that there
      are none.
    - ``repeats``: the ledger of repeats. Empty is missing.
    - ``looks``: `looks` of the study. Empty is missing.

    Results as plain JSON data:

    - ``split_manifest``: `SplitManifest`. ``policies``: every `Policy` fit, feasible or not; ``policy_id``:
      of the selected one.
    - ``evaluations``: ``{split: {detector: figures}}`` for full, dev, test and challenge, by
      `metrics.figures` with ``clusters``; ``baseline`` may be among the detectors.
    - ``gate_report``: `GateReport.document` of the selected policy on ``gate_split``, ``gate_values`` what
      the gates saw. Of what is not in `metrics.gate_values` the verifier expects: ``blind_label_share``
      among the labeled cases of all splits, ``shifted_*`` from `repeatability`, and with repeats
      ``rescore_*`` from its exact ones, ``rater_kappa_ci95_low`` as ``low`` of ``agreement``,
      ``test_looks`` by `distinct_looks`, ``leaking_groups`` by `leaking_groups`.
    - ``shadow``: `shadow_report` on ``shadow_split`` with clusters. ``agreement``:
      `RaterAgreement.as_dict` for ``label_sources``, on the cases. ``drift``: ``right.drift`` of the
      selected detector on ``full``.
    - ``label_events``: the whole chain of the task in order (``Event.as_dict``), ``label_head`` the id it
      ends with. Empty is missing.

    Others: ``stills`` are JPEGs by ``<case_id>/<name>.jpg``, an empty mapping is right only without errors;
    ``stills_lacking`` says by case why there are none. ``stale`` says of an input, by name, why it is not
    what counts by now. ``versions`` is what made it (package, model, reference, platform), name to version;
    empty is missing.
    """

    study_id: str
    task_id: str
    title: str
    detectors: Sequence[str] = ()
    baseline_detector: str = ""
    gate_split: str = "test"
    shadow_split: str = "full"
    errors_split: str = "full"
    label_sources: Sequence[str] = ("blind_human",)
    study_yaml: bytes | None = None
    registration: Json | None = None
    task_yaml: bytes | None = None
    task_lock: bytes | None = None
    cases: pd.DataFrame | None = None
    detections: pd.DataFrame | None = None
    split_manifest: Json | None = None
    leakage: pd.DataFrame | None = None
    policies: Sequence[Json] | None = None
    policy_id: str | None = None
    evaluations: Mapping[str, Mapping[str, Json]] | None = None
    gate_report: Json | None = None
    gate_values: Mapping[str, float | None] | None = None
    shadow: Json | None = None
    errors: pd.DataFrame | None = None
    label_events: Sequence[Json] | None = None
    label_head: str | None = None
    looks: pd.DataFrame | None = None
    repeats: pd.DataFrame | None = None
    agreement: Json | None = None
    drift: Json | None = None
    stills: Mapping[str, bytes] | None = None
    stills_lacking: Mapping[str, str] | None = None
    stale: Mapping[str, str] | None = None
    versions: Mapping[str, str] | None = None

    @property
    def policy(self) -> Json | None:
        """The selected policy; None where none was selected or it is not among ``policies``."""
        found = [one for one in self.policies or () if one.get("policy_id") == self.policy_id]
        return found[0] if found else None

    @property
    def detector(self) -> str:
        """The detector of the selected policy; empty where there is none."""
        return str(self.policy["detector"]) if self.policy else ""
