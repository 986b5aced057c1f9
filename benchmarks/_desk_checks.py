"""Whether everything that the desk said it has taken is there, once, and nothing else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks._desk_people import Told
from sopilot_assets.capture.landing import read_landing
from sopilot_assets.capture.marks import MarkEvent, marks_chain
from sopilot_assets.capture.uploads import all_uploads, unfinished_uploads
from sopilot_assets.errors import SopilotError
from sopilot_assets.labels.chain import labels_chain
from sopilot_assets.labels.events import LabelEvent
from sopilot_assets.store.chain import NO_EVENT
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import file_sha256, local_path

_COMMENT: Final = re.compile(r"\bload\d+-\d+\.")


def faults(home: Home, told: Sequence[Told], *, captured_before: Counter[str]) -> list[str]:
    """What is lost, doubled, damaged or too much."""
    return [*_of_marks(home, told), *_of_comments(home, told), *_of_uploads(home, told, captured_before)]


def captured(home: Home) -> Counter[str]:
    """How often each recording, by the SHA-256 of its bytes, lies in the capture folder."""
    paths = local_path(home.capture).rglob("*")
    return Counter(file_sha256(path) for path in paths if path.suffix == ".mp4")


def _of_marks(home: Home, told: Sequence[Told]) -> Iterator[str]:
    chain = marks_chain(home)
    try:
        events = [event for task_id in chain.tasks() for event in chain.read(task_id)]
    except SopilotError as error:
        yield f"marks: {error}"
        return
    said = Counter(mark for one in told for mark in one.marks)
    kept = Counter(
        (
            event.key,
            event.who,
            tuple((one.step, one.start_s, one.end_s) for one in event.steps),
            event.based_on,
            event.independent,
        )
        for event in events
        if event.who.startswith("load")
    )
    asked = Counter(
        {(one.key, one.who, one.steps, one.based_on, one.independent): n for one, n in said.items()}
    )
    yield from (f"marks: {n} x lost: {one}" for one, n in (asked - kept).items())
    yield from (f"marks: {n} x too many: {one}" for one, n in (kept - asked).items())
    yield from _not_on_the_newest(events)


def _not_on_the_newest(events: Sequence[MarkEvent]) -> Iterator[str]:
    """Marks that overrule one that their person did not see."""
    newest: dict[str, str] = {}
    for event in events:
        if event.independent:
            continue
        if event.based_on != newest.get(event.key, NO_EVENT):
            yield f"marks: event {event.seq} of {event.key} is not based on the one before it"
        newest[event.key] = event.event_id


def _of_comments(home: Home, told: Sequence[Told]) -> Iterator[str]:
    chain = labels_chain(home)
    try:
        events = [event for task_id in chain.tasks() for event in chain.read(task_id)]
    except SopilotError as error:
        yield f"labels: {error}"
        return
    kept = Counter(_said_newly(events))
    said = Counter(comment for one in told for comment in one.comments)
    yield from (f"labels: {n} x lost: {one}" for one, n in (said - kept).items())
    yield from (f"labels: {n} x too many: {one}" for one, n in (kept - said).items())


def _said_newly(events: Sequence[LabelEvent]) -> Iterator[tuple[str, str]]:
    """Comments, each at the event that brings it: who contests keeps what they said before. An event that
    brings none is one too many.
    """
    before: dict[tuple[str, str, bool], set[str]] = {}
    for event in events:
        if not event.who.startswith("load"):
            continue
        there = set(_COMMENT.findall(event.note))
        voice = event.who, event.key, event.adjudicates
        yield from ((event.key, one) for one in sorted(there - before.get(voice, set())) or ["no comment"])
        before[voice] = there


def _of_uploads(home: Home, told: Sequence[Told], before: Counter[str]) -> Iterator[str]:
    sent = Counter(sha256 for one in told for sha256 in one.uploads)
    now = captured(home) - before
    landings = [one for upload in all_uploads(home) if (one := read_landing(home, upload)) and one.done]
    landed = Counter(one.sha256 for one in landings)
    # the same bytes may be sent under several names, of which the intake then takes one
    targets = {(one.sha256, one.target) for one in landings if one.target is not None}
    wanted = Counter(sha256 for sha256, _ in targets)
    yield from (f"uploads: {n} x {one} is not there" for one, n in (wanted - now).items())
    yield from (f"uploads: {n} x {one} is there too often" for one, n in (now - wanted).items())
    lost = sent - landed
    yield from (
        f"uploads: {one} was sent {sent[one]} times, {n} of them did not land" for one, n in lost.items()
    )
    yield from (f"uploads: {one.name} of {one.who} is not finished" for one in unfinished_uploads(home))
