"""What belongs to one person, written down before anything of it goes, so that a killed erasure can go on."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from sopilot_assets.capture.erasures import erased_hashes, erasures
from sopilot_assets.capture.promotions import ever_promoted
from sopilot_assets.capture.registry import Recording, Registry
from sopilot_assets.errors import ErasureError
from sopilot_assets.store.home import VIDEO_ID_DIGITS, Home
from sopilot_assets.store.publish import local_path, publish_bytes, published_files
from sopilot_assets.upkeep.erasing.desk import TRAINEE, DeskAccount, accounts_of
from sopilot_assets.upkeep.erasing.names import own_names
from sopilot_assets.upkeep.erasing.texts import spellings


@dataclass(frozen=True, slots=True)
class ErasedRecording:
    """A recording that is erased: its key, SHA-256 and size of its bytes, and whether it is or was a gold."""

    key: str
    sha256: str
    size_bytes: int
    gold: bool

    @property
    def video_id(self) -> str:
        """What files that are made of it begin with."""
        return self.sha256[:VIDEO_ID_DIGITS]

    @property
    def task_id(self) -> str:
        """The task that it belongs to."""
        return self.key.rpartition("-")[0].rpartition("-")[0]


@dataclass(frozen=True, slots=True)
class ErasurePlan:
    """Who is erased, at whose command, when (ISO 8601 in UTC) and why; their recordings, the names of their
    files as far as nobody else's are called so, and their accounts at the desk.

    ``pages`` are the keys of others whose pages showed a gold of this person then.
    """

    person: str
    who: str
    why: str
    at: str
    recordings: tuple[ErasedRecording, ...]
    names: tuple[str, ...] = ()
    accounts: tuple[DeskAccount, ...] = ()
    pages: tuple[str, ...] = ()

    @property
    def keys(self) -> frozenset[str]:
        """The partition keys of the recordings."""
        return frozenset(one.key for one in self.recordings)

    @property
    def golds(self) -> tuple[ErasedRecording, ...]:
        """Those that are golds, or were: what was made of them then may still be there."""
        return tuple(one for one in self.recordings if one.gold)

    @property
    def video_ids(self) -> frozenset[str]:
        """What files that are made of the recordings begin with."""
        return frozenset(one.video_id for one in self.recordings)

    @property
    def removed_accounts(self) -> tuple[str, ...]:
        """The accounts that go: a trainee's. Who has other work at the desk only loses the code."""
        return tuple(one.who for one in self.accounts if one.role == TRAINEE)

    @property
    def empty(self) -> bool:
        """Whether nothing of the person is there."""
        return not (self.recordings or self.accounts)


_PLANS: Final = TypeAdapter(ErasurePlan)


def plan_of(home: Home, person: str, *, who: str, why: str, at: datetime) -> ErasurePlan:
    """All that belongs to a person now and was not erased yet, and what an erasure that is at work goes on
    with; nothing is changed.

    A recording that shows the same bytes in another task is theirs too, whatever it says there.
    """
    registry = Registry.read(home)
    done = erased_hashes(erasures(home))
    own = [one for one in registry.recordings.values() if one.person == person]
    hashes = {one.sha256 for one in own} | _made_from(registry, own)
    chosen = [one for one in registry.recordings.values() if one.sha256 in hashes and one.sha256 not in done]
    golds = {str(one.key) for one in chosen if one.role == "gold"} | ever_promoted(home)
    plan = ErasurePlan(
        person=person,
        who=who,
        why=why,
        at=at.isoformat(),
        recordings=tuple(sorted((_erased(one, golds) for one in chosen), key=lambda one: one.key)),
        names=tuple(sorted(own_names(home, {str(one.key) for one in chosen}))),
        accounts=tuple(accounts_of(local_path(home.desk_database), person)),
    )
    plan, begun = replace(plan, pages=tuple(pages_with_golds(home, plan))), saved_plan(home, person)
    if begun is None:
        return plan
    return replace(
        begun,
        recordings=tuple(dict.fromkeys((*begun.recordings, *plan.recordings))),
        names=tuple(dict.fromkeys((*begun.names, *plan.names))),
        accounts=tuple(dict.fromkeys((*begun.accounts, *plan.accounts))),
        pages=tuple(dict.fromkeys((*begun.pages, *plan.pages))),
    )


def _erased(recording: Recording, golds: Collection[str]) -> ErasedRecording:
    size = int(recording.row["size_bytes"] or 0)
    return ErasedRecording(str(recording.key), recording.sha256, size, str(recording.key) in golds)


def _made_from(registry: Registry, own: Sequence[Recording]) -> set[str]:
    """The hashes of recordings that were made from the person's own, such as damaged copies."""
    named = {one.original_name for one in own} | {str(one.key) for one in own}
    named |= {one.sha256 for one in own} | {one.key.video_id for one in own}
    return {
        one.sha256
        for one in registry.recordings.values()
        if one.row["source_video"] in named and one.person is None
    }


def pages_with_golds(home: Home, plan: ErasurePlan) -> Iterator[str]:
    """The keys of others' pages that show or name a gold of this person now."""
    named = {spelling for name in plan.names for spelling in spellings(name)}
    wanted = [one.encode() for one in (*(gold.video_id for gold in plan.golds), *named)]
    for task_id in sorted({one.task_id for one in plan.golds}):
        for page in sorted(local_path(home.reviews).glob(f"{task_id}-[gt]-*.html")):
            if page.stem not in plan.keys and _holds(page.read_bytes(), wanted):
                yield page.stem


def save_plan(home: Home, plan: ErasurePlan) -> None:
    """Write a plan down; from then on its erasure goes on until it is done."""
    publish_bytes(_file(home, plan.person), _PLANS.dump_json(plan, indent=1))


def saved_plan(home: Home, person: str) -> ErasurePlan | None:
    """The plan of an erasure that is at work; None where there is none."""
    return next((plan for plan in saved_plans(home) if plan.person == person), None)


def saved_plans(home: Home) -> Iterator[ErasurePlan]:
    """The erasures that were begun and are not done."""
    for path in published_files(home.erasing, "*.json"):
        try:
            yield _PLANS.validate_json(path.read_bytes())
        except ValidationError as error:
            raise ErasureError(
                f"{path}: expected the plan of an erasure, found something else ({error}). Restore it from a "
                "backup, or remove it and call `sopilot person erase` again."
            ) from error


def drop_plan(home: Home, plan: ErasurePlan) -> None:
    """Remove a plan whose erasure is done."""
    _file(home, plan.person).unlink(missing_ok=True)


def _file(home: Home, person: str) -> Path:
    return local_path(home.erasing) / f"{hashlib.sha256(person.encode()).hexdigest()[:16]}.json"


def _holds(data: bytes, wanted: Sequence[bytes]) -> bool:
    return any(name in data for name in wanted)
