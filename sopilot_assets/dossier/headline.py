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

SPLITS: Final = ("full", "dev", "test", "challenge")
MISS: Final = "miss_rate"
FALSE_ALARM: Final = "false_positive_rate"


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


_LINES: Final = TypeAdapter(list[HeadlineFigure])


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


def line_of(lines: Sequence[HeadlineFigure], figure: str, split: str, detector: str) -> HeadlineFigure:
    """The line of one figure."""
    wanted = (figure, split, detector)
    return next(line for line in lines if (line.figure, line.split, line.detector) == wanted)
