"""A result as people read it: what decided, what the points say beside it, and what is to be done now."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sopilot_assets.scoring.result import Decision
from sopilot_assets.scoring.text import sentence
from sopilot_assets.tasks import Severity, TaskSpec
from sopilot_assets.texts.languages import Text

if TYPE_CHECKING:
    from sopilot_assets.scoring.result import Score
    from sopilot_assets.store.ledgers import Cell

DECISIONS: Final[Mapping[Decision, Text]] = {
    Decision.PASS: Text("Pass", "合格"),
    Decision.NEEDS_REVIEW: Text("Needs review", "要確認"),
    Decision.RETRAIN: Text("Retrain", "再訓練"),
    Decision.FAIL: Text("Fail", "不合格"),
    Decision.NOT_VERIFIABLE: Text("Not verifiable", "判定不能"),
}

TO_DO: Final[Mapping[Decision, Text]] = {
    Decision.PASS: Text("Nothing has to be done.", "対応は不要です。"),
    Decision.NEEDS_REVIEW: Text(
        "A trainer has to look at the recording and decide.", "指導者が録画を見て判断してください。"
    ),
    Decision.RETRAIN: Text(
        "Practise the marked steps, then record again.", "印の付いた手順を練習し、もう一度録画してください。"
    ),
    Decision.FAIL: Text(
        "Look at the marked moments together with the worker.",
        "作業者と一緒に、印の付いた箇所を確認してください。",
    ),
    Decision.NOT_VERIFIABLE: Text(
        "Nothing is said about the worker. Look at the recording yourself, or film again.",
        "作業者については何も判定していません。録画を見て判断するか、撮り直してください。",
    ),
}
"""What a trainer does after each decision."""

_LEADS: Final[Mapping[Severity, Text]] = {
    Severity.CRITICAL: Text("Critical", "重大な逸脱"),
    Severity.QUALITY: Text("To be looked at", "確認が必要"),
    Severity.EFFICIENCY: Text("Takes time", "時間に関する指摘"),
}


_ASKED = sentence("film_again", first=Text("", ""))
FILM_AGAIN: Final = Text(_ASKED.en.rstrip(". "), _ASKED.ja.rstrip("。"))
_TO_FILM: Final = Text(
    "Nothing is said about the worker. Film again, or look at the recording yourself.",
    "作業者については何も判定していません。撮り直すか、録画を見て判断してください。",
)


@dataclass(frozen=True, slots=True)
class _Finding:
    """A deviation as far as a headline needs it."""

    severity: Severity
    text: Text


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of a recording: ``lead`` and ``because`` say what decided, ``points`` what the points say,
    which decide or do not.

    ``because`` holds all findings of the severity that decided, or the one reason; ``lead`` is empty then.
    """

    decision: Decision
    lead: Text
    because: tuple[Text, ...]
    points: Text
    points_decide: bool

    @property
    def name(self) -> Text:
        """The decision in words."""
        return DECISIONS[self.decision]

    @property
    def to_do(self) -> Text:
        """What a trainer does now."""
        return _TO_FILM if self.lead == FILM_AGAIN else TO_DO[self.decision]

    @property
    def headline(self) -> Text:
        """What decided, in one line."""
        if self.lead == _NOTHING:
            return self.because[0]
        en, ja = " ".join(text.en for text in self.because), "".join(text.ja for text in self.because)
        return Text(f"{self.lead.en}: {en}", f"{self.lead.ja}：{ja}")


_NOTHING: Final = Text("", "")


def verdict(score: Score, task: TaskSpec | None = None) -> Verdict:
    """The verdict of a score; ``task`` tells the limits, where it is known."""
    found = [_Finding(deviation.severity, deviation.text) for deviation in score.deviations]
    return _verdict(score.decision, score.reason, found, score.score, task)


def verdict_of_row(row: Mapping[str, Cell], task: TaskSpec | None = None) -> Verdict:
    """The verdict of a row of the scores ledger."""
    reason = Text(str(row["reason_en"] or ""), str(row["reason_ja"] or row["reason_en"] or ""))
    points = row["score"]
    return _verdict(
        Decision(str(row["decision"])),
        reason,
        _findings_of_row(row),
        None if points is None else float(points),
        task,
    )


def _findings_of_row(row: Mapping[str, Cell]) -> list[_Finding]:
    """The deviations of a row of the scores ledger that say something, in their order."""
    found = json.loads(str(row["deviations"] or "[]"))
    told = [one for one in found if one.keys() >= {"severity", "en", "ja"}]
    return [_Finding(Severity(one["severity"]), Text(one["en"], one["ja"])) for one in told]


def points_decide(decision: Decision, points: float | None, task: TaskSpec | None) -> bool:
    """Whether the points led to the decision: those of a failure never do, and a recording that reaches the
    pass score and still has to be looked at has another reason.
    """
    if points is None or decision in (Decision.FAIL, Decision.NOT_VERIFIABLE):
        return False
    return decision is not Decision.NEEDS_REVIEW or (task is not None and points < task.pass_score)


def _verdict(
    decision: Decision,
    reason: Text,
    findings: Sequence[_Finding],
    points: float | None,
    task: TaskSpec | None,
) -> Verdict:
    decides = points_decide(decision, points, task)
    lead, because = _because(reason, findings)
    return Verdict(decision, lead, because, _points(decision, points, task, decides=decides), decides)


def _because(reason: Text, findings: Iterable[_Finding]) -> tuple[Text, tuple[Text, ...]]:
    """A reason that names one finding stands for all of its severity; one that asks for another recording
    stands for itself.
    """
    found = list(findings)
    named = next((one.severity for one in found if one.text.en and one.text.en in reason.en), None)
    if named is None:
        return _NOTHING, (reason,)
    if reason.en.startswith(FILM_AGAIN.en):
        return FILM_AGAIN, tuple(one.text for one in found if one.text.en in reason.en)
    return _LEADS[named], tuple(dict.fromkeys(one.text for one in found if one.severity is named))


def _points(decision: Decision, points: float | None, task: TaskSpec | None, *, decides: bool) -> Text:
    if points is None:
        return Text("No points: nothing can be said.", "得点なし：判定できないためです。")
    en, ja = f"{points:.1f} of 100 points", f"100 点中 {points:.1f} 点"
    if not decides:
        why = _FAILS if decision is Decision.FAIL else _LOOK_FIRST
        return Text(f"{en}, which do not decide: {why.en}", f"{ja}。得点では決まりません：{why.ja}")
    if task is None:
        return Text(f"{en}.", f"{ja}。")
    if decision is Decision.RETRAIN:
        limit = task.retrain_score
        return Text(f"{en}; below {limit:g} is retrain.", f"{ja}（{limit:g} 点未満は再訓練）。")
    return Text(f"{en}; pass from {task.pass_score:g}.", f"{ja}（{task.pass_score:g} 点以上で合格）。")


_FAILS: Final = Text(
    "a critical deviation fails, whatever the points.", "重大な逸脱があれば、得点にかかわらず不合格です。"
)
_LOOK_FIRST: Final = Text(
    "a person has to look first, whatever the points.", "得点にかかわらず、まず人の確認が必要です。"
)
