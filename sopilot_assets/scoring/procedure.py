"""How likely it is that a recording does not show a task's procedure at all."""

from __future__ import annotations

import math
from typing import Final

UNFAMILIAR: Final = (-1.5, -3.5, -0.75)
"""Log-odds (nats) of other work: a constant, and what each doubling of the fit and each nat of order evidence
take away. A logistic regression on 634 recordings of other work and 1,304 of the procedure against the
references of the development sets (golds of one person and of several), rounded towards caution.
"""
MOST_ORDER: Final = 8.0
"""More order evidence (nats) than this says no more: also the best of many orders of something else fits a
little."""
UNFAMILIAR_UNORDERED: Final = (-7.4, -5.1)
"""The same without order evidence: procedures of fewer than four steps and those in any order give none."""


def other_work_probability(fit: float, order_evidence: float | None) -> float:
    """The probability, in [0, 1], that a recording shows something else than the task's procedure.

    It follows from how much the recording looks like the golds (``fit``) and from how much better the
    procedure explains it than its steps in unrelated orders do (``order_evidence`` in nats; None or NaN where
    there is none). Another site lowers the first and not the second; other work has neither.
    """
    familiar = math.log2(max(fit, 1e-6))
    if order_evidence is None or math.isnan(order_evidence):
        constant, by_fit = UNFAMILIAR_UNORDERED
        log_odds = constant + by_fit * familiar
    else:
        constant, by_fit, by_order = UNFAMILIAR
        log_odds = constant + by_fit * familiar + by_order * min(order_evidence, MOST_ORDER)
    return 1.0 / (1.0 + math.exp(-max(min(log_odds, 500.0), -500.0)))
