"""What people said of a recording, one after the other, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sopilot_assets.labels.events import Agreement, LabelEvent, RaterVerdict, Seen, Source
from sopilot_assets.scoring.review.words import TYPES
from sopilot_assets.tasks import DeviationType, TaskSpec
from sopilot_assets.texts.languages import Text


@dataclass(frozen=True, slots=True)
class SaidOnce:
    """What one event adds to what its person said before: sentences, and a comment on ``about`` (a finding,
    None for the whole). ``at`` is ISO 8601 in UTC.
    """

    who: str
    at: str
    what: tuple[Text, ...]
    note: str
    about: Text | None


def history(events: Sequence[LabelEvent], task: TaskSpec | None, *, blind: bool) -> list[SaidOnce]:
    """The events of one recording, the newest first; ``blind`` shows labels given without the result, too."""
    before: dict[tuple[str, str, bool], LabelEvent] = {}
    told: list[SaidOnce] = []
    for event in events:
        voice = (event.who, event.source.value, event.adjudicates)
        if event.source is Source.HUMAN or (blind and event.source is Source.BLIND_HUMAN):
            told.append(_said(event, before.get(voice), task))
        before[voice] = event
    return told[::-1]


def finding_name(one: Seen, task: TaskSpec | None) -> Text:
    """The type of a finding and its steps, as people call them."""
    names = {step.id: step.names for step in task.steps} if task else {}
    steps = [names.get(step, Text(step, step)) for step in one.steps]
    kind = TYPES[one.type]
    if not steps:
        return kind
    en, ja = ", ".join(step.en for step in steps), "、".join(step.ja for step in steps)
    return Text(f"{kind.en}: {en}", f"{kind.ja}：{ja}")


_VERDICTS: Final = {
    RaterVerdict.AGREE: Text("agrees with the result", "判定に同意"),
    RaterVerdict.DISAGREE: Text("says that the result is wrong", "判定は誤りだと申し立て"),
    RaterVerdict.UNSURE: Text("cannot say whether the result is right", "判定が正しいか判断できない"),
}
_CRITICAL: Final = {
    True: Text("There is a critical deviation", "重大な逸脱がある"),
    False: Text("There is no critical deviation", "重大な逸脱はない"),
    None: Text("Cannot say whether there is a critical deviation", "重大な逸脱の有無は判断できない"),
}
_AGREES: Final = {
    True: Text("agrees", "同意"),
    False: Text("disagrees", "不同意"),
    None: Text("cannot say", "判断できない"),
}
_BLIND: Final = Text("labeled it without seeing the result", "判定を見ずに評価")
_SETTLES: Final = Text("answers who contests", "異議に回答")
_ABOUT: Final = re.compile(r"(?P<type>[a-z_]+)(?::(?P<steps>[a-z0-9_+]+))?: (?P<note>.*)", re.DOTALL)


def _said(event: LabelEvent, before: LabelEvent | None, task: TaskSpec | None) -> SaidOnce:
    note = event.note if before is None or event.note != before.note else ""
    if before is not None and before.note and note.startswith(f"{before.note}\n"):
        note = note.removeprefix(f"{before.note}\n")
    about, note = _commented(note)
    return SaidOnce(
        event.who,
        event.at,
        tuple(_sentences(event, before, task)),
        note,
        None if about is None else finding_name(about, task),
    )


def _sentences(event: LabelEvent, before: LabelEvent | None, task: TaskSpec | None) -> Iterator[Text]:
    if event.adjudicates:
        yield _SETTLES
    if event.source is Source.BLIND_HUMAN:
        yield _BLIND
    spoken = before.verdict if before else RaterVerdict.NONE
    if event.verdict not in (spoken, RaterVerdict.NONE):
        yield _VERDICTS[event.verdict]
    asked = event.critical_expected is not None or event.source is Source.BLIND_HUMAN
    if event.critical_expected != before.critical_expected if before else asked:
        yield _CRITICAL[event.critical_expected]
    for one in event.deviations:
        if before is None or one not in before.deviations:
            yield _agrees(one, task)
    for seen in event.seen:
        if before is None or seen not in before.seen:
            name, at = finding_name(seen, task), _at(seen)
            yield Text(f"saw: {name.en}{at.en}", f"確認した逸脱：{name.ja}{at.ja}")


def moment_of(seen: Seen) -> str:
    """The moment at which a deviation is to be seen, in minutes and seconds; empty where nobody named one."""
    if seen.at_s is None:
        return ""
    tenths = round(seen.at_s * 10)
    return f"{tenths // 600}:{tenths % 600 / 10:04.1f}"


def _at(seen: Seen) -> Text:
    clock = moment_of(seen)
    return Text(f" at {clock}", f"（{clock}）") if clock else Text("", "")


def _agrees(one: Agreement, task: TaskSpec | None) -> Text:
    name, said = finding_name(one, task), _AGREES[one.agree]
    if one.suspected:
        return Text(f"{said.en} (possible: {name.en})", f"{said.ja}（可能性：{name.ja}）")
    return Text(f"{said.en} ({name.en})", f"{said.ja}（{name.ja}）")


def _commented(note: str) -> tuple[Seen | None, str]:
    """The finding that a comment is about, and the comment."""
    found = _ABOUT.fullmatch(note)
    if found is None or found["type"] not in set(DeviationType):
        return None, note
    steps = tuple(filter(None, (found["steps"] or "").split("+")))
    return Seen(type=DeviationType(found["type"]), steps=steps), found["note"]
