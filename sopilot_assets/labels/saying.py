"""What a person says of a result, with the findings in view: a bit at a time, and each time an event.

An event holds all that its person says of the recording now (see `Draft`). So what is said about one finding
is joined with what they said before, under a lock: two windows of the same person lose nothing either.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from sopilot_assets.errors import LabelError
from sopilot_assets.labels.chain import append_events, labels_ledger
from sopilot_assets.labels.contests import objections_to, opens_or_answers
from sopilot_assets.labels.events import (
    NOTE_LETTERS,
    Agreement,
    Draft,
    LabelEvent,
    RaterVerdict,
    Seen,
    Source,
)
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.scoring.result import Decision
from sopilot_assets.scoring.verdict import DECISIONS
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Row, plain_rows
from sopilot_assets.store.publish import only_writer


@dataclass(frozen=True, slots=True)
class Answered:
    """What is said this time; None: nothing of that.

    ``critical`` is whether there is a critical deviation, alone in a tuple (None in it: cannot say).
    ``settles`` answers those who contest the decision; it needs a ``critical`` of yes or no. Who contests
    it may do so only where ``nobody_else`` may.
    """

    verdict: RaterVerdict | None = None
    critical: tuple[bool | None] | None = None
    finding: Agreement | None = None
    note: str = ""
    about: Seen | None = None
    """The finding that ``note`` is about, None for the whole."""
    settles: bool = False
    nobody_else: bool = False


def say_of_result(
    home: Home, key: PartitionKey, said: Answered, *, row_id: str, who: str, at: str
) -> list[LabelEvent]:
    """Append what ``who`` says of the result of a recording at the time ``at`` (ISO 8601, UTC); returns the
    new event, none where they said the same before.

    ``row_id`` is the row of scores that they saw. Raises ``LabelError`` where the result is another by now,
    and for what cannot be said.
    """
    with only_writer(home.ledgers / "labels_said.lock"):
        row = _the_same_row(home, key, row_id)
        events = events_of(home, key)  # the chain is verified where they are added to
        try:
            draft = _draft(key, said, who=who, at=at, events=events, reported=reported_by(row))
        except ValidationError as error:
            long = any(one["loc"][:1] == ("note",) for one in error.errors())
            raise LabelError(
                f"{key}: what was said cannot be taken: {'the comment' if long else 'it'} is not what was "
                f"expected (a comment has at most {NOTE_LETTERS} letters). Say it in another way.",
                ja=f"入力を受け付けられませんでした。コメントは {NOTE_LETTERS} 文字以内で入力してください。",
            ) from error
        again = opens_or_answers(draft, events)
        return append_events(home, [draft], run_id=f"said-{at}", written_at=at, again=again)


def reported_by(row: Row) -> tuple[Agreement, ...]:
    """What a row of scores found, and then what it suspects, in the order of the page; without answers."""
    return tuple(
        Agreement.model_validate({"type": one["type"], "steps": one["steps"], "suspected": suspected})
        for column, suspected in (("deviations", False), ("suspected", True))
        for one in json.loads(str(row[column] or "[]"))
    )


def events_of(home: Home, key: PartitionKey) -> list[LabelEvent]:
    """What was said of a recording, in order. The chain is not verified: its events are shown also where it
    is broken.
    """
    rows = plain_rows(
        labels_ledger(home).query(f"select * from all_rows where key = '{key}' order by seq")  # noqa: S608 - partition keys hold no quotes
    )
    fields = set(LabelEvent.model_fields)
    return [
        LabelEvent.model_validate(
            {name: _parsed(name, value) for name, value in row.items() if name in fields}
        )
        for row in rows
    ]


def own_words(events: Sequence[LabelEvent], who: str) -> LabelEvent | None:
    """What a person says now with the findings in view; None where they said nothing. Who contested and was
    answered contests no more, whatever else they say later; ``events`` are those of the recording.
    """
    own = [one for one in events if (one.who, one.source, one.adjudicates) == (who, Source.HUMAN, False)]
    if not own:
        return None
    answered = any(one.adjudicates and one.seq > own[-1].seq for one in events)
    if answered and own[-1].verdict is RaterVerdict.DISAGREE:
        return own[-1].model_copy(update={"verdict": RaterVerdict.NONE, "note": ""})
    return own[-1]


def has_labeled(events: Collection[LabelEvent], who: str) -> bool:
    """Whether a person labeled the recording themselves, blind or not."""
    return any(one.who == who and one.source in (Source.BLIND_HUMAN, Source.HUMAN) for one in events)


def _parsed(name: str, value: object) -> object:
    return json.loads(str(value)) if name in ("deviations", "seen") else value


def _the_same_row(home: Home, key: PartitionKey, row_id: str) -> Row:
    rows = plain_rows(
        scores_ledger(home).query(f"select * from all_rows where key = '{key}' order by written_at, run_id")  # noqa: S608 - partition keys hold no quotes
    )
    newest = plain_rows(scores_ledger(home).query(f"select * from latest where key = '{key}'"))  # noqa: S608 - as above
    if not newest:
        raise LabelError(
            f"{key}: it was not judged, there is nothing to say of its result yet.",
            ja="まだ判定されていないため、判定についての入力はできません。",
        )
    if newest[0]["row_id"] != row_id:
        before = next((row for row in rows if row["row_id"] == row_id), None)
        raise _changed(key, before, newest[0])
    return newest[0]


def _changed(key: PartitionKey, before: Row | None, now: Row) -> LabelError:
    new = DECISIONS[Decision(str(now["decision"]))]
    old = None if before is None else DECISIONS[Decision(str(before["decision"]))]
    en = f"it was “{old.en}”, it is “{new.en}” now" if old else f"it is “{new.en}” now"
    ja = f"「{old.ja}」から「{new.ja}」に変わりました" if old else f"現在は「{new.ja}」です"
    if old == new:
        en, ja = (
            f"it is still “{new.en}”, with other findings or figures",
            f"判定は「{new.ja}」のままですが、内容が変わりました",
        )
    return LabelError(
        f"{key}: the result changed since the page was opened: {en}. Nothing was kept of what you said. Open "
        "the recording again, look at it, and say it of the new result.",
        ja=f"ページを開いた後に判定が更新されました：{ja}。入力は保存されていません。"
        "もう一度録画を開き、新しい判定を確認してから入力してください。",
    )


def _draft(
    key: PartitionKey,
    said: Answered,
    *,
    who: str,
    at: str,
    events: Sequence[LabelEvent],
    reported: Sequence[Agreement],
) -> Draft:
    fixed: dict[str, object] = {
        "task_id": key.task_id,
        "key": str(key),
        "who": who,
        "at": at,
        "source": Source.HUMAN,
    }
    if said.settles:
        _require_another(key, said, who, events)
        if said.critical is None or said.critical[0] is None:
            raise LabelError(
                f"{key}: an answer to who contests says yes or no, whether there is a critical deviation.",
                ja="異議への回答では、重大な逸脱の有無を「ある」か「ない」で答えてください。",
            )
        fixed |= {"critical_expected": said.critical[0], "note": said.note, "adjudicates": True}
        return Draft.model_validate(fixed)
    before = own_words(events, who)
    fixed |= {
        "critical_expected": said.critical[0] if said.critical else before and before.critical_expected,
        "verdict": said.verdict or (before.verdict if before else RaterVerdict.NONE),
        "deviations": _agreements(said.finding, before, reported),
        "seen": before.seen if before else (),
        "note": _note(said, before),
    }
    return Draft.model_validate(fixed)


def _require_another(key: PartitionKey, said: Answered, who: str, events: Sequence[LabelEvent]) -> None:
    contests = who in {one.who for one in objections_to(str(key), events)}
    if contests and not said.nobody_else:
        raise LabelError(
            f"{key}: {who} contests this decision; somebody else has to answer. Who does not contest it any "
            "more says so with “Agree” or “Cannot say”.",
            ja=f"{who} さんはこの判定に異議を申し立てています。回答は別の人が行ってください。"
            "取り下げる場合は「同意」または「判断できない」を選んでください。",
        )


def _agreements(
    said: Agreement | None, before: LabelEvent | None, reported: Sequence[Agreement]
) -> tuple[Agreement, ...]:
    """What the person says of each finding now; what is not reported any more is not spoken of."""
    there = {_what(one) for one in reported}
    if said is not None and _what(said) not in there:
        raise LabelError(
            f"{said}: the result reports no such finding. Open the recording again.",
            ja="その指摘はこの判定にありません。もう一度録画を開いてください。",
        )
    every = [*(before.deviations if before else ()), *([said] if said else ())]
    return tuple({_what(one): one for one in every if _what(one) in there}.values())


def _what(one: Agreement) -> tuple[str, tuple[str, ...], bool]:
    return one.type.value, one.steps, one.suspected


def _note(said: Answered, before: LabelEvent | None) -> str:
    """The comment; as long as the person contests, what they comment besides is added to their reason."""
    note = said.note.strip()
    if note and said.about is not None:
        note = f"{said.about}: {note}"
    kept = before.note if before else ""
    if not note:
        return kept
    contested = before is not None and before.verdict is RaterVerdict.DISAGREE
    contests = contested and said.verdict in (None, RaterVerdict.DISAGREE)
    if not (kept and contests):
        return note
    return kept if note in kept.split("\n") else f"{kept}\n{note}"
