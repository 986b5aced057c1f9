"""How answers are written in the cells of a sheet, and read back.

An answer is yes, no or unsure. A deviation is its type and its steps, ``missing_step:open_cover`` or
``order_swap:open_cover+pull_filter``, with the seconds at which it is to be seen where a person says so,
``missing_step:open_cover@12.4``; several are separated by spaces, commas or semicolons. Agreement with a
finding adds the answer, ``missing_step:open_cover=no``, where ``=?`` is a question that has no answer yet.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final

from sopilot_assets.labels.events import Agreement, Draft, RaterVerdict, Seen
from sopilot_assets.tasks import DeviationType

OPEN: Final = "?"

_YES: Final = frozenset({"yes", "y", "true", "1", "はい"})
_NO: Final = frozenset({"no", "n", "false", "0", "いいえ"})
_UNSURE: Final = frozenset({"unsure", "cannot say", "不明"})
_GAPS = re.compile(r"[\s,;]+")
_SECONDS: Final = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")


class CellError(ValueError):
    """A cell that cannot be taken; says what was expected and what was found."""


def answer(text: str) -> bool | None:
    """The answer in a cell: yes, no, or None for unsure.

    >>> answer("Yes"), answer("FALSE"), answer("unsure")
    (True, False, None)
    """
    word = text.strip().lower()
    if word in _YES:
        return True
    if word in _NO:
        return False
    if word in _UNSURE:
        return None
    raise CellError(f"expected yes, no or unsure, found {text!r}")


def answer_text(value: bool | None) -> str:
    """The answer as `answer` reads it."""
    return "unsure" if value is None else ("yes" if value else "no")


def verdict(text: str) -> RaterVerdict:
    """The verdict in a cell."""
    word = text.strip().lower()
    if word not in set(RaterVerdict):
        raise CellError(f"expected agree, disagree, unsure or nothing, found {text!r}")
    return RaterVerdict(word)


def seen(text: str, steps: Collection[str]) -> tuple[Seen, ...]:
    """The deviations in a cell; ``steps`` are the task's.

    >>> [str(one) for one in seen("freeze, missing_step:boil", ["boil"])]
    ['freeze', 'missing_step:boil']
    >>> seen("freeze@12.40", [])[0].at_s
    12.4
    """
    return tuple(_seen_at(word, steps) for word in _words(text))


def agreements(text: str, steps: Collection[str]) -> tuple[Agreement, ...]:
    """The answered ones of the deviations in a cell.

    >>> [str(one) for one in agreements("freeze=? missing_step:boil=no", ["boil"])]
    ['missing_step:boil=no']
    """
    found = []
    for word in _words(text):
        name, equals, said = word.rpartition("=")
        if not equals:
            raise CellError(f"expected a deviation and an answer such as {word}=yes, found {word!r}")
        one = _seen(name, steps)
        if said != OPEN:
            found.append(Agreement(type=one.type, steps=one.steps, agree=answer(said)))
    twice = {str(one.type) + str(one.steps) for one in found}
    if len(twice) < len(found):
        raise CellError(f"expected each deviation once, found {text!r}")
    return tuple(found)


def questions(findings: Iterable[Seen], answered: Iterable[Agreement] = ()) -> str:
    """The cell that asks for agreement with each finding; those ``answered`` hold their answer."""
    said = {(one.type, one.steps): str(one) for one in answered if not one.suspected}
    asked = {(one.type, one.steps): f"{one}={OPEN}" for one in findings}
    return " ".join((asked | said).values())


def cells_of(draft: Draft, findings: Iterable[Seen] = ()) -> dict[str, str]:
    """The cells in which a person said this."""
    return {
        "critical_expected": answer_text(draft.critical_expected),
        "verdict": draft.verdict.value,
        "deviations": questions(findings, draft.deviations),
        "seen": " ".join(map(str, draft.seen)),
        "note": draft.note,
    }


def _words(text: str) -> list[str]:
    return [word for word in _GAPS.split(text.strip()) if word]


def _seen_at(word: str, steps: Collection[str]) -> Seen:
    name, at, moment = word.partition("@")
    one = _seen(name, steps)
    if not at:
        return one
    if not _SECONDS.fullmatch(moment):
        raise CellError(f"expected seconds after the @, such as {name}@12.4, found {word!r}")
    return one.model_copy(update={"at_s": round(float(moment), 3)})


def _seen(word: str, steps: Collection[str]) -> Seen:
    kind, _, rest = word.partition(":")
    if kind not in set(DeviationType):
        raise CellError(f"expected a deviation ({', '.join(DeviationType)}), found {word!r}")
    named = tuple(part for part in rest.split("+") if part)
    unknown = [step for step in named if step not in steps]
    if unknown:
        raise CellError(f"expected steps of the task ({', '.join(steps)}), found {', '.join(unknown)}")
    return Seen(type=DeviationType(kind), steps=named)
