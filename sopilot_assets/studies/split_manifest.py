"""The record of a split: which case is in dev, test and challenge, by which rule, and from which table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sopilot_assets.errors import StudyError
from sopilot_assets.old_rules.choices import SplitRatios
from sopilot_assets.store.canonical import content_id
from sopilot_assets.studies.spec import SplitStrategy

SPLITS: Final = ("dev", "test", "challenge")
FULL: Final = "full"
"""All three splits together: what errors are listed and detectors are compared on."""
GATE_SPLIT: Final = "test"
"""The split that the gates judge: nothing was fitted on it, and it is not chosen for being hard."""
FORMAT: Final = "split_manifest_v2"


class SplitCounts(BaseModel):
    """How many cases a split holds, by label, and of how many groups."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    cases: int = Field(ge=0)
    positives: int = Field(ge=0)
    negatives: int = Field(ge=0)
    groups: int = Field(ge=0)


class SplitManifest(BaseModel):
    """Which labeled case is in which split.

    ``case_ids`` and ``groups`` have the keys dev, test and challenge; case ids are in the table's order,
    groups by name. ``unscored`` are labeled cases that could not be scored: no split has them, and coverage
    counts them. ``manifest_id`` is made of all other fields; a manifest that was altered is refused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: Literal["split_manifest_v2"] = FORMAT
    manifest_id: str = ""
    study_id: str
    task: str
    strategy: SplitStrategy
    seed: int
    ratios: SplitRatios
    holdout_site: str | None
    cases_sha256: str
    case_ids: dict[str, tuple[str, ...]]
    unscored: tuple[str, ...]
    counts: dict[str, SplitCounts]
    groups: dict[str, tuple[str, ...]]

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for name in ("case_ids", "counts", "groups"):
            if set(getattr(self, name)) != set(SPLITS):
                raise ValueError(f"{name}: expected the splits {', '.join(SPLITS)}")
        ids = [case for split in SPLITS for case in self.case_ids[split]]
        if len(set(ids)) != len(ids):
            twice = sorted({case for case in ids if ids.count(case) > 1})
            raise ValueError(f"case_ids: expected each case in one split, found {twice[:3]} in two")
        if self.manifest_id and self.manifest_id != self.expected_id():
            raise ValueError(
                f"manifest_id: expected {self.expected_id()} by its content, found {self.manifest_id}"
            )
        return self

    def expected_id(self) -> str:
        """The id that belongs to this content."""
        return content_id(self.model_dump(mode="json", exclude={"manifest_id"}))

    def sealed(self) -> SplitManifest:
        """The same manifest with its id."""
        return self.model_copy(update={"manifest_id": self.expected_id()})

    def split_of(self, case_ids: Sequence[str] | pd.Series) -> npt.NDArray[np.object_]:
        """The split (n,) of each case: dev, test, challenge, or empty where it is in none."""
        by_case = {case: split for split in SPLITS for case in self.case_ids[split]}
        return np.array([by_case.get(case, "") for case in case_ids], dtype=object)


def parse_manifest(data: bytes, *, name: str) -> SplitManifest:
    """The manifest in the bytes of a file called ``name``; `StudyError` when it is none or was altered."""
    try:
        manifest = SplitManifest.model_validate_json(data)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = ".".join(map(str, fault["loc"]))
        raise StudyError(
            f"{name}: {place + ': ' if place else ''}{fault['msg'].removeprefix('Value error, ')}. "
            "The manifest was altered or damaged; materialize split_manifests for this study again."
        ) from error
    if not manifest.manifest_id:
        raise StudyError(
            f"{name}: manifest_id: expected {manifest.expected_id()} by its content, found nothing; "
            "materialize split_manifests for this study again."
        )
    return manifest


def count_splits(
    split: npt.NDArray[np.object_], expected: npt.NDArray[np.float64], groups: npt.NDArray[np.object_]
) -> dict[str, SplitCounts]:
    """The counts of each split from the split, label and group (n,) of each case."""
    return {
        name: SplitCounts(
            cases=int((split == name).sum()),
            positives=int((expected[split == name] == 1).sum()),
            negatives=int((expected[split == name] == 0).sum()),
            groups=len(set(groups[split == name])),
        )
        for name in SPLITS
    }


def members_by_split(
    split: npt.NDArray[np.object_], names: npt.NDArray[np.object_]
) -> Mapping[str, tuple[str, ...]]:
    """The names of each split, in the order of the cases."""
    return {one: tuple(str(name) for name in names[split == one]) for one in SPLITS}
