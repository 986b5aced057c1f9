"""What waits for which channel, and sending it: in turn, with growing waits after failures."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Generic, Protocol, TypeVar

from upath import UPath

from sopilot_assets.errors import ConfigError
from sopilot_assets.store.journal import append_journal
from sopilot_assets.store.publish import only_writer
from sopilot_assets.texts.names import one_line

FIRST_WAIT: Final = timedelta(seconds=20)
LONGEST_WAIT: Final = timedelta(minutes=15)
FEWEST_TRIES: Final = 5
"""Nothing is given up before so many tries, however old it is: the clock may have jumped."""
BUDGET_S: Final = 25.0
"""No delivery is begun after so many seconds of one call."""
BEGINS: Final = "begins"
"""The outcome in the line of a journal that says from when on a channel is told."""


class DeliveryError(Exception):
    """It could not be handed over; ``status`` is the HTTP status where there was one."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Parcel(Protocol):
    """What is sent: ``about`` names what parcels replace one another for, empty where none does."""

    @property
    def id(self) -> str:
        """By what a receiver tells repetitions."""
        ...

    @property
    def about(self) -> str:
        """See above."""
        ...

    @property
    def time(self) -> datetime:
        """When what it tells happened."""
        ...


P = TypeVar("P", bound=Parcel)
P_contra = TypeVar("P_contra", bound=Parcel, contravariant=True)


class Channel(Protocol[P_contra]):
    """One way to somebody."""

    @property
    def name(self) -> str:
        """What the journal calls it."""
        ...

    def send(self, parcel: P_contra, now: datetime) -> str:
        """A note about the delivery. Raises ``DeliveryError`` or ``ConfigError`` where there was none."""
        ...


def begin(
    journal: UPath, channels: Iterable[str], *, begun: Callable[[], Container[str]], now: datetime
) -> None:
    """Note from when on each channel is told, where that was not noted yet: ``begun`` are those of which it
    was, asked once nobody else notes it.
    """
    with only_writer(journal.parent / ".beginning.lock"):
        known = begun()
        line = {"event": "", "outcome": BEGINS, "at": now.isoformat(), "said": ""}
        append_journal(journal, [{**line, "channel": one} for one in channels if one not in known])


@dataclass(frozen=True, slots=True)
class Undelivered(Generic[P]):
    """One parcel that one channel has not taken yet: how often it was tried, the last time (ISO 8601, None
    where never), and why that failed.
    """

    parcel: P
    channel: str
    tries: int = 0
    tried_at: str | None = None
    error: str = ""

    def is_due(self, now: datetime) -> bool:
        """Whether the wait since the last try is over; it doubles with every try."""
        if self.tried_at is None:
            return True
        wait: timedelta = min(FIRST_WAIT * 2 ** min(self.tries - 1, 10), LONGEST_WAIT)
        return abs(now - datetime.fromisoformat(self.tried_at)) >= wait

    def is_hopeless(self, now: datetime, give_up_after_hours: float | None) -> bool:
        """Whether it is not worth another try; never where nothing is given up."""
        if give_up_after_hours is None:
            return False
        age = now - self.parcel.time
        return age > timedelta(hours=give_up_after_hours) and self.tries >= FEWEST_TRIES


@dataclass(frozen=True, slots=True)
class Delivery(Generic[P]):
    """What one call did: how many parcels were delivered, which tries failed, and how many wait."""

    delivered: int
    failed: tuple[Undelivered[P], ...]
    given_up: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Tries:
    """What a journal says of each parcel on each channel."""

    lines: Mapping[tuple[str, str], Sequence[Mapping[str, object]]]

    @classmethod
    def of(cls, lines: Iterable[Mapping[str, object]]) -> Tries:
        """What these lines of a journal say."""
        found: dict[tuple[str, str], list[Mapping[str, object]]] = {}
        for line in lines:
            found.setdefault((str(line["event"]), str(line["channel"])), []).append(line)
        return cls(found)

    def undelivered(self, parcel: P, channel: str) -> Undelivered[P] | None:
        """The parcel with its tries; None where the channel took it, or it was given up."""
        lines = self.lines.get((parcel.id, channel), ())
        if any(line["outcome"] in ("delivered", "given_up") for line in lines):
            return None
        tries = [line for line in lines if line["outcome"] == "tried"]
        said = [str(line["said"]) for line in lines if line["outcome"] == "failed"]
        last = str(tries[-1]["at"]) if tries else None
        return Undelivered(parcel, channel, len(tries), last, said[-1] if said else "")


@dataclass(frozen=True, slots=True)
class Outbox(Generic[P]):
    """Sends what waits. ``journal`` is where deliveries are noted; ``hide`` takes secrets out of a text."""

    journal: UPath
    channels: Sequence[Channel[P]]
    hide: Callable[[str], str]
    give_up_after_hours: float | None
    now: datetime

    def empty(self, waiting: Callable[[], Sequence[Undelivered[P]]], *, everything: bool) -> Delivery[P]:
        """What was sent of all that waits; ``everything`` does not wait out the time after a failed try.
        ``waiting`` is asked once nobody else sends.

        After a failure, a channel is left alone for this call; after a success, all that waits for it is
        tried.
        """
        with only_writer(self.journal.parent / ".delivering.lock"):
            until_s = time.monotonic() + BUDGET_S
            hopeful, given_up = list[Undelivered[P]](), 0
            for one in waiting():
                if one.is_hopeless(self.now, self.give_up_after_hours):
                    self.note(one.parcel, one.channel, "given_up", one.error)
                    given_up += 1
                else:
                    hopeful.append(one)
            delivered, failed = 0, list[Undelivered[P]]()
            for channel in self.channels:
                mine = [one for one in hopeful if one.channel == channel.name]
                count, failure = self._emptied(channel, mine, until_s, everything=everything)
                delivered += count
                failed += failure
            return Delivery(delivered, tuple(failed), given_up, len(hopeful) - delivered)

    def attempt(self, what: Callable[[], str]) -> tuple[bool, str]:
        """Whether a channel took ``what`` it sends, and what it said; no secret is in that."""
        try:
            return True, what()
        except (DeliveryError, ConfigError) as error:
            return False, one_line(self.hide(str(error)), 400)

    def note(self, parcel: P, channel: str, outcome: str, said: str) -> None:
        """Append one line to the journal."""
        about = {"about": parcel.about} if parcel.about else {}
        line = {"event": parcel.id, "channel": channel, "outcome": outcome, "at": self.now.isoformat()}
        append_journal(self.journal, [{**line, **about, "said": said}])

    def _emptied(
        self, channel: Channel[P], waiting: Sequence[Undelivered[P]], until_s: float, *, everything: bool
    ) -> tuple[int, list[Undelivered[P]]]:
        """How many the channel took, and the one that it did not."""
        due = [one for one in waiting if everything or one.is_due(self.now)]
        due_ids = {one.parcel.id for one in due}
        others = [one for one in waiting if one.parcel.id not in due_ids] if due else []
        count = 0
        # those that were tried least come first, so that one that is always refused holds up no other
        for one in [*sorted(due, key=lambda one: one.tries), *others]:
            if time.monotonic() > until_s:
                break
            self.note(one.parcel, channel.name, "tried", "")
            taken, said = self.attempt(partial(channel.send, one.parcel, self.now))
            self.note(one.parcel, channel.name, "delivered" if taken else "failed", said)
            if not taken:
                at = self.now.isoformat()
                return count, [Undelivered(one.parcel, channel.name, one.tries + 1, at, said)]
            count += 1
        return count, []
