"""What to score: which recordings, and how much of the way each has to go again."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sopilot_assets.capture.ledgers import Registered, Registry
from sopilot_assets.errors import ConfigError
from sopilot_assets.operations.judge import stale_scores
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.home import Home


class Job(StrEnum):
    """The jobs that score, by how far back they begin."""

    NEW = "score_new_recordings"
    EMBED = "embed_again"
    RESCORE = "rescore"


@dataclass(frozen=True, slots=True)
class Work:
    """The keys that one job has to go through, and why each of them (``new``, ``asked for``, or what is stale
    about its score).
    """

    job: Job
    why: dict[str, str]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys, ascending."""
        return tuple(sorted(self.why))


def plan_scoring(
    home: Home,
    *,
    names: Sequence[str] = (),
    task_id: str | None = None,
    stale: bool = False,
    everything: bool = False,
) -> list[Work]:
    """The work that gives the chosen recordings a score that is up to date: jobs in the order to run them.

    ``names`` chooses recordings (see `find_recordings`), ``stale`` those with an outdated score,
    ``everything`` all; without any of them it is those that have no score yet. ``task_id`` leaves out other
    tasks.
    """
    entries = _of_task(active(home), task_id)
    scored = set(scores_ledger(home).latest()["key"])
    why = {key: "new" for key in entries if key not in scored}
    if stale or everything or names:
        outdated = {str(row["key"]): str(row["why"]) for row in stale_scores(home).to_dict("records")}
        why = {key: _reason(outdated.get(key)) for key in entries}
        if names:
            why = {key: why[key] for key in find_recordings(entries, names)}
        elif not everything:
            why = {key: reason for key, reason in why.items() if key in outdated}
    return [work for job in Job if (work := Work(job, {k: r for k, r in why.items() if _job(r) is job})).why]


def active(home: Home) -> dict[str, Registered]:
    """The recordings that are judged, by partition key."""
    return {entry.key: entry for entry in Registry.read(home).entries.values()}


def find_recordings(entries: dict[str, Registered], names: Sequence[str]) -> list[str]:
    """The keys of the recordings called ``names``: partition keys, video ids (12 hex digits) or file names.

    Raises ``ConfigError`` for a name that is none of them, with the nearest ones, or that means several.
    """
    return [_find(entries, name) for name in names]


def _find(entries: dict[str, Registered], name: str) -> str:
    if name in entries:
        return name
    known = {key: (key.rpartition("-")[2], str(entry.row["original_name"])) for key, entry in entries.items()}
    found = [key for key, names in known.items() if name in names]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(
            f"{name}: {len(found)} recordings are called so: {', '.join(sorted(found))}. Name one."
        )
    every = [*known, *(one for names in known.values() for one in names)]
    near = ", ".join(difflib.get_close_matches(name, every, n=3)) or "none"
    raise ConfigError(
        f"{name}: expected the partition key, video id or file name of a recording; similar ones: {near}. "
        "`sopilot show recordings` lists them."
    )


def _of_task(entries: dict[str, Registered], task_id: str | None) -> dict[str, Registered]:
    if task_id is None:
        return entries
    chosen = {key: entry for key, entry in entries.items() if entry.task_id == task_id}
    if not chosen:
        known = ", ".join(sorted({entry.task_id for entry in entries.values()})) or "none"
        raise ConfigError(f"task {task_id}: it has no recordings; tasks that have some: {known}.")
    return chosen


def _reason(stale_because: str | None) -> str:
    return {None: "asked for", "missing": "new"}.get(stale_because, str(stale_because))


def _job(reason: str) -> Job:
    return {"new": Job.NEW, "model": Job.EMBED}.get(reason, Job.RESCORE)
