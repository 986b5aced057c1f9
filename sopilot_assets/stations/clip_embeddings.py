"""The embedding station: every video of a batch, in limited child processes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa

from sopilot_assets.capture.erasures import video_is_gone
from sopilot_assets.capture.registry import Registry
from sopilot_assets.embedding.backends import known_model_id, made_model_id, ready_embedder
from sopilot_assets.embedding.clips import load_embedding, save_embedding
from sopilot_assets.embedding.embedder import Embedder
from sopilot_assets.errors import ModelError, SopilotError, StoreUnavailable, UnreadableVideo
from sopilot_assets.processes.limited import map_limited
from sopilot_assets.stations.outcome import Progress, StationOutcome
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Cell, Ledger, plain_rows
from sopilot_assets.store.shared import at_hand
from sopilot_assets.tasks import load_task

TIME_LIMIT_S: Final = 900.0
"""The longest that one video may take to embed: an hour of video at a quarter of the usual speed."""
MEMORY_LIMIT_BYTES: Final = 6 << 30

COLUMNS: Final = {
    "key": pa.string(),
    "model_id": pa.string(),
    "clips": pa.int64(),
    "reader": pa.string(),
    "problem": pa.string(),
}


def embeddings_ledger(home: Home) -> Ledger:
    """The ledger of embeddings: what each video was embedded with, or why it could not be."""
    return Ledger(home.ledgers, "embeddings", COLUMNS, "key")


def embedding_problem(home: Home, keys: Sequence[PartitionKey]) -> dict[PartitionKey, str]:
    """Why each of these videos has no embedding; videos that have one are left out."""
    wanted = {str(key): key for key in keys}
    rows = plain_rows(
        embeddings_ledger(home).query("select key, problem from latest where problem is not null")
    )
    return {wanted[str(row["key"])]: str(row["problem"]) for row in rows if row["key"] in wanted}


@dataclass(frozen=True, slots=True)
class _Work:
    key: PartitionKey
    video: Path
    embedder: str
    models: str
    model_id: str
    target: str
    gone: str | None = None


@dataclass(frozen=True, slots=True)
class _Done:
    clips: int
    reader: str
    cpu_s: float
    reused: bool


def task_embedder(home: Home, task_id: str) -> Embedder:
    """The embedder that a task asks for, ready to use in this process."""
    return ready_embedder(load_task(home.tasks / f"{task_id}.yaml").embedder.value, str(home.models))


def task_model_id(home: Home, task_id: str) -> str:
    """The id of the model that a task asks for, known without loading it where that is possible."""
    return known_model_id(load_task(home.tasks / f"{task_id}.yaml").embedder.value, str(home.models))


def task_model_if_made(home: Home, task_id: str) -> str | None:
    """The same; None where the model would have to be made first. Nothing is written."""
    return made_model_id(load_task(home.tasks / f"{task_id}.yaml").embedder.value, str(home.models))


def embed_videos(
    home: Home,
    keys: Sequence[PartitionKey],
    *,
    processes: int,
    run_id: str,
    written_at: str,
    on_progress: Progress | None = None,
) -> list[StationOutcome]:
    """Embed every video of a batch with its task's model; an embedding that exists already is kept. One bad
    video does not stop the others, nor does a task without its model. Raises ``StoreUnavailable`` where what
    was made of one cannot be stored: that is no fault of a video.
    """
    registry = Registry.read_those(home, keys)
    models = {task_id: _model(home, task_id) for task_id in sorted({key.task_id for key in keys})}
    without = {task_id: one for task_id, one in models.items() if isinstance(one, SopilotError)}
    outcomes = [
        StationOutcome(key, problem=str(without[key.task_id]), metadata={"model_id": None})
        for key in keys
        if key.task_id in without
    ]
    work = [
        _work(registry, key, *model)
        for key in keys
        if not isinstance(model := models[key.task_id], SopilotError)
    ]
    results = map_limited(
        embed_one, work, processes=processes, time_limit_s=TIME_LIMIT_S, memory_limit_bytes=MEMORY_LIMIT_BYTES
    )
    for item, result in results:
        if isinstance(result, StoreUnavailable):
            raise result
        outcomes.append(_outcome(item, result))
        if on_progress:
            on_progress(len(outcomes), len(keys))
    embeddings_ledger(home).append(
        [_row(home, outcome) for outcome in outcomes], run_id=run_id, written_at=written_at
    )
    return outcomes


def _row(home: Home, outcome: StationOutcome) -> dict[str, Cell]:
    facts = {name: outcome.metadata.get(name) for name in ("model_id", "clips", "reader")}
    problem = None if outcome.problem is None else home.relative_text(outcome.problem)
    return {"key": str(outcome.key), **facts, "problem": problem}


def embed_one(work: _Work) -> _Done:
    """Embed one video and publish the result; runs in a child process."""
    target = at_hand(Path(work.target))
    started_s = time.process_time()
    if target.exists():
        try:
            existing = load_embedding(target)
        except ModelError:
            target.unlink()
        else:
            return _Done(existing.clip_count, existing.reader, time.process_time() - started_s, reused=True)
    if work.gone is not None:
        raise UnreadableVideo(work.gone)
    embedding = ready_embedder(work.embedder, work.models).embed(at_hand(work.video))
    save_embedding(target, embedding)
    return _Done(embedding.clip_count, embedding.reader, time.process_time() - started_s, reused=False)


def _model(home: Home, task_id: str) -> tuple[str, str] | SopilotError:
    """The name of a task's embedder and the id of its model, or why it cannot embed anything."""
    try:
        name = load_task(home.tasks / f"{task_id}.yaml").embedder.value
        return name, known_model_id(name, str(home.models))
    except SopilotError as error:
        return error


def _work(registry: Registry, key: PartitionKey, embedder: str, model_id: str) -> _Work:
    target = registry.home.embedding(model_id, key.video_id)
    gone = video_is_gone(registry.home, str(key))
    return _Work(
        key,
        registry.path(key),
        embedder,
        str(registry.home.models),
        model_id,
        str(target),
        None if gone is None else gone.en,
    )


def _outcome(work: _Work, result: _Done | SopilotError) -> StationOutcome:
    if isinstance(result, SopilotError):
        return StationOutcome(work.key, problem=str(result), metadata={"model_id": work.model_id})
    metadata: dict[str, Cell] = {
        "model_id": work.model_id,
        "clips": result.clips,
        "reader": result.reader,
        "cpu_s": round(result.cpu_s, 3),
        "reused": result.reused,
    }
    return StationOutcome(work.key, metadata=metadata)
