"""What needs a person, the most pressing first, each with its next action."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from sopilot_assets.disk import GIB, DiskState, pressure_at
from sopilot_assets.labels.contests import in_a_line
from sopilot_assets.scoring.verdict import DECISIONS
from sopilot_assets.settings import DiskLimits
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.texts.languages import Text
from sopilot_assets.upkeep.conditions.condition import Condition, ConditionSeverity, warning
from sopilot_assets.upkeep.conditions.golds import film_golds, no_gold
from sopilot_assets.upkeep.conditions.machine import short_of_space
from sopilot_assets.upkeep.conditions.scores import answer_to, out_of_date, unanswered, unscored
from sopilot_assets.upkeep.daily.day import Rows
from sopilot_assets.upkeep.daily.waiting import LOOK_AT, waiting
from sopilot_assets.upkeep.daily.words import word

Row: TypeAlias = Mapping[str, Cell]

_URGENT: Final = "urgent"
_SOON: Final = "soon"
_LATER: Final = "later"
_ORDER: Final = (_URGENT, _SOON, _LATER)
_BY_SEVERITY: Final = {ConditionSeverity.PROBLEM: _URGENT, ConditionSeverity.WARNING: _SOON}
_DISK_DAYS: Final = 14
"""Reports of past days were made with it, and keep their bytes."""


@dataclass(frozen=True, slots=True)
class Need:
    """A condition that a person has to do something about, in Japanese too, and how soon.

    Without ``urgency`` its severity says how soon; without ``action_ja`` the action is a command.
    """

    condition: Condition
    ja: str
    urgency: str = ""
    action_ja: str = ""

    @property
    def soon(self) -> str:
        """One of urgent, soon and later."""
        return self.urgency or _BY_SEVERITY[self.condition.severity]

    def as_row(self, rank: int) -> dict[str, Cell]:
        """The row of the report's table."""
        told = self.condition
        texts = {"what_en": told.what, "what_ja": self.ja, "action": told.action}
        actions = {"action_en": told.action, "action_ja": self.action_ja or told.action}
        return {"rank": rank, "urgency": self.soon, **texts, **actions}


def needs(rows: Rows, sections: Mapping[str, Sequence[Row]]) -> list[dict[str, Cell]]:
    """Who has to do what, from the report's own sections; ``rank`` counts from 1."""
    found = [
        *_disk(sections["disk"][0]),
        *_alerts(sections["alerts"]),
        *_campaigns(sections["campaigns"]),
        *_refused(sections["quarantine"]),
        *(need for task in sections["tasks"] for need in _task(task)),
        *_stale(sections["stale"]),
        *_contested(rows),
        *_reviews(rows),
        *(need for gate in sections["gates"] for need in _gate(gate)),
        *_drift(sections["drift"]),
    ]
    found.sort(key=lambda need: _ORDER.index(need.soon))
    return [need.as_row(rank) for rank, need in enumerate(found, start=1)]


def _need(subject: Cell, en: str, ja: str, action: str, urgency: str = _SOON, *, action_ja: str = "") -> Need:
    """Something that only a report asks: the work of people on the recordings of a day."""
    return Need(warning("daily", str(subject), en, action), ja, urgency, action_ja)


def _disk(row: Row) -> Iterator[Need]:
    free, days, pause, warn = (row[name] for name in ("free_gib", "days_left", "pause_gib", "warn_gib"))
    if free is None:
        return
    limits = DiskLimits(warn_gib=float(warn or 0), pause_gib=float(pause or 0), resume_gib=float(pause or 0))
    free_bytes = float(free) * GIB
    short = short_of_space(DiskState(int(free_bytes), pressure_at(free_bytes, limits), limits))
    if short is not None:
        paused = short.severity is ConditionSeverity.PROBLEM
        action = _MAKE_ROOM_NOW if paused else _MAKE_ROOM
        told = replace(
            short, what=f"{free} GiB are free; intake pauses below {pause:g} GiB.", action=action.en
        )
        ja = f"空き容量は {free} GiB です。{pause:g} GiB 未満で取り込みが止まります。"
        yield Need(told, ja, _URGENT, action.ja)
    elif days is not None and float(days) < _DISK_DAYS:
        yield _need(
            "disk",
            f"At this growth the disk is full in {days:g} days.",
            f"このままの増加量では、あと {days:g} 日でディスクがいっぱいになります。",
            "sopilot retention apply, or a larger disk",
            action_ja="sopilot retention apply または、より大きなディスク",
        )


_MAKE_ROOM: Final = Text(
    "free some space, e.g. sopilot retention apply",
    "空き容量を増やしてください（例： sopilot retention apply など）",
)
_MAKE_ROOM_NOW: Final = Text(
    "free some space: intake is paused", "空き容量を増やしてください（取り込みは停止中です）"
)


def _alerts(alerts: Sequence[Row]) -> Iterator[Need]:
    for row in (one for one in alerts if one["state"] == "open"):
        severity = ConditionSeverity(str(row["severity"]))
        told = Condition("alert", "", severity, f"Alert: {row['what']}", str(row["action"]))
        yield Need(told, f"警告：{row['what']}")


def _campaigns(campaigns: Sequence[Row]) -> Iterator[Need]:
    for row in campaigns:
        faults, findings = int(row["faults"] or 0), int(row["findings"] or 0)
        if faults or findings:
            yield _need(
                row["campaign"],
                f"Campaign {row['campaign']}: {faults} steps failed, {findings} steps found something.",
                f"キャンペーン {row['campaign']}：失敗した手順 {faults} 件、指摘のあった手順 {findings} 件。",
                f"campaigns/{row['campaign']}: the logs of its steps; sopilot campaign show",
                action_ja=f"campaigns/{row['campaign']} にある各手順のログ、sopilot campaign show",
            )


def _refused(files: Sequence[Row]) -> Iterator[Need]:
    counts = Counter(str(row["reason"]) for row in files)
    texts = {str(row["reason"]): row for row in files}
    for reason, count in sorted(counts.items()):
        row = texts[reason]
        yield _need(
            reason,
            f"{count} files were refused: {row['what_en']} {row['action_en']}",
            f"{count} 件のファイルを受け付けられませんでした：{row['what_ja']}{row['action_ja']}",
            "sopilot recording list --refused",
        )


def _task(task: Row) -> Iterator[Need]:
    name = str(task["task"])
    golds, trainees = (int(task[role] or 0) for role in ("golds", "trainees"))
    if waiting := int(task["without_score"] or 0):
        yield Need(unscored(name, waiting), f"{name}：{waiting} 件の録画が未採点です。")
    if disputed := int(task["disputed"] or 0):
        yield _need(
            name,
            f"{name}: people disagree about {disputed} recordings.",
            f"{name}：{disputed} 件の録画で評価者の判断が分かれています。",
            f"sopilot label list --disputed {name}",
        )
    if golds == 0:
        ja = f"{name} にはお手本がなく、採点できません。"
        yield Need(no_gold(name), ja, _URGENT if trainees else _SOON)
    elif golds < (target := int(task["golds_target"] or 0)):
        yield _short(name, golds, target, ("golds", "お手本"), film_golds(name))
    if trainees < (target := int(task["trainees_target"] or 0)):
        film = f"sopilot capture add FOLDER --task {name} --role trainee --site SITE"
        yield _short(name, trainees, target, ("trainee recordings", "受講者の録画"), film)
    if picked := int(task["to_audit"] or 0):
        yield _need(
            name,
            f"{name}: {picked} recordings were picked by chance and have no blind label yet.",
            f"{name}：無作為に選ばれた録画 {picked} 件を、判定を見ずに評価してください。",
            f"sopilot label prepare {name} SHEET.csv --who NAME --picked",
            _LATER,
        )
    if unlabeled := int(task["unlabelled"] or 0):
        yield _need(
            name,
            f"{name}: {unlabeled} trainee recordings have no label.",
            f"{name}：{unlabeled} 件の受講者の録画にラベルがありません。",
            f"sopilot label prepare {name} SHEET.csv --who NAME",
            _LATER,
        )


def _short(name: str, count: int, target: int, of: tuple[str, str], action: str) -> Need:
    en, ja = of
    return _need(
        name, f"{name}: {count} of {target} {en}.", f"{name}：{ja} {count} / {target} 件。", action, _LATER
    )


def _stale(stale: Sequence[Row]) -> Iterator[Need]:
    reasons = {str(row["why"]): int(row["recordings"] or 0) for row in stale if row["why"] != "missing"}
    if reasons:
        count, shown = sum(reasons.values()), "、".join(word(why).ja for why in reasons)
        yield Need(out_of_date(reasons), f"{count} 件の得点が古くなっています（原因：{shown}）。")


def _contested(rows: Rows) -> Iterator[Need]:
    """Decisions that a person calls wrong, until somebody answers."""
    names = dict(zip(rows.recordings["key"], rows.recordings["original_name"], strict=True))
    by_task: dict[str, list[str]] = {}
    for key, objections in rows.contested.items():
        who = ", ".join(one.who for one in objections)
        by_task.setdefault(objections[0].task_id, []).append(f"{names[key]} ({who})")
    for task_id, told in sorted(by_task.items()):
        yield Need(
            unanswered(task_id, told),
            f"{task_id}：{len(told)} 件の判定に異議があり、まだ回答がありません：{in_a_line(told)}。",
            action_ja=f"sopilot recording show FILE で確認し、{answer_to(task_id)} で回答",
        )


def _reviews(rows: Rows) -> Iterator[Need]:
    """Recordings whose decision asks for a person, and which nobody labeled yet."""
    for task_id in sorted(set(rows.scores["task_id"])):
        counts = Counter(waiting(rows, task_id)["decision"])
        if total := counts.total():
            there = [one for one in LOOK_AT if counts[one.value]]
            en = ", ".join(f"{counts[one.value]} {DECISIONS[one].en.lower()}" for one in there)
            ja = "、".join(f"{DECISIONS[one].ja} {counts[one.value]} 件" for one in there)
            yield _need(
                task_id,
                f"{task_id}: {total} recordings wait for a person to look at them ({en}).",
                f"{task_id}：{total} 件の録画が人による確認を待っています（{ja}）。",
                "reviews/index.html, then sopilot label add",
                action_ja="reviews/index.html を見て、sopilot label add",
            )


def _gate(gate: Row) -> Iterator[Need]:
    study = str(gate["study"])
    if gate["passed"] is None:
        yield _need(
            study,
            f"Gates of {study}: {gate['what']}",
            f"{study} のゲート：{gate['what']}",
            f"sopilot study run {study}",
            _LATER,
        )
    elif not gate["passed"]:
        yield _need(
            study,
            f"Gates of {study} ({gate['profile']}) fail: {gate['what']}.",
            f"{study} のゲート（{gate['profile']}）が不合格です：{gate['what']}。",
            f"sopilot study show {study}",
            _LATER,
        )


def _drift(rows: Sequence[Row]) -> Iterator[Need]:
    for row in rows:
        if row["state"] == "drifts":
            of, psi = word(str(row["of"])), row["psi"]
            yield _need(
                row["task"],
                f"{row['task']}: recent recordings differ from earlier in {of.en} (PSI {psi}).",
                f"{row['task']}：最近の録画は以前と{of.ja}の分布が異なります（PSI {psi}）。",
                f"sopilot score list --task {row['task']}",
            )
