"""Counts of a day: progress of each task, decisions, what came in, what was refused, drift, disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Final

import numpy as np
import pandas as pd

from sopilot_assets.capture.reasons import REASON_TEXTS, Reason
from sopilot_assets.disk import GIB
from sopilot_assets.labels.audit import drawn
from sopilot_assets.labels.state import label_coverage
from sopilot_assets.old_rules.drift import MIN_WINDOW
from sopilot_assets.scoring.result import Decision
from sopilot_assets.settings import AuditSettings
from sopilot_assets.store.ledgers import Cell, among
from sopilot_assets.studies.audit import audit_rows, decided_share
from sopilot_assets.studies.drift import (
    DRAWS,
    PROBABILITY_EDGES,
    RECENT_DAYS,
    SCORE_EDGES,
    SEED,
    SIGNIFICANT,
    fixed_bin_drift,
)
from sopilot_assets.upkeep.daily.day import Rows
from sopilot_assets.upkeep.daily.facts import Facts

DAYS_SHOWN: Final = 14
_COMPARED: Final = {"score": SCORE_EDGES, "critical_probability": PROBABILITY_EDGES}
_MADE_BY: Final = ["algorithm", "model_id", "task_fingerprint"]


def progress(rows: Rows, facts: Facts) -> list[dict[str, Cell]]:
    """Golds, trainees, labels and scores of each task against the targets."""
    return [_task(rows, facts, task_id) for task_id in sorted({*_tasks(rows), *facts.tasks})]


def _task(rows: Rows, facts: Facts, task_id: str) -> dict[str, Cell]:
    mine = rows.recordings[rows.recordings["task_id"] == task_id]
    golds, trainees = (mine[mine["role"] == role] for role in ("gold", "trainee"))
    today = rows.day.date.isoformat()
    coverage = label_coverage(rows.labels(task_id), trainees["key"].tolist())
    scored = set(rows.scores.loc[rows.scores["problem"].isna(), "key"].tolist())
    refused = set(rows.scores.loc[rows.scores["problem"].notna(), "key"].tolist())
    return {
        "task": task_id,
        "golds": len(golds),
        "golds_target": int(facts.settings["golds"]),
        "golds_promoted": int(golds["key"].isin(list(rows.promoted)).sum()),
        "gold_persons": int(golds["person"].nunique()),
        "trainees": len(trainees),
        "trainees_target": int(facts.settings["trainees"]),
        "labelled": coverage.labelled,
        "blind": coverage.blind,
        "unlabelled": coverage.unlabelled,
        "disputed": coverage.disputed,
        "to_audit": _to_audit(rows, facts, task_id, trainees["key"].tolist()),
        "scored": int(among(mine["key"], scored).sum()),
        "without_score": int((~among(mine["key"], scored | refused)).sum()),
        "cannot_be_scored": int(among(mine["key"], refused).sum()),
        "new": sum(rows.first_seen[key].startswith(today) for key in mine["key"].tolist()),
    }


def decisions(rows: Rows) -> list[dict[str, Cell]]:
    """How many trainee recordings of each task have each decision, and of those scored first on this day."""
    trainees = rows.scores[rows.scores["role"] == "trainee"]
    new = {key for key, first in rows.first_scored.items() if _on(first, rows.day.date)}
    today = trainees[trainees["key"].isin(new)]
    return [
        {
            "task": task_id,
            "of": of,
            **_decisions(frame[frame["task_id"] == task_id]),
            "decided_share": decided_share(frame[frame["task_id"] == task_id]),
        }
        for task_id in _tasks(rows)
        for of, frame in (("all", trainees), ("new", today))
    ]


def _decisions(frame: pd.DataFrame) -> dict[str, Cell]:
    counts = Counter(frame["decision"])
    return {decision.value: counts[decision.value] for decision in Decision}


def audit(rows: Rows, facts: Facts) -> list[dict[str, Cell]]:
    """How often what passed is critical all the same, by task, in total and by week; see `studies.audit`."""
    found: list[dict[str, Cell]] = []
    for task_id in _tasks(rows):
        mine = rows.recordings[rows.recordings["task_id"] == task_id]
        persons = dict(zip(mine["key"], mine["person"], strict=True))
        passed = {key: at for key, at in rows.first_passed.items() if key in persons}
        told = audit_rows(passed, persons, rows.blind_labels(task_id), _drawing(facts))
        found += [{"task": task_id, **row} for row in told]
    return found


def _drawing(facts: Facts) -> AuditSettings:
    """How the audit drew on the day; days from before it was kept were made with the defaults."""
    usual, kept = AuditSettings(), facts.settings
    return AuditSettings(
        share=kept.get("audit_share", usual.share), seed=int(kept.get("audit_seed", usual.seed))
    )


def _to_audit(rows: Rows, facts: Facts, task_id: str, trainees: Iterable[str]) -> int:
    """How many trainee recordings that chance picked have no blind label yet."""
    return len(drawn(trainees, _drawing(facts)) - set(rows.blind_labels(task_id)["key"]))


def activity(rows: Rows) -> list[dict[str, Cell]]:
    """What happened on each of the last days: recordings taken in, files refused, scores, labels."""
    taken, first = (_dates(times) for times in (rows.first_seen, rows.first_scored))
    per_day = rows.per_day
    return [
        {
            "date": day,
            "taken_in": taken[day],
            "refused": per_day["quarantine"].get(day, 0),
            "duplicates": per_day["duplicates"].get(day, 0),
            "scored": first[day],
            "scored_again": per_day["scores"].get(day, 0) - first[day],
            "label_events": per_day["labels"].get(day, 0),
        }
        for day in rows.day.last(DAYS_SHOWN)
    ]


def quarantine(rows: Rows) -> list[dict[str, Cell]]:
    """The files refused on this day, each with its reason and what to do."""
    return [
        {
            "file": row["capture_path"],
            "reason": row["reason"],
            **_reason_texts(str(row["reason"])),
            "detail": row["detail"],
        }
        for row in rows.quarantine
        if _on(str(row["written_at"]), rows.day.date)
    ]


def quarantine_reasons(rows: Rows) -> list[dict[str, Cell]]:
    """How many files were ever refused, by reason, and how many of them on this day."""
    ever = Counter(str(row["reason"]) for row in rows.quarantine)
    today = Counter(str(row["reason"]) for row in quarantine(rows))
    return [{"reason": reason, "all": ever[reason], "new": today[reason]} for reason in sorted(ever)]


def _reason_texts(reason: str) -> dict[str, Cell]:
    texts = REASON_TEXTS[Reason(reason)]
    return {
        "what_en": texts.english,
        "what_ja": texts.japanese,
        "action_en": texts.do_english,
        "action_ja": texts.do_japanese,
    }


def drift(rows: Rows) -> list[dict[str, Cell]]:
    """Whether the recent trainee recordings of each task look like the earlier ones, by what of them.

    Recent are those of the last seven days, at least 20 and at most half of all. Only scores that were made
    in the same way are compared. Where nothing drifts, chance names any of a report's tasks on at most one
    day in twenty.
    """
    windows = {task_id: _windows(rows, task_id) for task_id in _tasks(rows)}
    comparisons = len(windows) * len(_COMPARED)
    return [
        {"task": task_id, "of": name, **_compared_windows(earlier, later, name, edges, comparisons)}
        for task_id, (earlier, later) in windows.items()
        for name, edges in _COMPARED.items()
    ]


def _windows(rows: Rows, task_id: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    scores = rows.scores[rows.scores["task_id"] == task_id]
    alike = _made_alike(scores[(scores["role"] == "trainee") & scores["problem"].isna()])
    seen = alike["key"].map(dict(rows.first_seen)).astype(str)
    ordered = alike.assign(seen=seen).sort_values(["seen", "key"])
    since = (rows.day.date - timedelta(days=RECENT_DAYS - 1)).isoformat()
    recent = min(max(MIN_WINDOW, int((ordered["seen"] >= since).sum())), (len(ordered) + 1) // 2)
    border = len(ordered) - recent
    return ordered.iloc[:border], ordered.iloc[border:]


def _made_alike(scores: pd.DataFrame) -> pd.DataFrame:
    """The scores that were made by what made the newest one."""
    if scores.empty:
        return scores
    newest = scores.sort_values(["written_at", "key"]).iloc[-1]
    return scores[(scores[_MADE_BY] == newest[_MADE_BY]).all(axis=1)]


def _compared_windows(
    earlier: pd.DataFrame, later: pd.DataFrame, name: str, edges: tuple[float, ...], comparisons: int
) -> dict[str, Cell]:
    old, new = (frame[name].to_numpy(dtype=np.float64) for frame in (earlier, later))
    counts: dict[str, Cell] = {"earlier": len(old), "recent": len(new)}
    draws = max(DRAWS, int(2 * comparisons / SIGNIFICANT))  # whose least p-value can still alarm
    found = fixed_bin_drift(old, new, edges=edges, seed=SEED, draws=draws)
    if found is None:
        return {**counts, "psi": None, "p_value": None, "ks_p_value": None, "state": "too_few"}
    return {
        **counts,
        "psi": round(found.psi, 4),
        "p_value": round(found.psi_p_value, 4),
        "ks_p_value": round(found.ks_p_value, 4),
        "state": "drifts" if found.alarms_among(comparisons) else "steady",
    }


def disk(facts: Facts, known: Mapping[str, Facts]) -> dict[str, Cell]:
    """Free space, the size of the home, how much it grows a day, and the days until intake has to pause."""
    growth = _growth(facts, known)
    free = facts.free_bytes
    left = None if free is None else free - facts.settings["pause_gib"] * GIB
    return {
        "free_gib": _gib(free),
        "home_gib": _gib(facts.home_bytes),
        "growth_gib_a_day": None if growth is None else round(growth / GIB, 4),
        "days_left": None if not growth or growth < 0 or left is None else round(max(0.0, left / growth), 1),
        "pause_gib": facts.settings["pause_gib"],
        "warn_gib": facts.settings["warn_gib"],
    }


def _growth(facts: Facts, known: Mapping[str, Facts]) -> float | None:
    """Bytes a day between the oldest measurement of the last week and this one."""
    if facts.home_bytes is None:
        return None
    today = date.fromisoformat(facts.date)
    for back in range(RECENT_DAYS, 0, -1):
        before = known.get((today - timedelta(days=back)).isoformat())
        if before is not None and before.home_bytes is not None:
            return (facts.home_bytes - before.home_bytes) / back
    return None


def _gib(size: int | None) -> float | None:
    return None if size is None else round(size / GIB, 2)


def _tasks(rows: Rows) -> list[str]:
    return sorted(set(rows.recordings["task_id"]))


def _on(written_at: str, day: date) -> bool:
    return written_at.startswith(day.isoformat())


def _dates(times: Mapping[str, str]) -> Counter[str]:
    return Counter(time[:10] for time in times.values())
