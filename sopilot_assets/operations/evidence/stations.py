"""The stations of the evidence chain, in order; the assets and the command line call these
and nothing else.
"""

from typing import Final

from sopilot_assets.operations.evidence.comparing import shadow_reports
from sopilot_assets.operations.evidence.erring import error_packets
from sopilot_assets.operations.evidence.evaluating import split_evaluations
from sopilot_assets.operations.evidence.fitting import critical_policies
from sopilot_assets.operations.evidence.gating import gate_reports, gate_verdict
from sopilot_assets.operations.evidence.labelling import describe_labels
from sopilot_assets.operations.evidence.planning import labeling_plans
from sopilot_assets.operations.evidence.publishing import evidence_dossiers
from sopilot_assets.operations.evidence.splitting import leaks, split_manifests

EVIDENCE_VERSION: Final = "evidence-1"
"""Raised whenever a station would give something else for the same input."""

__all__ = [
    "EVIDENCE_VERSION",
    "critical_policies",
    "describe_labels",
    "error_packets",
    "evidence_dossiers",
    "gate_reports",
    "gate_verdict",
    "labeling_plans",
    "leaks",
    "shadow_reports",
    "split_evaluations",
    "split_manifests",
]
