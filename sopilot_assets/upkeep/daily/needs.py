"""What needs a person, the most pressing first, each with its next action."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from sopilot_assets.scoring.result import Decision
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.upkeep.daily.day import Rows

Row: TypeAlias = Mapping[str, Cell]

_LOOK_AT: Final = (Decision.FAIL, Decision.NOT_VERIFIABLE, Decision.NEEDS_REVIEW)
_URGENT: Final = "urgent"
_SOON: Final = "soon"
_LATER: Final = "later"
_ORDER: Final = (_URGENT, _SOON, _LATER)


def needs(rows: Rows, sections: Mapping[str, Sequence[Row]]) -> list[dict[str, Cell]]:
    """Who has to do what, from the report's own sections; ``rank`` counts from 1."""
    found = [
        *_disk(sections["disk"][0]),
        *_alerts(sections["alerts"]),
        *_campaigns(sections["campaigns"]),
        *_refused(sections["quarantine"]),
        *(need for task in sections["tasks"] for need in _task(task)),
        *_stale(sections["stale"]),
        *_reviews(rows),
        *(need for gate in sections["gates"] for need in _gate(gate)),
        *_drift(sections["drift"]),
    ]
    found.sort(key=lambda need: _ORDER.index(str(need["urgency"])))
    return [{"rank": rank, **need} for rank, need in enumerate(found, start=1)]


def _need(urgency: str, en: str, ja: str, action: str) -> dict[str, Cell]:
    return {"urgency": urgency, "what_en": en, "what_ja": ja, "action": action}


def _disk(row: Row) -> Iterator[dict[str, Cell]]:
    free, days = row["free_gib"], row["days_left"]
    if free is None:
        return
    if float(free) < float(row["warn_gib"] or 0):
        pauses = float(free) < float(row["pause_gib"] or 0)
        yield _need(
            _URGENT,
            f"{free} GiB are free; intake pauses below {row['pause_gib']:g} GiB.",
            f"空き容量は {free} GiB です。{row['pause_gib']:g} GiB 未満で取り込みが止まります。",
            "free some space: intake is paused"
            if pauses
            else "free some space, e.g. sopilot retention apply",
        )
    elif days is not None and float(days) < 14:
        yield _need(
            _SOON,
            f"At this growth the disk is full in {days:g} days.",
            f"このままの増加量では、あと {days:g} 日でディスクがいっぱいになります。",
            "sopilot retention apply, or a larger disk",
        )


def _alerts(alerts: Sequence[Row]) -> Iterator[dict[str, Cell]]:
    for row in (one for one in alerts if one["state"] == "open"):
        urgency = _URGENT if row["severity"] == "problem" else _SOON
        yield _need(urgency, f"Alert: {row['what']}", f"警告：{row['what']}", str(row["action"]))


def _campaigns(campaigns: Sequence[Row]) -> Iterator[dict[str, Cell]]:
    for row in campaigns:
        faults, findings = int(row["faults"] or 0), int(row["findings"] or 0)
        if faults or findings:
            yield _need(
                _SOON,
                f"Campaign {row['campaign']}: {faults} steps failed, {findings} steps found something.",
                f"キャンペーン {row['campaign']}：失敗した手順 {faults} 件、指摘のあった手順 {findings} 件。",
                f"campaigns/{row['campaign']}: the logs of its steps; sopilot campaign show",
            )


def _refused(files: Sequence[Row]) -> Iterator[dict[str, Cell]]:
    counts = Counter(str(row["reason"]) for row in files)
    texts = {str(row["reason"]): row for row in files}
    for reason, count in sorted(counts.items()):
        row = texts[reason]
        yield _need(
            _SOON,
            f"{count} files were refused: {row['what_en']} {row['action_en']}",
            f"{count} 件のファイルを受け付けられませんでした：{row['what_ja']}{row['action_ja']}",
            "sopilot recording list --refused",
        )


def _task(task: Row) -> Iterator[dict[str, Cell]]:
    name = str(task["task"])
    golds, trainees = (int(task[role] or 0) for role in ("golds", "trainees"))
    add = f"sopilot capture add FOLDER --task {name} --role"
    if waiting := int(task["without_score"] or 0):
        en, ja = f"{name}: {waiting} recordings have no score.", f"{name}：{waiting} 件の録画が未採点です。"
        yield _need(_SOON, en, ja, f"sopilot score run --task {name}")
    if disputed := int(task["disputed"] or 0):
        yield _need(
            _SOON,
            f"{name}: people disagree about {disputed} recordings.",
            f"{name}：{disputed} 件の録画で評価者の判断が分かれています。",
            f"sopilot label list --disputed {name}",
        )
    if golds == 0:
        yield _need(
            _URGENT if trainees else _SOON,
            f"{name} has no gold: nothing can be scored.",
            f"{name} にはお手本がなく、採点できません。",
            f"{add} gold --site SITE",
        )
    elif golds < int(task["golds_target"] or 0):
        yield _need(
            *_short(name, golds, int(task["golds_target"] or 0), "golds", "お手本"), f"{add} gold --site SITE"
        )
    if trainees < int(task["trainees_target"] or 0):
        short = _short(
            name, trainees, int(task["trainees_target"] or 0), "trainee recordings", "受講者の録画"
        )
        yield _need(*short, f"{add} trainee --site SITE")
    if unlabelled := int(task["unlabelled"] or 0):
        yield _need(
            _LATER,
            f"{name}: {unlabelled} trainee recordings have no label.",
            f"{name}：{unlabelled} 件の受講者の録画にラベルがありません。",
            f"sopilot label prepare {name} SHEET.csv --who NAME",
        )


def _short(name: str, count: int, target: int, en: str, ja: str) -> tuple[str, str, str]:
    return _LATER, f"{name}: {count} of {target} {en}.", f"{name}：{ja} {count} / {target} 件。"


def _stale(stale: Sequence[Row]) -> Iterator[dict[str, Cell]]:
    outdated = [row for row in stale if row["why"] != "missing"]
    if outdated:
        count = sum(int(row["recordings"] or 0) for row in outdated)
        reasons = ", ".join(str(row["why"]) for row in outdated)
        yield _need(
            _SOON,
            f"{count} scores are out of date ({reasons}).",
            f"{count} 件の得点が古くなっています（{reasons}）。",
            "sopilot score run --stale",
        )


def _reviews(rows: Rows) -> Iterator[dict[str, Cell]]:
    """Recordings whose decision asks for a person, and which nobody labelled yet."""
    trainees = rows.scores[rows.scores["role"] == "trainee"]
    for task_id in sorted(set(trainees["task_id"])):
        labelled = set(rows.labels(task_id)["key"])
        mine = trainees[(trainees["task_id"] == task_id) & ~trainees["key"].isin(labelled)]
        counts = Counter(mine["decision"])
        if total := sum(counts[one.value] for one in _LOOK_AT):
            shown = ", ".join(f"{counts[one.value]} {one.value}" for one in _LOOK_AT if counts[one.value])
            yield _need(
                _SOON,
                f"{task_id}: {total} recordings wait for a person to look at them ({shown}).",
                f"{task_id}：{total} 件の録画が人による確認を待っています（{shown}）。",
                "reviews/index.html, then sopilot label add",
            )


def _gate(gate: Row) -> Iterator[dict[str, Cell]]:
    study = str(gate["study"])
    if gate["passed"] is None:
        yield _need(
            _LATER,
            f"Gates of {study}: {gate['what']}",
            f"{study} のゲート：{gate['what']}",
            f"sopilot study run {study}",
        )
    elif not gate["passed"]:
        yield _need(
            _LATER,
            f"Gates of {study} ({gate['profile']}) fail: {gate['what']}.",
            f"{study} のゲート（{gate['profile']}）が不合格です：{gate['what']}。",
            f"sopilot study show {study}",
        )


def _drift(rows: Sequence[Row]) -> Iterator[dict[str, Cell]]:
    for row in rows:
        if row["state"] == "drifts":
            yield _need(
                _SOON,
                f"{row['task']}: recent recordings differ from earlier in {row['of']} (PSI {row['psi']}).",
                f"{row['task']}：最近の録画は以前と {row['of']} の分布が異なります（PSI {row['psi']}）。",
                f"sopilot score list --task {row['task']}",
            )
