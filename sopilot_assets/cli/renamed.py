"""Commands that had another name once, and what they are called now; the old names go on working."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

NEW_NAMES: Final[Mapping[str, str]] = {
    "alerts deliver": "alert deliver",
    "alerts list": "alert list",
    "alerts test": "alert deliver --test",
    "backup drill": "backup verify --drill",
    "bench accuracy": "measure compare",
    "campaign gates": "study check",
    "campaign status": "campaign show",
    "capture intake": "capture register",
    "capture quarantine": "recording list --refused",
    "commons fetch": "sample fetch",
    "control": "measure damage",
    "daily": "report show",
    "demo": "demo run",
    "doctor": "home doctor",
    "fetch": "home fetch",
    "import-legacy": "legacy import",
    "init": "home init",
    "keys list": "key list",
    "keys new": "key create",
    "labels add": "label add",
    "labels disagreements": "label list --disputed",
    "labels import": "label import",
    "labels list": "label list",
    "labels prefill": "label prefill",
    "labels simulate": "sample label",
    "labels status": "label list --count",
    "labels template": "label prepare",
    "label verify": "label list --chain",
    "labels verify": "label list --chain",
    "legacy right": "legacy compare",
    "models list": "model list",
    "models preload": "model preload",
    "models verify": "model verify",
    "recording restore": "recording withdraw --undo",
    "reference list": "task list --references",
    "repeat": "measure repeat",
    "retention": "retention apply",
    "score": "score run",
    "serve": "web serve",
    "show recordings": "recording list",
    "show references": "task list --references",
    "show scores": "score list",
    "show stale": "score list --stale",
    "show video": "recording show",
    "simulate": "sample simulate",
    "study looks": "study show --looks",
    "study new": "study create",
    "task new": "task create",
    "task verify": "task lock --check",
    "variants": "sample damage",
    "worker": "worker run",
}
"""The new name of each command that has another one; what followed the old name follows the new one."""


def new_words(words: Sequence[str]) -> list[str] | None:
    """What a command line that begins with an old name is today; None where it begins with none."""
    for count in (2, 1):
        new = NEW_NAMES.get(" ".join(words[:count]))
        if new is not None:
            return [*new.split(), *words[count:]]
    return None


def gone(words: Sequence[str], nouns: Collection[str]) -> str | None:
    """What to say to a person who typed an old group of commands; None where the words begin with none.
    ``nouns`` are those of today.
    """
    inside = [new for old, new in NEW_NAMES.items() if words and old.startswith(f"{words[0]} ")]
    if not inside or words[0] in nouns:
        return None
    names = ", ".join(f"`sopilot {new}`" for new in inside)
    return f"`sopilot {words[0]}` is gone; what was in it is now {names}."
