"""The table of endpoints, and what each of them answers."""

from __future__ import annotations

from typing import Any, Final, cast

from sopilot_assets.desk.api.asking import RecordingPath, RecordingQuery, TaskPath, TimesQuery
from sopilot_assets.desk.api.endpoint import BASE, Asked, Endpoint, RefusedRequest
from sopilot_assets.desk.api.models import (
    ConditionOut,
    Conditions,
    FullResult,
    Links,
    RecordingOut,
    Recordings,
    RecordingTimes,
    RecordingWithResult,
    ResultOut,
    ScoreHistory,
    StepOut,
    TaskOut,
    Tasks,
    TaskTimesOut,
    Words,
)
from sopilot_assets.desk.api.times import recording_times, task_times
from sopilot_assets.desk.tokens import Scope
from sopilot_assets.scoring.ledger import scores_of
from sopilot_assets.scoring.told import told_in_full, told_in_short
from sopilot_assets.stations.recording_feed import FeedFilter, feed, feed_row
from sopilot_assets.store.ledgers import Row
from sopilot_assets.tasks import TaskSpec, find_tasks
from sopilot_assets.texts.languages import Text
from sopilot_assets.upkeep.alerts import open_alerts


def tasks(asked: Asked) -> Tasks:
    """All procedures."""
    found = find_tasks(asked.home.root).tasks
    return Tasks(tasks=[_task(found[task_id]) for task_id in sorted(found)])


def task(asked: Asked) -> TaskOut | None:
    """One procedure."""
    found = find_tasks(asked.home.root).tasks.get(cast(TaskPath, asked.path).task)
    return None if found is None else _task(found)


def recordings(asked: Asked) -> Recordings:
    """A part of the list."""
    query = cast(RecordingQuery, asked.query)
    if query.person is not None and not asked.shows_persons:
        raise RefusedRequest(
            403, f"The token {asked.token.name} lacks the scope persons, so it asks for nobody."
        )
    wanted = FeedFilter(**query.model_dump(mode="json", exclude={"limit", "cursor"}))
    part = feed(asked.home, wanted, limit=query.limit, place=query.cursor)
    return Recordings(recordings=[_listed(row, asked) for row in part.rows], next=part.next_place)


def recording(asked: Asked) -> RecordingWithResult | None:
    """One recording with all that was found in it."""
    key = cast(RecordingPath, asked.path).key
    row = feed_row(asked.home, key)
    if row is None:
        return None
    newest = next((one for one in scores_of(asked.home, key) if one["row_id"] == row["row_id"]), None)
    result = None if newest is None else FullResult(**told_in_full(newest, names=asked.shows_persons))
    return RecordingWithResult(**_about(row, asked), result=result)


def scores(asked: Asked) -> ScoreHistory | None:
    """What was ever said of a recording."""
    key = cast(RecordingPath, asked.path).key
    if feed_row(asked.home, key) is None:
        return None
    told = [told_in_full(row, names=asked.shows_persons) for row in scores_of(asked.home, key)]
    return ScoreHistory(key=key, results=[FullResult(**one) for one in told])


def conditions(asked: Asked) -> Conditions:
    """What needs attention."""
    found = [
        ConditionOut(
            kind=one.newest.kind,
            subject=one.newest.subject,
            severity=one.newest.severity,
            what=asked.home.relative_text(one.newest.what),
            action=asked.home.relative_text(one.newest.action),
            since=one.newest.first_seen,
            count=one.newest.count,
        )
        for one in open_alerts(asked.home)
    ]
    return Conditions(conditions=found)


def _task(found: TaskSpec) -> TaskOut:
    return TaskOut(
        task=found.task_id,
        name=Words(en=found.name, ja=found.name_ja or found.name),
        version=found.version,
        pass_score=found.pass_score,
        retrain_score=found.retrain_score,
        steps=[
            StepOut(id=one.id, name=Words(en=one.name, ja=one.name_ja or one.name), critical=one.critical)
            for one in found.steps
        ],
    )


def _listed(row: Row, asked: Asked) -> RecordingOut:
    result = None if row["row_id"] is None else ResultOut(**told_in_short(row))
    return RecordingOut(**_about(row, asked), result=result)


def _about(row: Row, asked: Asked) -> dict[str, Any]:
    """What is told of a recording without its result."""
    key = str(row["key"])
    persons = {"file": "original_name", "person": "person", "session": "session"}
    return {
        "key": key,
        "task": row["task_id"],
        **{name: row[cell] if asked.shows_persons else None for name, cell in persons.items()},
        **{name: row[name] for name in ("role", "site", "camera", "recorded_at", "taken_at", "contested")},
        "duration_s": row["duration_s"] or 0.0,
        "links": Links(api=f"{BASE}/recordings/{key}", page=f"/recordings/{key}"),
    }


ENDPOINTS: Final = (
    Endpoint(
        "/tasks",
        Text("All procedures", "手順書の一覧"),
        Text("With their steps and the scores that decide.", "手順と、判定の基準点を返します。"),
        Scope.RESULTS,
        Tasks,
        tasks,
    ),
    Endpoint(
        "/tasks/{task}",
        Text("One procedure", "手順書 1 件"),
        Text("As its file says it now.", "現在の内容を返します。"),
        Scope.RESULTS,
        TaskOut,
        task,
        within=TaskPath,
    ),
    Endpoint(
        "/tasks/{task}/times",
        Text("How long a procedure takes", "手順書の所要時間"),
        Text(
            "Cycle times, and times of each step, over the trainee recordings.",
            "受講者の録画におけるサイクルタイムと手順ごとの時間を返します。",
        ),
        Scope.RESULTS,
        TaskTimesOut,
        task_times,
        query=TimesQuery,
        within=TaskPath,
    ),
    Endpoint(
        "/recordings",
        Text("Recordings with their results", "録画と判定の一覧"),
        Text(
            "The newest first, part by part: ask again with the cursor that next names, until it is null. "
            "What has changed since the last time is asked for with judged_since.",
            "新しい順に分割して返します。next の値を cursor に入れ、null になるまで繰り返します。"
            "前回以降の変更は judged_since で絞り込みます。",
        ),
        Scope.RESULTS,
        Recordings,
        recordings,
        query=RecordingQuery,
    ),
    Endpoint(
        "/recordings/{key}",
        Text("One recording and its result", "録画 1 件と判定"),
        Text(
            "With all deviations and suspicions and their moments.",
            "すべての逸脱と疑いを、その時刻とともに返します。",
        ),
        Scope.RESULTS,
        RecordingWithResult,
        recording,
        within=RecordingPath,
    ),
    Endpoint(
        "/recordings/{key}/scores",
        Text("All results of a recording", "録画の判定履歴"),
        Text("The newest first; old ones are never changed.", "新しい順です。過去の判定は変更されません。"),
        Scope.RESULTS,
        ScoreHistory,
        scores,
        within=RecordingPath,
    ),
    Endpoint(
        "/recordings/{key}/times",
        Text("How long the steps of a recording took", "録画の手順ごとの所要時間"),
        Text(
            "Steps, other work and waiting, in order; of trainee recordings.",
            "受講者の録画について、手順・その他の作業・待ちを順に返します。",
        ),
        Scope.RESULTS,
        RecordingTimes,
        recording_times,
        within=RecordingPath,
    ),
    Endpoint(
        "/conditions",
        Text("What needs attention", "対応が必要な事項"),
        Text("The alerts that are not over.", "終わっていないアラートを返します。"),
        Scope.CONDITIONS,
        Conditions,
        conditions,
    ),
)
