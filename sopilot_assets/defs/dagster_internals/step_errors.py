"""What a failed step said, in one sentence, out of the chain of errors that Dagster keeps of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sopilot_assets.errors import SopilotError

if TYPE_CHECKING:
    from dagster._utils.error import SerializableErrorInfo  # type: ignore[attr-defined]


def sentence_of(error: SerializableErrorInfo | None) -> str:
    """What the outermost error of ours says, since that says what to do; without one the innermost, with the
    name of its class; nothing without an error.
    """
    chain = list(_chain(error))
    names = {kind.__name__ for kind in _kinds(SopilotError)}
    for one in chain:
        if one.cls_name in names:
            # a sentence for people, who need no name of a class before it
            return one.message.strip().partition(f"{one.cls_name}: ")[2] or one.message.strip()
    return chain[-1].message.strip() if chain else ""


def _chain(error: SerializableErrorInfo | None) -> Iterator[SerializableErrorInfo]:
    while error is not None:
        yield error
        error = error.cause


def _kinds(error: type[Exception]) -> Iterator[type[Exception]]:
    yield error
    for kind in error.__subclasses__():
        yield from _kinds(kind)
