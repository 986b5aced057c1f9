"""The headline figures of a dossier: miss and false-positive rate of every detector on every split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from sopilot_assets.intervals import clustered, wilson
from sopilot_assets.store.canonical import rounded
from sopilot_assets.studies.claims import FALSE_ALARM, MISS, Claim, claims_of_headline

SPLITS: Final = ("full", "dev", "test", "challenge")
SITE: Final = "site"
REPORTED: Final = "deviation_type"


@dataclass(frozen=True, slots=True)
class HeadlineFigure:
    """One rate of one detector on one split: errors in n decided cases of so many people, the share and its
    Wilson and person-clustered 95 % bounds, None where there is no case.
    """

    figure: str
    split: str
    detector: str
    errors: int
    n: int
    people: int
    point: float | None
    wilson_low: float | None
    wilson_high: float | None
    clustered_low: float | None
    clustered_high: float | None


@dataclass(frozen=True, slots=True)
class GroupFigure:
    """One rate of the selected detector on the recordings of one group: of a ``site``, or those in which the
    product reported a ``deviation_type``; ``name`` is "" where the site is unknown or nothing was reported.
    """

    kind: str
    name: str
    figure: str
    errors: int
    n: int
    people: int
    point: float | None
    clustered_low: float | None
    clustered_high: float | None


_LINES: Final = TypeAdapter(list[HeadlineFigure])
_GROUPS: Final = TypeAdapter(list[GroupFigure])


def headline(
    cases: pd.DataFrame,
    detections: pd.DataFrame,
    detectors: Sequence[str],
    *,
    splits: Sequence[str] = SPLITS,
) -> list[HeadlineFigure]:
    """One line for each split, detector and rate, to 6 digits."""
    lines = _lines(cases, detections, detectors, splits)
    return _LINES.validate_python(rounded(list(map(asdict, lines))))


def _lines(
    cases: pd.DataFrame, detections: pd.DataFrame, detectors: Sequence[str], splits: Sequence[str]
) -> Iterator[HeadlineFigure]:
    expected = cases["expected"].to_numpy(dtype=np.float64)
    places = detections["split"].to_numpy(dtype=object)
    clusters = detections["cluster"].to_numpy(dtype=object)
    for split in splits:
        here = places != "" if split == "full" else places == split
        for detector in detectors:
            decided = detections[f"{detector}.decided"].to_numpy(dtype=bool)
            detected = detections[f"{detector}.detected"].to_numpy(dtype=bool)
            for figure, label in ((MISS, 1), (FALSE_ALARM, 0)):
                chosen = here & decided & (expected == label)
                wrong = detected[chosen] != bool(label)
                by_person = clustered(wrong, clusters[chosen])
                low, high = wilson(int(wrong.sum()), len(wrong))
                yield HeadlineFigure(
                    figure=figure,
                    split=split,
                    detector=detector,
                    errors=int(wrong.sum()),
                    n=len(wrong),
                    people=by_person.clusters,
                    point=by_person.point,
                    wilson_low=low,
                    wilson_high=high,
                    clustered_low=by_person.low,
                    clustered_high=by_person.high,
                )


def groups(cases: pd.DataFrame, detections: pd.DataFrame, detector: str, *, split: str) -> list[GroupFigure]:
    """Both rates of a detector on a split for each site and each reported type of deviation, to 6 digits. A
    recording counts for each type that was reported in it.
    """
    here = (detections["split"] == split).to_numpy() & detections[f"{detector}.decided"].to_numpy(dtype=bool)
    expected = cases["expected"].to_numpy(dtype=np.float64)
    wrong = detections[f"{detector}.detected"].to_numpy(dtype=bool) != (expected == 1)
    clusters = detections["cluster"].to_numpy(dtype=object)
    found = []
    for kind, named in ((SITE, _sites(cases)), (REPORTED, _types(cases))):
        for name in sorted({one for names in named for one in names}):
            inside = here & np.array([name in names for names in named], dtype=bool)
            for figure, label in ((MISS, 1), (FALSE_ALARM, 0)):
                chosen = inside & (expected == label)
                by_person = clustered(wrong[chosen], clusters[chosen])
                found.append(
                    GroupFigure(
                        kind=kind,
                        name=name,
                        figure=figure,
                        errors=int(wrong[chosen].sum()),
                        n=int(chosen.sum()),
                        people=by_person.clusters,
                        point=by_person.point,
                        clustered_low=by_person.low,
                        clustered_high=by_person.high,
                    )
                )
    return _GROUPS.validate_python(rounded(list(map(asdict, found))))


def _sites(cases: pd.DataFrame) -> list[tuple[str, ...]]:
    return [(str(site),) for site in cases["site"]]


def _types(cases: pd.DataFrame) -> list[tuple[str, ...]]:
    return [tuple(str(types).split(",")) for types in cases["deviation_types"]]


def claims(lines: Sequence[HeadlineFigure], detector: str, *, split: str) -> list[Claim]:
    """What the rates of a detector on a split allow to say."""
    return claims_of_headline(map(asdict, lines), split=split, detector=detector)


def line_of(lines: Sequence[HeadlineFigure], figure: str, split: str, detector: str) -> HeadlineFigure:
    """The line of one figure."""
    wanted = (figure, split, detector)
    return next(line for line in lines if (line.figure, line.split, line.detector) == wanted)
