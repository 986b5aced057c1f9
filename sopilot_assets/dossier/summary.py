"""What a dossier says of itself: ``dossier.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from sopilot_assets.dossier.headline import GroupFigure, HeadlineFigure
from sopilot_assets.dossier.readiness import Blocker
from sopilot_assets.studies.claims import Claim


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether no input is missing, and every reason why not."""

    ready: bool
    blockers: Sequence[Blocker]


@dataclass(frozen=True, slots=True)
class DossierSummary:
    """The content of ``dossier.json``; ``verdict`` is ``gates_passed``, ``gates_failed`` or ``not_ready``.

    ``claims`` are the headline's rates of the selected detector where the gates judge, and ``carried`` says
    whether enough people stand behind them, whatever the gates asked for.
    """

    version: str
    dossier_id: str
    study_id: str
    task_id: str
    title: str
    readiness: Readiness
    verdict: str
    policy_id: str | None
    detector: str
    detectors: Sequence[str]
    baseline_detector: str
    label_sources: Sequence[str]
    label_head: str | None
    gate_split: str
    shadow_split: str
    errors_split: str
    headline: Sequence[HeadlineFigure]
    claims: Sequence[Claim]
    carried: bool
    groups: Sequence[GroupFigure]
    versions: Mapping[str, str]

    def document(self) -> dict[str, object]:
        """The same as plain data."""
        return asdict(self)
