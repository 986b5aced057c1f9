"""Simulated people who say whether a recording has a critical deviation, and err at known rates."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sopilot_assets.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Rater:
    """One person: the share of recordings they cannot say anything about, and of the others the share of
    critical deviations they miss and of faultless recordings they object to.
    """

    name: str
    miss_rate: float = 0.0
    false_alarm_rate: float = 0.0
    unsure_rate: float = 0.0

    def __post_init__(self) -> None:
        for what in ("miss_rate", "false_alarm_rate", "unsure_rate"):
            if not 0 <= getattr(self, what) <= 1:
                raise ConfigError(
                    f"rater {self.name}: expected {what} from 0 to 1, found {getattr(self, what)}."
                )


def rated(truth: Mapping[str, bool], rater: Rater, *, seed: int) -> dict[str, bool | None]:
    """What the rater says of each recording of ``truth`` (whether it has a critical deviation, by any name);
    None where they cannot say.

    An answer depends on the seed, the rater and the recording's name alone, so that more recordings change
    none of the others. Raters err independently of each other.
    """
    return {name: _answer(critical, rater, name, seed) for name, critical in truth.items()}


def read_truth(labels: Path) -> dict[str, bool]:
    """Whether each recording of a ``labels.jsonl`` has a critical deviation, by file name.

    Raises ``ConfigError`` naming the first line that does not say.
    """
    truth: dict[str, bool] = {}
    try:
        lines = labels.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{labels}: expected a labels.jsonl, found that it cannot be read.") from error
    for number, line in enumerate(lines, start=1):
        where = f"{labels}, line {number}"
        try:
            row = json.loads(line)
            name, critical = Path(row["file"]).name, row["critical_expected"]
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ConfigError(f"{where}: expected file and critical_expected, found {line[:80]}.") from error
        if not isinstance(critical, bool) or truth.get(name, critical) != critical:
            raise ConfigError(
                f"{where}: expected {name} once, with critical_expected true or false, found {critical!r}."
            )
        truth[name] = critical
    return truth


def _answer(critical: bool, rater: Rater, name: str, seed: int) -> bool | None:
    unsure, errs = _uniform(f"{seed}/{rater.name}/{name}")
    if unsure < rater.unsure_rate:
        return None
    return critical != (errs < (rater.miss_rate if critical else rater.false_alarm_rate))


def _uniform(text: str) -> tuple[float, float]:
    """Two numbers from 0 to below 1 that the text alone decides."""
    digest = hashlib.sha256(text.encode()).digest()
    first, second = (int.from_bytes(digest[at : at + 6], "big") / 2**48 for at in (0, 8))
    return first, second
