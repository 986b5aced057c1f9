"""What the figures of so many people allow to say, whatever gates a study chose."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sopilot_assets.studies.profiles import PROFILES
from sopilot_assets.texts.languages import Text

MISS: Final = "miss_rate"
FALSE_ALARM: Final = "false_positive_rate"

_ASKED: Final = PROFILES["research_v3"].thresholds
WORST_ALLOWED: Final[Mapping[str, float]] = {
    MISS: _ASKED["clustered_miss_rate_ci95_high"],
    FALSE_ALARM: _ASKED["clustered_false_positive_rate_ci95_high"],
}
"""How bad a rate may be at the bad end of its interval, so that something can be said of it: what
``research_v3`` asks for. It takes 35 people without a miss, and 16 without a false alarm, to come below.
"""

_OF: Final[Mapping[str, Text]] = {
    MISS: Text("critical recordings", "重大な逸脱のある録画"),
    FALSE_ALARM: Text("recordings without a critical deviation", "重大な逸脱のない録画"),
}
_ERRED: Final[Mapping[str, Text]] = {
    MISS: Text("Missed", "見逃し"),
    FALSE_ALARM: Text("False alarms", "誤警報"),
}


@dataclass(frozen=True, slots=True)
class Claim:
    """One rate with what stands behind it: errors in n decided recordings of so many people; ``bad_end`` is
    the upper end of the 95 % interval by person, ``allowed`` how high that may be for a statement.
    """

    figure: str
    errors: int
    n: int
    people: int
    point: float | None
    bad_end: float | None
    allowed: float

    @property
    def carried(self) -> bool:
        """Whether so many people allow a statement; without any recording nothing can be said."""
        return self.bad_end is not None and self.bad_end <= self.allowed

    @property
    def text(self) -> Text:
        """The rate, never without its number of people and its bad end."""
        of, erred = _OF[self.figure], _ERRED[self.figure]
        if self.point is None or self.bad_end is None:
            return Text(
                f"{erred.en}: unknown, none of the {of.en} was decided",
                f"{erred.ja}：不明（{of.ja}は 1 件も判定されていません）",
            )
        people = "1 person" if self.people == 1 else f"{self.people} people"
        worst = whole_percent(self.bad_end)
        return Text(
            f"{erred.en}: {self.errors} of {self.n} {of.en}, by {people}; up to {worst} is possible",
            f"{erred.ja}：{of.ja} {self.n} 件（{self.people} 人）のうち {self.errors} 件。"
            f"最悪 {worst} の可能性",
        )


def claims_carried(claims: Sequence[Claim]) -> bool:
    """Whether there are claims, and each is carried by enough people."""
    return bool(claims) and all(one.carried for one in claims)


def claim(
    figure: str, *, errors: int, n: int, people: int, point: float | None, bad_end: float | None
) -> Claim:
    """The claim of a rate."""
    return Claim(figure, errors, n, people, point, bad_end, WORST_ALLOWED[figure])


def claims_of_headline(lines: Iterable[Mapping[str, Any]], *, split: str, detector: str) -> list[Claim]:
    """The claims of a detector on a split among the lines of a dossier's headline, of any version."""
    return [
        claim(
            line["figure"],
            errors=line["errors"],
            n=line["n"],
            people=line["people"],
            point=line["point"],
            bad_end=line["clustered_high"],
        )
        for line in lines
        if (line["split"], line["detector"]) == (split, detector)
    ]


def claims_of_values(values: Mapping[str, float | None]) -> list[Claim]:
    """The claims in the values that gates saw; empty where these hold no rates."""
    found = []
    for figure, rate, n, people, bad_end in _VALUES:
        count = values.get(n)
        point = values.get(rate)
        if count is not None:
            found.append(
                claim(
                    figure,
                    errors=round((point or 0.0) * count),
                    n=int(count),
                    people=int(values.get(people) or 0),
                    point=point,
                    bad_end=values.get(bad_end),
                )
            )
    return found


_VALUES: Final = (
    (
        MISS,
        "critical_miss_rate",
        "critical_positives",
        "independent_positives",
        "clustered_miss_rate_ci95_high",
    ),
    (
        FALSE_ALARM,
        "critical_false_positive_rate",
        "critical_negatives",
        "independent_negatives",
        "clustered_false_positive_rate_ci95_high",
    ),
)


def whole_percent(share: float) -> str:
    """A bad end for readers, rounded up: it is never said to be better than it is.

    >>> whole_percent(0.6576), whole_percent(0.1), whole_percent(0.0)
    ('66 %', '10 %', '0 %')
    """
    return f"{math.ceil(round(100 * share, 4))} %"
