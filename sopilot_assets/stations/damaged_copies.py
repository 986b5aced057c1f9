"""Golds that are damaged on purpose, to see that damage is still found.

A copy of a gold is damaged in each way that is known, embedded and judged by the golds of the other persons,
as a trainee's recording would be. Nothing of it enters the registry: what came out is kept in the ledger
``controls``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa

from sopilot_assets.capture.damaged_copies import Damage, make_damaged_copies
from sopilot_assets.capture.registry import Registry
from sopilot_assets.errors import ConfigError, SopilotError, VideoError, WorkerLimit
from sopilot_assets.processes.limited import map_limited
from sopilot_assets.reference.ledger import reference_rows
from sopilot_assets.scoring.ledger import algorithm_version
from sopilot_assets.scoring.result import Decision, Score
from sopilot_assets.stations.clip_embeddings import MEMORY_LIMIT_BYTES, TIME_LIMIT_S
from sopilot_assets.stations.judging import Judge
from sopilot_assets.stations.outcome import Progress, StationOutcome
from sopilot_assets.stations.score_repeats import RepeatWork, embed_shifted, newest_scores, repeat_work
from sopilot_assets.store.canonical import content_id
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Cell, Ledger
from sopilot_assets.store.publish import scratch_folder

COLUMNS: Final = {
    "control_id": pa.string(),
    "key": pa.string(),
    "task_id": pa.string(),
    "video_id": pa.string(),
    "damage": pa.string(),
    "found": pa.bool_(),
    "problem": pa.string(),
    "score": pa.float64(),
    "critical_probability": pa.float64(),
    "decision": pa.string(),
    "intact_score": pa.float64(),
    "intact_decision": pa.string(),
    "reference_id": pa.string(),
    "algorithm": pa.string(),
    "measured_at": pa.string(),
}
"""``found`` says that the damaged copy does not pass, ``intact_`` what the gold itself got: a copy of a gold
that does not pass shows nothing. ``problem`` says why a copy has no score."""

FEWEST_GOLDS: Final = 2
"""A damaged gold is judged by the others, so there has to be another one."""

Row = dict[str, Cell]


def damage_ledger(home: Home) -> Ledger:
    """The ledger of damaged copies; the newest row of a gold and kind of damage counts."""
    return Ledger(home.ledgers, "controls", COLUMNS, "control_id")


def golds_to_damage(home: Home, *, task_id: str | None = None) -> list[PartitionKey]:
    """The golds whose copies can be damaged, those first that were not for the longest time.

    Left out are tasks without a reference, and with a single gold.
    """
    registry = Registry.read(home)
    tasks = {task_id: row for task_id, row in reference_rows(home).items() if row["reference_id"] is not None}
    rows = damage_ledger(home).latest()
    measured = rows.groupby("key")["measured_at"].max().to_dict()
    chosen = [
        recording.key
        for task, row in tasks.items()
        if task_id in (None, task) and int(str(row["golds"])) >= FEWEST_GOLDS
        for recording in registry.golds(task)
        if recording.retired is None
    ]
    return sorted(chosen, key=lambda key: (str(measured.get(str(key), "")), str(key)))


def measure_damage(
    home: Home,
    keys: Sequence[PartitionKey],
    *,
    kinds: Sequence[Damage] = tuple(Damage),
    processes: int,
    run_id: str,
    written_at: str,
    on_progress: Progress | None = None,
) -> list[StationOutcome]:
    """Damage each gold in each way, judge the copies, and write down which were found.

    A gold that cannot be copied, or whose copy hits the limits of its process, gives an outcome with the
    problem and no row. Raises ``ConfigError`` for what is no gold.
    """
    registry = Registry.read(home)
    for key in keys:
        if registry[key].role != "gold":
            raise ConfigError(f"{key}: expected a gold; only golds are known to be right before the damage.")
    outcomes: list[StationOutcome] = []
    judge, scored = Judge(home), newest_scores(home)
    for done, key in enumerate(keys):
        if on_progress:
            on_progress(done, len(keys))
        try:
            judged = _judged_copies(home, judge, key, kinds, processes=processes)
        except SopilotError as error:
            outcomes.append(StationOutcome(key, problem=str(error)))
            continue
        limited = [found for found in judged.values() if isinstance(found, WorkerLimit)]
        outcomes += [StationOutcome(key, problem=str(error)) for error in limited]
        rows = [
            _row(key, kind, found, scored.get(str(key)), written_at)
            for kind, found in judged.items()
            if not isinstance(found, WorkerLimit)
        ]
        damage_ledger(home).append(rows, run_id=run_id, written_at=written_at)
        outcomes += [StationOutcome(key, metadata=row) for row in rows]
    return outcomes


def _judged_copies(
    home: Home, judge: Judge, key: PartitionKey, kinds: Sequence[Damage], *, processes: int
) -> dict[Damage, Score | SopilotError]:
    """What each damaged copy of a gold scores, or why it has no score."""
    original = repeat_work(judge, key, 0.0)
    with scratch_folder(home.campaigns) as folder:
        made = make_damaged_copies([original.video], out_dir=folder, kinds=kinds)
        if made.bad:
            raise VideoError(f"{key}: no damaged copy could be made: {made.bad[0].problem}")
        kind_of = {copy.path: copy.kind for copy in made.made}
        work = [_of_copy(original, path) for path in kind_of]
        results = map_limited(
            embed_shifted,
            work,
            processes=processes,
            time_limit_s=TIME_LIMIT_S,
            memory_limit_bytes=MEMORY_LIMIT_BYTES,
        )
        return {kind_of[one.video]: judge.score_embedding(key, result) for one, result in results}


def _of_copy(original: RepeatWork, path: Path) -> RepeatWork:
    return RepeatWork(original.key, path, original.embedder, original.models, 0.0)


def _row(
    key: PartitionKey, kind: Damage, found: Score | SopilotError, intact: Row | None, measured_at: str
) -> Row:
    score = found if isinstance(found, Score) else None
    decision = score.decision if score else Decision.NOT_VERIFIABLE
    return {
        "control_id": content_id({"key": str(key), "damage": kind.value}, digits=16),
        "key": str(key),
        "task_id": key.task_id,
        "video_id": key.video_id,
        "damage": kind.value,
        "found": decision is not Decision.PASS,
        "problem": None if score else str(found),
        "score": score.score if score else None,
        "critical_probability": score.critical_probability if score else None,
        "decision": decision.value,
        "intact_score": intact["score"] if intact else None,
        "intact_decision": intact["decision"] if intact else None,
        "reference_id": intact["reference_id"] if intact else None,
        "algorithm": algorithm_version(),
        "measured_at": measured_at,
    }
