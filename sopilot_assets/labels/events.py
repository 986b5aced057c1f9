"""What one person says about one recording at one time, as an event that names the one before it by hash."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Final, Protocol, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    model_serializer,
    model_validator,
)

from sopilot_assets.store.chain import ChainDraft, ChainEvent, Key, Who, placed
from sopilot_assets.tasks import DeviationType

NOTE_LETTERS: Final = 2000


class Source(StrEnum):
    """How a label came about, the strongest first.

    ``blind_human``: a person saw the recording and not what the product says of it. ``human``: a person saw
    both. ``imported``: taken over from an existing installation. ``prefill``: guessed from the file's name.
    """

    BLIND_HUMAN = "blind_human"
    HUMAN = "human"
    IMPORTED = "imported"
    PREFILL = "prefill"

    @property
    def strength(self) -> int:
        """Higher is stronger."""
        return _STRENGTHS[self]


_STRENGTHS: Final = {source: len(Source) - place for place, source in enumerate(Source)}


class RaterVerdict(StrEnum):
    """What a person says of the product's decision; `NONE` where it was not asked or not shown."""

    NONE = ""
    AGREE = "agree"
    DISAGREE = "disagree"
    UNSURE = "unsure"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _each_once(steps: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(steps))


_STEP = r"[a-z0-9][a-z0-9_]{0,47}"

Steps = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=f"^{_STEP}$")], ...],
    Field(strict=False),
    AfterValidator(_each_once),
]
"""Step ids in the order they are given."""


Moment = Annotated[float, Field(ge=0, allow_inf_nan=False), AfterValidator(lambda time_s: round(time_s, 3))]
"""Seconds from the beginning of a recording by a player's clock, to the millisecond."""


class Seen(_Strict):
    """A deviation that a person names: its type, the steps it is about, and the moment of the recording at
    which it is to be seen, None where they named none.
    """

    later_fields: ClassVar[frozenset[str]] = frozenset({"at_s"})
    """Fields that older events lack: what says nothing there is no part of an event."""

    type: Annotated[DeviationType, Field(strict=False)]
    steps: Steps = ()
    at_s: Moment | None = None

    def __str__(self) -> str:
        named = f"{self.type.value}:{'+'.join(self.steps)}" if self.steps else self.type.value
        return named if self.at_s is None else f"{named}@{f'{self.at_s:.3f}'.rstrip('0').rstrip('.')}"

    @model_serializer(mode="wrap")
    def _only_what_is_said(self, plain: SerializerFunctionWrapHandler) -> dict[str, object]:
        """The same fields as in events from before the others were asked about."""
        fields: dict[str, object] = plain(self)
        unsaid = {name for name in self.later_fields if fields[name] is None or fields[name] is False}
        return {name: value for name, value in fields.items() if name not in unsaid}


class Agreement(Seen):
    """What a person says of one deviation that the product reports: ``agree`` is None where they cannot
    say. ``suspected``: the product did not find it, and only says that it is possible.
    """

    later_fields: ClassVar[frozenset[str]] = frozenset({"at_s", "suspected"})

    at_s: None = None
    agree: bool | None = None
    suspected: bool = False

    def __str__(self) -> str:
        said = {True: "yes", False: "no", None: "unsure"}[self.agree]
        return f"{super().__str__()}{'?' if self.suspected else ''}={said}"


_Named = TypeVar("_Named", bound=Seen)


def _in_one_order(named: tuple[_Named, ...]) -> tuple[_Named, ...]:
    """Each of them once, sorted: in which order somebody names them says nothing."""
    return tuple({str(one): one for one in sorted(named, key=str)}.values())


class Draft(ChainDraft):
    """What a person says, before it has its place in the chain.

    ``critical_expected`` is None where they cannot say. ``seen`` are deviations that they name: all of them
    where they label blind, those that the product missed where they saw its findings. ``adjudicates`` settles
    a disagreement between others. What was labeled blind, prefilled or imported says nothing of the
    product's findings.
    """

    key: Key
    who: Who
    source: Annotated[Source, Field(strict=False)]
    critical_expected: bool | None
    verdict: Annotated[RaterVerdict, Field(strict=False)] = RaterVerdict.NONE
    deviations: Annotated[tuple[Agreement, ...], Field(strict=False), AfterValidator(_in_one_order)] = ()
    seen: Annotated[tuple[Seen, ...], Field(strict=False), AfterValidator(_in_one_order)] = ()
    note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=NOTE_LETTERS)] = ""
    adjudicates: bool = False

    @model_validator(mode="after")
    def _says_what_its_source_can(self) -> Draft:
        if self.source is not Source.HUMAN and (self.verdict is not RaterVerdict.NONE or self.deviations):
            raise ValueError(
                f"a label of source {self.source.value} cannot hold a verdict or agreement on findings: "
                "who labels with the findings in view is of source human"
            )
        if self.adjudicates and self.source not in (Source.HUMAN, Source.BLIND_HUMAN):
            raise ValueError(f"only a person adjudicates, found source {self.source.value}")
        return self


class LabelEvent(Draft, ChainEvent):
    """A draft in its place in the chain of its task."""


class RaterAnswer(Protocol):
    """What a label answers, and who gave it: all that most questions need of an event."""

    @property
    def key(self) -> str:
        """The recording."""

    @property
    def who(self) -> str:
        """Who labeled it."""

    @property
    def source(self) -> Source:
        """How the label came about."""

    @property
    def critical_expected(self) -> bool | None:
        """Whether there is a critical deviation; None where they cannot say."""

    @property
    def adjudicates(self) -> bool:
        """Whether it settles a disagreement between others."""


RaterAnswerT = TypeVar("RaterAnswerT", bound=RaterAnswer)


def place(draft: Draft, *, seq: int, previous_hash: str) -> LabelEvent:
    """The draft as the event at ``seq``, after the event with the id ``previous_hash``."""
    return placed(LabelEvent, draft, seq=seq, previous_hash=previous_hash)
