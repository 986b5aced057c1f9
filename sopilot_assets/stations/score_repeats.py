"""Repeats: what a recording's score would have been, had the sampling grid lain elsewhere, or had everything
been computed once more.

Nothing that is stored changes: embeddings of repeats are compared, judged and thrown away, and only what came
out is kept, in the ledger ``repeats``.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa

from sopilot_assets.capture.examine import SHORTEST_S
from sopilot_assets.capture.registry import active_recordings, find_recordings
from sopilot_assets.embedding.backends import ready_embedder
from sopilot_assets.embedding.clips import ClipEmbedding
from sopilot_assets.errors import ConfigError, SopilotError, WorkerLimit
from sopilot_assets.processes.limited import map_limited
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.scoring.result import Decision, Score
from sopilot_assets.stations.clip_embeddings import MEMORY_LIMIT_BYTES, TIME_LIMIT_S
from sopilot_assets.stations.judging import Judge
from sopilot_assets.stations.outcome import Progress, StationOutcome
from sopilot_assets.stations.staleness import stale_scores
from sopilot_assets.store.canonical import content_id
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import Cell, Ledger, plain_rows
from sopilot_assets.store.shared import at_hand
from sopilot_assets.studies.repeatability import EXACT, SHIFTED, Repeats, by_phase, repeatability

PHASES_S: Final = (0.0, 0.0625, 0.25)
"""The usual phases: none, half the time between two samples (every picture is another one), and half the
time between two clips (every clip is cut elsewhere)."""

PUBLISHED_TOGETHER: Final = 24
"""Rows of one ledger file: what an interruption costs at most."""

COLUMNS: Final = {
    "repeat_id": pa.string(),
    "key": pa.string(),
    "task_id": pa.string(),
    "video_id": pa.string(),
    "kind": pa.string(),
    "phase_s": pa.float64(),
    "problem": pa.string(),
    "score": pa.float64(),
    "critical_probability": pa.float64(),
    "decision": pa.string(),
    "base_score": pa.float64(),
    "base_critical_probability": pa.float64(),
    "base_decision": pa.string(),
    "task_fingerprint": pa.string(),
    "model_id": pa.string(),
    "reference_id": pa.string(),
    "algorithm": pa.string(),
}
"""``base_`` is the score that is repeated; task, model, reference and algorithm are its own. ``problem`` says
why the repeat has no score although the original has one."""

_VERSION: Final = ("task_fingerprint", "model_id", "reference_id", "algorithm")

Row = dict[str, Cell]


def repeats_ledger(home: Home) -> Ledger:
    """The ledger of repeats; the newest row of a repeat counts."""
    return Ledger(home.ledgers, "repeats", COLUMNS, "repeat_id")


def current_repeats(home: Home, task_id: str) -> pd.DataFrame:
    """The repeats of a task's newest scores, by key and phase; those of earlier scores are left out."""
    return repeats_of(home, task_id, scores_ledger(home).latest())


def repeats_of(home: Home, task_id: str, scores: pd.DataFrame) -> pd.DataFrame:
    """The repeats of these scores of a task, by key and phase; ``scores`` have the columns ``key`` and
    those of their version (task, model, reference and algorithm).
    """
    repeats = repeats_ledger(home).latest()
    its = repeats[repeats["task_id"] == task_id]
    found = its.merge(scores[["key", *_VERSION]], on=["key", *_VERSION], how="inner")
    return found.sort_values(["key", "phase_s"], ignore_index=True)


def read_repeats(data: bytes) -> pd.DataFrame:
    """The rows that ``to_csv`` wrote of `repeats_of`; numbers read back exactly, unknown text is empty."""
    table = pd.read_csv(io.BytesIO(data), dtype="str", keep_default_na=False, na_filter=False)
    numbers = [name for name, kind in COLUMNS.items() if pa.types.is_floating(kind)]
    # float() reads back what repr() wrote, digit by digit
    read = {name: [float(text or "nan") for text in table[name]] for name in numbers}
    return table.assign(**{name: pd.Series(values, dtype="float64") for name, values in read.items()})


def repeatable(home: Home, *, task_id: str | None = None, phases_s: Sequence[float] = PHASES_S) -> list[str]:
    """The keys of trainee recordings that have a score which is up to date, and lack a repeat at one of the
    phases.
    """
    stale = set(stale_scores(home)["key"])
    rows = [row for row in newest_scores(home).values() if task_id in (None, row["task_id"])]
    done = set(repeats_ledger(home).latest()["repeat_id"])
    return sorted(
        str(row["key"])
        for row in rows
        if row["role"] == "trainee"
        and row["key"] not in stale
        and any(_repeat_id(row, phase_s) not in done for phase_s in phases_s)
    )


def chosen_for_repeats(
    home: Home,
    names: Sequence[str],
    *,
    task_id: str | None,
    phases_s: Sequence[float],
) -> list[PartitionKey]:
    """The recordings called ``names`` (see `find_recordings`), or, without names, all that lack a repeat;
    only those of ``task_id``. Raises ``ConfigError`` for a task without recordings and for unknown names.
    """
    entries = active_recordings(home, task_id)
    keys = (
        find_recordings(entries, names)
        if names
        else [key for key in repeatable(home, task_id=task_id, phases_s=phases_s) if key in entries]
    )
    return [PartitionKey.parse(key) for key in dict.fromkeys(keys)]


def repeat_summary(home: Home, task_ids: Sequence[str]) -> list[dict[str, Cell]]:
    """How far the repeats of the tasks' newest scores differ from them: a row for each task and kind, and,
    where a task has several shifts, for each of them (``phase_s``, null for all of a kind).

    ``changed_low`` and ``changed_high`` are the 95 % interval of the share of recordings whose decision
    changed.
    """
    return [row for task_id in task_ids for row in _summary(current_repeats(home, task_id), task_id)]


def _summary(repeats: pd.DataFrame, task_id: str) -> Iterator[dict[str, Cell]]:
    found, shifts = repeatability(repeats), by_phase(repeats)
    yield _summed(task_id, EXACT, None, found.exact)
    yield _summed(task_id, SHIFTED, None, found.shifted)
    if len(shifts) > 1:
        for phase_s, figures in shifts.items():
            yield _summed(task_id, SHIFTED, phase_s, figures)


def _summed(task_id: str, kind: str, phase_s: float | None, figures: Repeats) -> dict[str, Cell]:
    changed = figures.decision_change_rate_ci95
    return {
        "task": task_id,
        "kind": kind,
        "pairs": figures.pairs,
        "videos": figures.videos,
        "mean_delta": figures.mean_delta,
        "p90_delta": figures.p90_delta,
        "max_delta": figures.max_delta,
        "decision_changes": figures.decision_changes,
        "phase_s": phase_s,
        "changed_low": changed.low if changed else None,
        "changed_high": changed.high if changed else None,
    }


def measure_repeats(
    home: Home,
    keys: Sequence[PartitionKey],
    *,
    phases_s: Sequence[float] = PHASES_S,
    processes: int,
    run_id: str,
    written_at: str,
    on_progress: Progress | None = None,
) -> list[StationOutcome]:
    """Embed every video again at each phase, score it against the current reference, and record how that
    differs from its score.

    A repeat that is recorded already is not made again. A recording without a score that is up to date gives
    an outcome with the problem and no row, and so does one that hits the limits of its process. Raises
    ``ConfigError`` for a phase below 0, given twice, or longer than a recording may be.
    """
    _check_phases(phases_s)
    scored, stale = newest_scores(home), _stale_because(home)
    outcomes = [
        StationOutcome(key, problem=problem)
        for key in keys
        if (problem := _unusable(str(key), scored, stale))
    ]
    refused = {outcome.key for outcome in outcomes}
    done = set(repeats_ledger(home).latest()["repeat_id"])
    judge = Judge(home)
    work = [
        repeat_work(judge, key, phase_s)
        for key in keys
        if key not in refused
        for phase_s in phases_s
        if _repeat_id(scored[str(key)], phase_s) not in done
    ]
    results = map_limited(
        embed_shifted,
        work,
        processes=processes,
        time_limit_s=TIME_LIMIT_S,
        memory_limit_bytes=MEMORY_LIMIT_BYTES,
    )
    judged = _judged(judge, results, scored, len(work), on_progress)
    while some := list(islice(judged, PUBLISHED_TOGETHER)):
        repeats_ledger(home).append(
            [row for _, row in some if row is not None], run_id=run_id, written_at=written_at
        )
        outcomes += [outcome for outcome, _ in some]
    return outcomes


@dataclass(frozen=True, slots=True)
class RepeatWork:
    """One video to embed again."""

    key: PartitionKey
    video: Path
    embedder: str
    models: str
    phase_s: float


def repeat_work(judge: Judge, key: PartitionKey, phase_s: float) -> RepeatWork:
    """What a child process needs to embed a recording at a phase."""
    embedder, models = judge.embedder(key.task_id).name, str(judge.home.models)
    return RepeatWork(key, judge.registry.path(key), embedder, models, float(phase_s))


def embed_shifted(work: RepeatWork) -> ClipEmbedding:
    """The embedding of one video at one phase; runs in a child process."""
    return ready_embedder(work.embedder, work.models).embed(at_hand(work.video), phase_s=work.phase_s)


def _judged(
    judge: Judge,
    results: Iterable[tuple[RepeatWork, ClipEmbedding | SopilotError]],
    scored: Mapping[str, Row],
    total: int,
    on_progress: Progress | None,
) -> Iterator[tuple[StationOutcome, Row | None]]:
    for done, (work, result) in enumerate(results, start=1):
        yield _judge_one(judge, work, result, scored[str(work.key)])
        if on_progress:
            on_progress(done, total)


def _judge_one(
    judge: Judge, work: RepeatWork, result: ClipEmbedding | SopilotError, base: Row
) -> tuple[StationOutcome, Row | None]:
    if isinstance(result, WorkerLimit):  # says something about this machine, not about the score
        return StationOutcome(work.key, problem=str(result), metadata={"phase_s": work.phase_s}), None
    judged = judge.score_embedding(work.key, result)
    score, problem = (judged, None) if isinstance(judged, Score) else (None, str(judged))
    row = _row(work, base, score, problem)
    shown = ("kind", "phase_s", "score", "decision", "base_score", "base_decision")
    return StationOutcome(work.key, problem=problem, metadata={name: row[name] for name in shown}), row


def _row(work: RepeatWork, base: Row, score: Score | None, problem: str | None) -> Row:
    return {
        "repeat_id": _repeat_id(base, work.phase_s),
        "key": str(work.key),
        "task_id": work.key.task_id,
        "video_id": work.key.video_id,
        "kind": SHIFTED if work.phase_s else EXACT,
        "phase_s": work.phase_s,
        "problem": problem,
        "score": score.score if score else None,
        "critical_probability": score.critical_probability if score else None,
        "decision": score.decision.value if score else Decision.NOT_VERIFIABLE.value,
        **{f"base_{name}": base[name] for name in ("score", "critical_probability", "decision")},
        **{name: base[name] for name in _VERSION},
    }


def _repeat_id(base: Row, phase_s: float) -> str:
    """The identity of a repeat: of which score, at which phase."""
    named = {name: base[name] for name in ("key", *_VERSION, "score", "decision", "critical_probability")}
    return content_id({**named, "phase_s": float(phase_s)}, digits=16)


def newest_scores(home: Home) -> dict[str, Row]:
    """The newest score rows without a problem, by key."""
    rows = plain_rows(scores_ledger(home).latest())
    return {str(row["key"]): row for row in rows if row["problem"] is None}


def _stale_because(home: Home) -> dict[str, str]:
    return {str(row["key"]): str(row["why"]) for row in plain_rows(stale_scores(home))}


def _unusable(key: str, scored: Mapping[str, Row], stale: Mapping[str, str]) -> str | None:
    if key not in scored:
        return f"{key}: no score to repeat; score it first, or see why it has none (`sopilot score list`)."
    if key in stale:
        return f"{key}: its score is out of date ({stale[key]}); run `sopilot score run --stale` first."
    return None


def _check_phases(phases_s: Sequence[float]) -> None:
    within = all(0 <= phase_s < SHORTEST_S for phase_s in phases_s)
    if not phases_s or len(set(phases_s)) < len(phases_s) or not within:
        raise ConfigError(
            f"sampling phases {list(phases_s)}: expected at least one, each from 0 s to less than "
            f"{SHORTEST_S:g} s, as long as the shortest recording, and none twice."
        )
