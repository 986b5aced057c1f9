"""What a verification found: one line for each thing that was compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from sopilot_assets.dossier.verifier.fields import Json

TOLERANCE: Final = 1.000001e-6
"""Figures are stated to six decimals."""


@dataclass(frozen=True)
class Finding:
    """One comparison: the file it is about, what was compared, both values as text, whether they agree."""

    file: str
    what: str
    stated: str
    found: str
    ok: bool


@dataclass
class Findings:
    """All comparisons so far; ``not_recomputed`` names stated figures that the rows cannot tell."""

    lines: list[Finding] = field(default_factory=list)
    not_recomputed: list[str] = field(default_factory=list)

    def add(self, file: str, what: str, stated: object, found: object, *, ok: bool | None = None) -> bool:
        """Note a comparison; without ``ok`` the two have to be equal, numbers within `TOLERANCE`."""
        agree = same(stated, found) if ok is None else ok
        self.lines.append(Finding(file, what, text_of(stated), text_of(found), agree))
        return agree

    def bad(self, file: str, what: str, stated: object = "", found: object = "") -> None:
        """Note a fault of a file."""
        self.add(file, what, stated, found, ok=False)

    def compare(self, file: str, what: str, stated: Json, found: Json) -> None:
        """Compare two JSON values leaf by leaf, as far as ``found`` knows them; the rest is noted as not
        recomputed.
        """
        if isinstance(found, Mapping) and isinstance(stated, Mapping):
            for name, value in found.items():
                if name in stated:
                    self.compare(file, f"{what}.{name}", stated[name], value)
                else:
                    self.bad(file, f"{what}.{name}", "missing", value)
            self.not_recomputed += [f"{what}.{name}" for name in stated if name not in found]
        else:
            self.add(file, what, stated, found)

    @property
    def failed(self) -> list[Finding]:
        """The comparisons that do not agree."""
        return [line for line in self.lines if not line.ok]

    @property
    def bad_files(self) -> list[str]:
        """The files with a fault, by name."""
        return sorted({line.file for line in self.failed})


def same(stated: object, found: object) -> bool:
    """Whether two values are equal; numbers within `TOLERANCE`, and None only to None."""
    if isinstance(stated, bool) or isinstance(found, bool):
        return stated is found
    if isinstance(stated, int | float) and isinstance(found, int | float):
        return math.isclose(stated, found, rel_tol=1e-9, abs_tol=TOLERANCE)
    if isinstance(stated, list) and isinstance(found, list):
        return len(stated) == len(found) and all(map(same, stated, found))
    return stated == found


def text_of(value: object) -> str:
    """A value as a short text."""
    if isinstance(value, float):
        return f"{value:.6g}"
    text = "none" if value is None else str(value)
    return text if len(text) <= 90 else f"{text[:87]}..."
