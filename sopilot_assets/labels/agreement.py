"""How far raters agree who labeled the same recordings, and where they do not.

Cohen's kappa where two raters labeled, else Fleiss' kappa in the form for recordings with different numbers
of raters (Gwet, Handbook of Inter-Rater Reliability, 4th ed., 2014). What counts is the first label that each
rater gave, before anybody could show them another one; a label that was changed later does not raise it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.proportion import proportion_confint

from sopilot_assets.labels.events import Draft, LabelEvent, RaterAnswer, Source
from sopilot_assets.labels.state import deciding_events, label_state, newest_labels

CONFIDENCE: Final = 0.95
DISAGREEMENT_COLUMNS: Final = ("key", "source", "yes", "no", "unsure", "notes", "settled")

_Counts = npt.NDArray[np.float64]
_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class RaterAgreement:
    """Agreement beyond chance on whether a recording has a critical deviation.

    ``statistic`` is ``cohen`` or ``fleiss``; ``recordings`` those that two or more of the ``raters`` answered
    with yes or no, ``unsure`` the answers left out. ``observed`` is the share of pairs of answers that agree,
    ``kappa`` the agreement beyond chance with its interval at ``confidence``. They are None, and ``reason``
    says why, where nothing can be said.
    """

    statistic: str
    raters: int
    recordings: int
    unsure: int
    observed: float | None
    kappa: float | None
    low: float | None
    high: float | None
    confidence: float
    reason: str

    def as_dict(self) -> dict[str, object]:
        """The fields as plain JSON values, numbers to 6 digits."""
        return {
            name: round(value, _DIGITS) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


def rater_agreement(
    events: Sequence[RaterAnswer],
    sources: Iterable[Source | str] = (Source.BLIND_HUMAN,),
) -> RaterAgreement:
    """The agreement between the people whose labels count, on the recordings that two or more of them
    answered. Of each recording the strongest source counts: who guessed by the file's name, or saw the
    result, is no second rater beside a blind one.
    """
    answers: dict[str, dict[str, bool | None]] = {}
    for event in deciding_events(events, sources):
        if not event.adjudicates:
            answers.setdefault(event.key, {}).setdefault(event.who, event.critical_expected)
    return agreement(answers)


def agreement(answers: Mapping[str, Mapping[str, bool | None]]) -> RaterAgreement:
    """The agreement on ``answers``: by recording and rater yes, no, or None for unsure."""
    said = {
        key: {who: answer for who, answer in row.items() if answer is not None}
        for key, row in sorted(answers.items())
    }
    shared = {key: row for key, row in said.items() if len(row) > 1}
    raters = sorted({who for row in shared.values() for who in row})
    unsure = sum(answer is None for row in answers.values() for answer in row.values())
    statistic = "fleiss" if len(raters) > 2 else "cohen"
    counts = np.array([[sum(row.values()), len(row) - sum(row.values())] for row in shared.values()], float)
    nothing = _nothing(counts)
    if nothing:
        return RaterAgreement(
            statistic, len(raters), len(shared), unsure, None, None, None, None, CONFIDENCE, nothing
        )
    of_two = [[int(not row[who]) for who in raters] for row in shared.values()] if len(raters) == 2 else []
    observed = float(_agreeing(counts).mean())
    kappa, low, high = _cohen(np.array(of_two)) if statistic == "cohen" else _fleiss(counts)
    return RaterAgreement(
        statistic, len(raters), len(shared), unsure, observed, kappa, low, high, CONFIDENCE, ""
    )


def disagreements(
    events: Sequence[LabelEvent], sources: Iterable[Source | str] = tuple(Source)
) -> pd.DataFrame:
    """The recordings of which the newest labels that count say different things, by key, with who says what;
    ``settled`` is the answer of whoever adjudicated, empty where nobody did.
    """
    newest_by_key = newest_labels(events, sources)
    rows = []
    for state in label_state(events, sources).to_dict("records"):
        newest = sorted(newest_by_key.get(str(state["key"]), {}).items())
        said = {answer: [who for who, one in newest if one.critical_expected is answer] for answer in _SAID}
        if said[True] and said[False]:
            rows.append(
                {
                    "key": state["key"],
                    "source": state["label_source"],
                    **{_SAID[answer]: ",".join(raters) for answer, raters in said.items()},
                    "notes": "; ".join(f"{who}: {one.note}" for who, one in newest if one.note),
                    "settled": _settled(float(state["expected"])) if state["adjudicated"] else "",
                }
            )
    return pd.DataFrame.from_records(rows, columns=list(DISAGREEMENT_COLUMNS)).astype("str")


def only_settles(drafts: Sequence[Draft], events: Sequence[LabelEvent]) -> bool:
    """Whether the drafts can be meant to settle: each is about an open disagreement of other people.

    As one more rater's labels they would settle nothing, and be counted in the agreement.
    """
    found = disagreements(events)
    still_open = set(found["key"][found["settled"] == ""])
    said = {(event.key, event.who) for event in events}
    return bool(drafts) and all(one.key in still_open and (one.key, one.who) not in said for one in drafts)


_SAID: Final[Mapping[bool | None, str]] = {True: "yes", False: "no", None: "unsure"}


def _settled(expected: float) -> str:
    return _SAID[None if np.isnan(expected) else bool(expected)]


def _nothing(counts: _Counts) -> str:
    """Why kappa cannot be computed, or nothing."""
    if len(counts) < 2:
        return f"{len(counts)} recordings were answered by two raters; at least 2 are needed"
    if not counts.any(axis=0).all():
        return "all answers are the same, so that agreement beyond chance is not defined"
    return ""


def _agreeing(counts: _Counts) -> _Counts:
    """The share (n,) of pairs of answers that agree, from the answers (n, 2) of each kind."""
    raters = counts.sum(axis=1)
    return np.asarray((counts * (counts - 1)).sum(axis=1) / (raters * (raters - 1)))


def _cohen(table: npt.NDArray[np.int64]) -> tuple[float, float, float]:
    """Cohen's kappa and its interval, from the answers (n, 2) of two raters as 0 and 1."""
    both = np.zeros((2, 2))
    np.add.at(both, (table[:, 0], table[:, 1]), 1)
    with np.errstate(invalid="ignore"):  # a variance of 0 can come out as -1e-17
        result = cohens_kappa(both)
    shares = both / both.sum()
    chance = float(shares.sum(axis=0) @ shares.sum(axis=1))
    kappa, error = float(result.kappa), float(np.sqrt(max(result.var_kappa, 0.0)))
    return kappa, *_interval(kappa, error, np.trace(shares), chance, len(table))


def _fleiss(counts: _Counts) -> tuple[float, float, float]:
    """Fleiss' kappa for different numbers of raters and its interval, from the answers (n, 2) of each kind.

    The variance is that of Gwet, Large-Sample Variance of Fleiss Generalized Kappa, Educational and
    Psychological Measurement 81 (2021), which holds whether or not there is agreement.
    """
    n = len(counts)
    shares = counts / counts.sum(axis=1, keepdims=True)
    of_kind = shares.mean(axis=0)
    chance = float((of_kind**2).sum())
    each = _agreeing(counts)
    kappa = float((each.mean() - chance) / (1 - chance))
    linear = (each - chance) / (1 - chance) - 2 * (1 - kappa) * (shares @ of_kind - chance) / (1 - chance)
    error = float(np.sqrt(((linear - kappa) ** 2).sum() / (n - 1) / n))
    return kappa, *_interval(kappa, error, float(each.mean()), chance, n)


def _interval(kappa: float, error: float, observed: float, chance: float, n: int) -> tuple[float, float]:
    """The wider one, at each end, of kappa ± z standard errors and of what Wilson's interval of the observed
    agreement says at these margins. The first alone has no width where all raters agree.
    """
    z = float(norm.ppf((1 + CONFIDENCE) / 2))
    ends = proportion_confint(observed * n, n, alpha=1 - CONFIDENCE, method="wilson")
    low, high = ((float(end) - chance) / (1 - chance) for end in ends)
    return max(-1.0, min(low, kappa - z * error)), min(1.0, max(high, kappa + z * error))
