"""Facts of registered recordings corrected, and recordings withdrawn and restored.

Every such change is a new row of the videos ledger that says who made it, when and why; the rows of a
recording, one after the other, are its history. Nothing is overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

from sopilot_assets.capture.ledgers import ACTIVE, WITHDRAWN, changed_row, videos_ledger
from sopilot_assets.capture.lock import only_intake
from sopilot_assets.capture.promotions import PromotionChange, promotions_ledger
from sopilot_assets.capture.registry import Recording, Registry
from sopilot_assets.capture.sidecar import Sidecar
from sopilot_assets.errors import ConfigError
from sopilot_assets.store.home import ROLES, Home, PartitionKey
from sopilot_assets.store.ledgers import Cell, Row, plain_rows

FACTS: Final = ("person", "session", "recorded_at", "source_video", "site", "camera")
"""What can be corrected. The task and the role are where a recording was dropped: withdraw it, and drop it
again at the right place."""


BESIDE_SCORES: Final = frozenset({"recorded_at", "source_video"})
"""Facts that no score and no reference rests on; studies do: they order and group recordings by them."""


@dataclass(frozen=True, slots=True)
class Correction:
    """One fact of a recording that was changed, from what to what, by whom, when (ISO 8601) and why; ``fact``
    is ``status`` where the recording was withdrawn or restored, ``role`` where it was promoted or demoted.
    """

    key: str
    fact: str
    was: Cell
    now: Cell
    who: str
    at: str
    why: str


def facts_of(sidecar: Sidecar) -> dict[str, str | None]:
    """The facts that a sidecar states; what it leaves out it says nothing of."""
    return {name: value for name, value in sidecar.model_dump(mode="json").items() if value is not None}


def correct_recordings(
    home: Home,
    keys: Sequence[str],
    facts: Mapping[str, str | None],
    *,
    who: str,
    why: str,
    at: datetime,
    run_id: str,
) -> list[Correction]:
    """What was changed; ``facts`` are new values by their names in `FACTS`, None for unknown; see
    `correct_each`.
    """
    return correct_each(home, dict.fromkeys(keys, facts), who=who, why=why, at=at, run_id=run_id)


def correct_each(
    home: Home,
    facts: Mapping[str, Mapping[str, str | None]],
    *,
    who: str,
    why: str,
    at: datetime,
    run_id: str,
) -> list[Correction]:
    """What was changed; ``facts`` are the new values of each recording, by partition key.

    All of it is written or nothing; what is so already changes nothing. Raises ``ConfigError`` for facts that
    are none, and for a recording that is not judged.
    """
    for told in facts.values():
        _require_facts(told)
    return _change(
        home,
        list(facts),
        lambda one: facts[str(one.key)],
        wanted=ACTIVE,
        who=who,
        why=why,
        at=at,
        run_id=run_id,
    )


def _require_facts(facts: Mapping[str, str | None]) -> None:
    if others := sorted(set(facts) - set(FACTS)):
        raise ConfigError(f"{others[0]}: expected a fact that can be corrected: {', '.join(FACTS)}.")
    if "site" in facts and not facts["site"]:
        raise ConfigError("site: expected a name, since every recording has a site.")
    if not facts:
        raise ConfigError("no fact to correct: expected, e.g., --person p014.")


def withdraw_recordings(
    home: Home, keys: Sequence[str], *, who: str, why: str, at: datetime, run_id: str
) -> list[Correction]:
    """What was changed: the recordings count no more, as golds or as trainees, until they are restored.

    Their files and scores stay. Raises ``ConfigError`` for one that does not count as it is.
    """
    status = {"status": WITHDRAWN}
    return _change(home, keys, lambda _: status, wanted=ACTIVE, who=who, why=why, at=at, run_id=run_id)


def restore_recordings(
    home: Home, keys: Sequence[str], *, who: str, why: str, at: datetime, run_id: str
) -> list[Correction]:
    """What was changed: withdrawn recordings count again.

    Raises ``ConfigError`` for one that was not withdrawn, or whose bytes are in the other role meanwhile.
    """
    status = {"status": ACTIVE}
    return _change(home, keys, lambda _: status, wanted=WITHDRAWN, who=who, why=why, at=at, run_id=run_id)


def corrections(home: Home, key: str | None = None) -> list[Correction]:
    """What was changed of a recording, or of all, the oldest first; promotions are changes of its role."""
    histories: dict[str, list[Row]] = {}
    for row in plain_rows(videos_ledger(home).all_rows()):
        if key in (None, row["key"]):
            histories.setdefault(str(row["key"]), []).append(row)
    found = [one for rows in histories.values() for pair in pairwise(rows) for one in _between(*pair)]
    found += _of_role(home, key)
    return sorted(found, key=lambda one: (one.at, one.key))


def corrected(
    recording: Recording, facts: Mapping[str, str | None], *, who: str, at: str, why: str
) -> Row | None:
    """The recording's row with these facts; None where it says so already."""
    if all(recording.row[name] == value for name, value in facts.items()):
        return None
    return changed_row(recording.row, facts, who=who, at=at, why=why)


def _change(
    home: Home,
    keys: Sequence[str],
    change: Callable[[Recording], Mapping[str, str | None]],
    *,
    wanted: str,
    who: str,
    why: str,
    at: datetime,
    run_id: str,
) -> list[Correction]:
    with only_intake(home, wait=True):
        registry = Registry.read(home)
        rows: list[tuple[Row, Row]] = []
        for key in dict.fromkeys(keys):
            one = registry[PartitionKey.parse(key)]
            _require(one, wanted, registry)
            row = corrected(one, change(one), who=who, at=at.isoformat(), why=why)
            rows += [(one.row, row)] if row is not None else []
        videos_ledger(home).append([row for _, row in rows], run_id=run_id, written_at=at.isoformat())
    return [one for pair in rows for one in _between(*pair)]


def _require(recording: Recording, wanted: str, registry: Registry) -> None:
    """Raise ``ConfigError`` where a recording is not in the state that a change begins from."""
    name = f"{recording.original_name} ({recording.key})"
    if wanted == ACTIVE and recording.retired is not None:
        hint = "; `sopilot recording withdraw --undo` brings it back" if recording.withdrawn else ""
        raise ConfigError(f"{name}: expected a recording that counts; {recording.retired}{hint}.")
    if wanted == WITHDRAWN:
        if not recording.withdrawn:
            raise ConfigError(f"{name}: expected a withdrawn recording, found one that is not.")
        other = registry.of(recording.task_id, recording.sha256)
        if other is not None:
            raise ConfigError(f"{name}: the same bytes count as {other.key}; withdraw that one first.")


def _of_role(home: Home, key: str | None) -> Iterator[Correction]:
    """The promotions and demotions of a recording, or of all."""
    said = promotions_ledger(home).query(
        'select key, who, "at", change, why from all_rows order by task_id, seq'
    )
    for row in plain_rows(said):
        if key in (None, row["key"]):
            was, now = ROLES if row["change"] == PromotionChange.DEMOTE else ROLES[::-1]
            who, at, why = (str(row[name]) for name in ("who", "at", "why"))
            yield Correction(str(row["key"]), "role", was, now, who, at, why)


def _between(before: Row, after: Row) -> Iterator[Correction]:
    for fact in (*FACTS, "status"):
        if before[fact] != after[fact]:
            who, at, why = (str(after[name] or "") for name in ("changed_by", "changed_at", "why"))
            yield Correction(str(after["key"]), fact, before[fact], after[fact], who, at, why)
