"""A result as people read it: what decided, what the points say beside it, and what is to be done now."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sopilot_assets.scoring.result import Cause, Decision, Deviation
from sopilot_assets.scoring.text import NOTHING_TO_SAY, chance, clock, points_beside, sentence
from sopilot_assets.tasks import DeviationType, Severity, TaskSpec
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

URGENCY: Final = (
    Decision.FAIL,
    Decision.NOT_VERIFIABLE,
    Decision.NEEDS_REVIEW,
    Decision.RETRAIN,
    Decision.PASS,
)
"""The gravest decision first."""

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

_ASKED = sentence("film_again", first=Text("", ""))
_FILM_AGAIN: Final = Text(_ASKED.en.rstrip(". "), _ASKED.ja.rstrip("。"))
_TO_FILM: Final = Text(
    "Nothing is said about the worker. Film again, or look at the recording yourself.",
    "作業者については何も判定していません。撮り直すか、録画を見て判断してください。",
)
_TO_CHECK: Final = Text(
    "Look whether the steps marked in this gold, and the gold itself, are right. Withdraw one that is wrong.",
    "このお手本の手順の時刻と、お手本自体が正しいかを確認してください。誤っていれば、お手本から外してください。",
)
_NOT_JUDGED: Final = frozenset((Cause.ONE_GOLD, Cause.NOT_SCORED))
_LEADS: Final[Mapping[Cause, Text]] = {
    Cause.CRITICAL: Text("Critical", "重大な逸脱"),
    Cause.QUALITY: Text("To be looked at", "確認が必要"),
    Cause.FILM_AGAIN: _FILM_AGAIN,
}
_BY_POINTS: Final = frozenset((Cause.RETRAIN_POINTS, Cause.REVIEW_POINTS, Cause.PASS_POINTS))


@dataclass(frozen=True, slots=True)
class _Finding:
    """A deviation, found or suspected, as far as a headline needs it."""

    type: DeviationType
    severity: Severity
    text: Text
    at_s: float | None
    confidence: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of a recording: ``lead`` and ``because`` say what decided, ``points`` what the points say,
    which decide or do not.

    ``because`` holds all findings of the severity that decided, the one suspicion to look at, or the one
    reason; ``lead`` is empty then. ``at_s`` is the moment to look at, in seconds of the recording, None where
    it is not one.
    """

    decision: Decision
    lead: Text
    because: tuple[Text, ...]
    points: Text
    points_decide: bool
    cause: Cause | None = None
    at_s: float | None = None
    of_gold: bool = False
    """Whether a gold was judged, by the other golds."""

    @property
    def name(self) -> Text:
        """The decision in words."""
        return DECISIONS[self.decision]

    @property
    def to_do(self) -> Text:
        """What a trainer does now."""
        if self.of_gold and self.decision is not Decision.PASS and self.cause not in _NOT_JUDGED:
            return _TO_CHECK
        if self.cause is Cause.FILM_AGAIN:
            return _TO_FILM
        if self.at_s is not None and self.decision is Decision.NEEDS_REVIEW:
            at = clock(self.at_s)
            return Text(f"Look at {at} in the recording and decide.", f"録画の {at} を見て判断してください。")
        return TO_DO[self.decision]

    @property
    def headline(self) -> Text:
        """What decided, in one line."""
        if self.lead == NOTHING_TO_SAY:
            return self.because[0]
        en, ja = " ".join(text.en for text in self.because), "".join(text.ja for text in self.because)
        if self.cause is Cause.SUSPECTED and self.at_s is not None and clock(self.at_s) not in en:
            en, ja = f"{en} Look at {clock(self.at_s)}.", f"{ja}{clock(self.at_s)} を確認してください。"
        return Text(f"{self.lead.en}: {en}", f"{self.lead.ja}：{ja}")


def verdict(score: Score, task: TaskSpec | None = None, *, of_gold: bool = False) -> Verdict:
    """The verdict of a score, ``of_gold`` that of a gold by the other golds; ``task`` tells the limits, where
    it is known.
    """
    found, suspected = ([_finding(one) for one in some] for some in (score.deviations, score.suspected))
    told = _verdict(score.decision, score.cause, score.reason, found, suspected, score.score, task)
    return replace(told, of_gold=of_gold)


def verdict_of_row(row: Mapping[str, Cell], task: TaskSpec | None = None) -> Verdict:
    """The verdict of a row of the scores ledger."""
    reason = Text(str(row["reason_en"] or ""), str(row["reason_ja"] or row["reason_en"] or ""))
    points, cause = row["score"], row["cause"]
    found, suspected = (_findings_of_row(row[name]) for name in ("deviations", "suspected"))
    told = _verdict(
        Decision(str(row["decision"])),
        None if cause is None else Cause(str(cause)),
        reason,
        found,
        suspected,
        None if points is None else float(points),
        task,
    )
    return replace(told, of_gold=row.get("role") == "gold")


def none_found(decision: Decision, *, suspected: bool) -> Text:
    """What an empty list of deviations means under a decision."""
    if decision is Decision.NOT_VERIFIABLE:
        return Text(
            "Nothing can be said about this recording; an empty list does not mean that it is correct.",
            "この動画については判定できません。一覧が空でも、手順が正しいことを意味しません。",
        )
    if suspected and decision is Decision.NEEDS_REVIEW:
        return Text(
            "No deviation is certain; what is possible stands below.",
            "確実な逸脱はありません。可能性のあるものは下に示します。",
        )
    return Text("No deviation was found.", "逸脱は見つかりませんでした。")


def _finding(deviation: Deviation) -> _Finding:
    at_s = deviation.trainee.start_s
    return _Finding(deviation.type, deviation.severity, deviation.text, at_s, deviation.confidence)


def _findings_of_row(stored: Cell) -> list[_Finding]:
    """The deviations in a cell of the scores ledger that say something, in their order."""
    rows: list[dict[str, Any]] = json.loads(str(stored or "[]"))
    return [
        _Finding(
            DeviationType(one["type"]),
            Severity(one["severity"]),
            Text(one["en"], one["ja"]),
            one.get("trainee_start_s"),
            float(one.get("confidence") or 0.0),
        )
        for one in rows
        if one.keys() >= {"severity", "en", "ja"}
    ]


def _points_decide(
    decision: Decision, points: float | None, task: TaskSpec | None, cause: Cause | None = None
) -> bool:
    """Whether the points led to the decision.

    Where the cause was not kept: those of a failure never do, and a recording that reaches the pass score and
    still has to be looked at has another reason.
    """
    if cause is not None:
        return cause in _BY_POINTS
    if points is None or decision in (Decision.FAIL, Decision.NOT_VERIFIABLE):
        return False
    return decision is not Decision.NEEDS_REVIEW or (task is not None and points < task.pass_score)


def _verdict(
    decision: Decision,
    cause: Cause | None,
    reason: Text,
    found: Sequence[_Finding],
    suspected: Sequence[_Finding],
    points: float | None,
    task: TaskSpec | None,
) -> Verdict:
    decides = _points_decide(decision, points, task, cause)
    cause = cause or _cause_of_old(reason, found)
    led = _led(cause, found, suspected)
    return Verdict(
        decision,
        _lead(cause, led),
        tuple(dict.fromkeys(one.text for one in led)) or (reason,),
        _points(decision, points, task, led, decides=decides),
        decides,
        cause,
        led[0].at_s if led else None,
    )


def _led(cause: Cause | None, found: Sequence[_Finding], suspected: Sequence[_Finding]) -> Sequence[_Finding]:
    """The findings that led to a decision, none where something else did."""
    if cause is Cause.CRITICAL:
        critical = [one for one in found if one.severity is Severity.CRITICAL]
        return [one for one in critical if one.type is not DeviationType.FREEZE] or critical
    if cause is Cause.QUALITY:
        return [one for one in found if one.severity is Severity.QUALITY]
    if cause is Cause.FILM_AGAIN:
        frozen = [one for one in found if one.type is DeviationType.FREEZE]
        return [one for one in frozen if one.severity is not Severity.EFFICIENCY] or frozen
    if cause is Cause.SUSPECTED:
        likely = [one for one in (*found, *suspected) if one.severity is Severity.CRITICAL]
        return sorted(likely, key=lambda one: -one.confidence)[:1]
    return []


def _cause_of_old(reason: Text, found: Sequence[_Finding]) -> Cause | None:
    """What led to the decision of a row from before that was kept: the kind of finding its reason names."""
    named = next((one.severity for one in found if one.text.en and one.text.en in reason.en), None)
    if named is None or named is Severity.EFFICIENCY:
        return None
    if reason.en.startswith(_FILM_AGAIN.en):
        return Cause.FILM_AGAIN
    return Cause.CRITICAL if named is Severity.CRITICAL else Cause.QUALITY


def _lead(cause: Cause | None, led: Sequence[_Finding]) -> Text:
    """What a headline begins with, nothing where it is a reason alone."""
    if not led or cause is None:
        return NOTHING_TO_SAY
    if cause is Cause.SUSPECTED:
        likely, how = led[0].confidence > LIKELY, chance(led[0].confidence)
        name = Text("Likely", "可能性が高い") if likely else Text("Perhaps", "可能性あり")
        return Text(f"{name.en} ({how.en})", f"{name.ja}（{how.ja}）")
    return _LEADS[cause]


LIKELY: Final = 0.5
"""What is surer than this is called likely."""


def _points(
    decision: Decision,
    points: float | None,
    task: TaskSpec | None,
    led: Sequence[_Finding],
    *,
    decides: bool,
) -> Text:
    if points is None:
        return Text("No points: nothing can be said.", "得点なし：判定できないためです。")
    limit = None if task is None or not decides else _limit(decision, task)
    shown = points_beside(points, limit)
    en, ja = f"{shown} of 100 points", f"100 点中 {shown} 点"
    if not decides:
        why = _fails(led) if decision is Decision.FAIL else _LOOK_FIRST
        return Text(f"{en}, which do not decide: {why.en}", f"{ja}。得点では決まりません：{why.ja}")
    if limit is None:
        return Text(f"{en}.", f"{ja}。")
    if decision is Decision.RETRAIN:
        return Text(f"{en}; below {limit:g} is retrain.", f"{ja}（{limit:g} 点未満は再訓練）。")
    return Text(f"{en}; pass from {limit:g}.", f"{ja}（{limit:g} 点以上で合格）。")


def _limit(decision: Decision, task: TaskSpec) -> float:
    """The task's limit that the points were held against."""
    return task.retrain_score if decision is Decision.RETRAIN else task.pass_score


def _fails(led: Sequence[_Finding]) -> Text:
    what = _FAILINGS.get(led[0].type, _A_FAILING) if led else _A_FAILING
    return Text(
        f"{what.en}, and that fails, whatever the points.", f"{what.ja}、得点にかかわらず不合格です。"
    )


_A_FAILING: Final = Text("there is a critical deviation", "重大な逸脱があるため")
_FAILINGS: Final[Mapping[DeviationType, Text]] = {
    DeviationType.MISSING_STEP: Text("a critical step is missing", "重要な手順が抜けているため"),
    DeviationType.ORDER_SWAP: Text("the order of steps is wrong", "手順の順序が違うため"),
    DeviationType.WRONG_STEP: Text(
        "something else was done instead of a step", "手順の代わりに別の作業が行われたため"
    ),
}
_LOOK_FIRST: Final = Text(
    "a person has to look first, whatever the points.", "得点にかかわらず、まず人の確認が必要です。"
)
