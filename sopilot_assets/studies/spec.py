"""What a study file says: how recordings will be judged as evidence, written down before looking.

``studies/<study_id>.yaml`` names the task, how cases are split, which gates have to hold, which detectors are
candidates and whose labels count. It is registered (see `registration`) before anything is computed from it.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)
from upath import UPath

from sopilot_assets.documents.faults import IDENTIFIER_PATTERN, parse_document
from sopilot_assets.errors import StudyError
from sopilot_assets.labels.events import Source
from sopilot_assets.old_rules.choices import FittingGrid, SplitRatios
from sopilot_assets.store.canonical import content_sha256
from sopilot_assets.store.home import Home, plain_id
from sopilot_assets.tasks.spec import TASK_ID_PATTERN, Name
from sopilot_assets.texts.names import nearest

STUDY_SUFFIX: Final = ".yaml"
DEFAULT_SEED: Final = 20260223
"""The seed of the splits of existing installations."""


class ScoreOrigin(StrEnum):
    """Which scores are judged: those of the current task and model, or those of an existing installation."""

    CURRENT = "current"
    IMPORTED = "imported"


class SplitStrategy(StrEnum):
    """What stays together when cases are split; see `splits`."""

    RANDOM_STRATIFIED = "random_stratified"
    GROUP_TRAINEE = "group_trainee"
    GROUP_GOLD = "group_gold"
    GROUP_SITE = "group_site"
    LEAVE_ONE_SITE_OUT = "leave_one_site_out"
    GROUP_PERSON = "group_person"


class GateProfileName(StrEnum):
    """The gate profiles."""

    LEGACY_POC = "legacy_poc"
    RESEARCH_V1 = "research_v1"
    RESEARCH_V2 = "research_v2"
    OPS_V1 = "ops_v1"
    RESEARCH_V3 = "research_v3"


class Detector(StrEnum):
    """The rules that say whether a recording shows a critical deviation."""

    LEGACY_BINARY = "legacy_binary"
    CONTINUOUS_V1 = "continuous_v1"
    GUARDED_BINARY_V1 = "guarded_binary_v1"
    GUARDED_BINARY_V2 = "guarded_binary_v2"
    CALIBRATED_V1 = "calibrated_v1"
    CALIBRATED_V2 = "calibrated_v2"


CALIBRATED: Final = frozenset({Detector.CALIBRATED_V1, Detector.CALIBRATED_V2})
"""Detectors that mean nothing before they are fitted."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class SplitPlan(_Section):
    """How cases are split into dev (fitting), test and challenge."""

    strategy: SplitStrategy = SplitStrategy.GROUP_PERSON
    seed: int = Field(default=DEFAULT_SEED, ge=0)
    ratios: SplitRatios = SplitRatios()
    holdout_site: Name | None = None

    @model_validator(mode="after")
    def _holdout(self) -> Self:
        leaves_out = self.strategy is SplitStrategy.LEAVE_ONE_SITE_OUT
        if leaves_out and self.holdout_site is None:
            raise ValueError("expected holdout_site with leave_one_site_out, found nothing")
        if not leaves_out and self.holdout_site is not None:
            raise ValueError(
                f"expected holdout_site only with leave_one_site_out, found it with {self.strategy.value}"
            )
        return self


class GateOverride(_Section):
    """Another threshold for one check of the gate profile, and why; null switches the check off."""

    check: Annotated[str, StringConstraints(pattern=IDENTIFIER_PATTERN)]
    threshold: Annotated[float, Field(allow_inf_nan=False)] | None
    reason: Name


class StudySpec(_Section):
    """One pre-registered evaluation."""

    study_id: Annotated[str, StringConstraints(pattern=TASK_ID_PATTERN)]
    title: Name
    task: Annotated[str, StringConstraints(pattern=TASK_ID_PATTERN)]
    scores: ScoreOrigin = ScoreOrigin.CURRENT
    split: SplitPlan = SplitPlan()
    gate_profile: GateProfileName = GateProfileName.RESEARCH_V3
    gate_overrides: tuple[GateOverride, ...] = ()
    override_locked: bool = False
    detectors: tuple[Detector, ...] = Field(default=tuple(Detector), min_length=1)
    baseline_detector: Detector = Detector.GUARDED_BINARY_V1
    fitting_grid: FittingGrid = FittingGrid()
    use_intervals: bool = True
    miss_rate_target: float = Field(default=0.05, ge=0.001, le=0.5)
    confidence: float = Field(default=0.9, ge=0.5, le=0.999)
    label_sources: tuple[Source, ...] = Field(default=(Source.BLIND_HUMAN,), min_length=1)

    @field_validator("gate_overrides")
    @classmethod
    def _each_check_once(cls, overrides: tuple[GateOverride, ...]) -> tuple[GateOverride, ...]:
        _no_repeats([override.check for override in overrides])
        return overrides

    @field_validator("detectors", "label_sources")
    @classmethod
    def _each_once(cls, names: tuple[StrEnum, ...]) -> tuple[StrEnum, ...]:
        _no_repeats([name.value for name in names])
        return names

    @field_validator("baseline_detector")
    @classmethod
    def _needs_no_fit(cls, detector: Detector) -> Detector:
        if detector in CALIBRATED:
            old = ", ".join(one.value for one in Detector if one not in CALIBRATED)
            raise ValueError(f"expected a detector that needs no fit ({old}), found {detector.value!r}")
        return detector

    def sha256(self) -> str:
        """The SHA-256 (64 hex digits) of what the study says, whatever the file's layout and comments."""
        return content_sha256(self)


def study_path(home: Home, study_id: str) -> UPath:
    """Where a study's file lies."""
    return home.studies / f"{plain_id(study_id, 'study')}{STUDY_SUFFIX}"


def study_ids(home: Home) -> list[str]:
    """The ids of the studies of a home, by name."""
    if not home.studies.is_dir():
        return []
    found = (path for path in home.studies.iterdir() if path.suffix == STUDY_SUFFIX and path.is_file())
    return sorted(path.stem for path in found if not path.name.startswith("."))


def load_study(home: Home, study_id: str) -> StudySpec:
    """The study in its file, registered or not; `StudyError` when it is missing or not valid."""
    return read_study(home, study_id)[0]


def read_study(home: Home, study_id: str) -> tuple[StudySpec, bytes]:
    """A study and the bytes of its file, of one reading."""
    path = study_path(home, study_id)
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        known = study_ids(home)
        near = nearest(study_id, known)
        meant = f"Did you mean {near}? " if near else ""
        raise StudyError(
            f"{path}: there is no such study; the studies in that folder are: {', '.join(known) or 'none'}. "
            f"{meant}"
            f"Make it with `sopilot study create {study_id} --task TASK --title TITLE`."
        ) from error
    except OSError as error:
        raise StudyError(
            f"{path}: expected a readable file, found: {error.strerror or error}. "
            "Mend the file or its permissions."
        ) from error
    spec = parse_study(data, source=path)
    if spec.study_id != study_id:
        raise StudyError(
            f"{path}: study_id: expected {study_id!r}, the file's name, found {spec.study_id!r}. "
            "Rename the file or correct study_id."
        )
    return spec, data


def parse_study(data: bytes | str, *, source: str | Path | UPath) -> StudySpec:
    """The study in the text of a study file; ``source`` is the name used in errors."""
    advice = f"Correct the file, then run `sopilot study show {UPath(source).stem}`."
    return parse_document(data, StudySpec, source=source, refuse=StudyError, advice=advice)


def _no_repeats(names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"expected each name once, found {', '.join(twice)} again")
