"""What the steps of a task are called, and which of them a name means."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from sopilot_assets.tasks import TaskSpec
from sopilot_assets.texts.languages import Text


def folded(name: str) -> str:
    """A name as it is compared: wide and narrow letters, capitals and spaces make no difference.

    >>> folded(" Ｏpen  the COVER "), folded("ﾌﾀを開ける") == folded("フタを開ける")
    ('open the cover', True)
    """
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def meant(name: str, known: Sequence[str]) -> Text:
    """The known name that is nearest, as a question in brackets; nothing where none is near."""
    plain = {folded(one): one for one in known}
    for near in difflib.get_close_matches(folded(name), plain, n=1):
        return Text(f" (did you mean {plain[near]}?)", f"（{plain[near]} ではありませんか）")
    return Text("", "")


@dataclass(frozen=True, slots=True)
class StepNames:
    """The steps of a task: their ``ids`` in order, and by what else each is ``called``, folded: its name and
    its Japanese name, with the places of all steps of that name.
    """

    ids: tuple[str, ...]
    called: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, task: TaskSpec) -> Self:
        """The names of a task's steps."""
        called: dict[str, tuple[int, ...]] = {}
        for place, step in enumerate(task.steps):
            for name in {folded(one) for one in (step.name, step.name_ja) if one}:
                called[name] = (*called.get(name, ()), place)
        return cls(task.step_ids, called)

    def find(self, name: str) -> int | None:
        """The place of the step that is called so, by its id first; None where none is, or several are."""
        plain = folded(name)
        by_id = [place for place, one in enumerate(self.ids) if plain == folded(one)]
        found = by_id or self.called.get(plain, ())
        return found[0] if len(found) == 1 else None

    def unknown(self, name: str) -> Text:
        """Why no step was found by a name."""
        known = ", ".join(self.ids)
        if len(self.called.get(folded(name), ())) > 1:
            return Text(
                f"several steps are called {name!r}; say which by its id: {known}",
                f"{name!r} という手順が複数あります。ID で書いてください：{known}",
            )
        near = meant(name, (*self.ids, *self.called))
        return Text(
            f"expected one of the task's steps, found {name!r}{near.en}; they are {known}",
            f"{name!r} という手順はありません{near.ja}。手順は {known} です",
        )
