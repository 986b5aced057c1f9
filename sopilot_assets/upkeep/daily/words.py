"""The words of the daily report, in English and Japanese."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sopilot_assets.capture.reasons import REASON_TEXTS, Reason
from sopilot_assets.texts.languages import Text

HEADS: Final[Mapping[str, Text]] = {
    "needs": Text("What needs a person", "対応が必要なこと"),
    "tasks": Text("Progress", "進み具合"),
    "decisions": Text("Decisions on trainee recordings", "受講者の録画の判定"),
    "audit": Text(
        "Critical among what passed: recordings picked by chance, labelled blind",
        "合格した録画に残る重大な逸脱：無作為に選び、判定を見ずに評価した録画から",
    ),
    "reviews": Text("What to look at, the likeliest first", "確認する録画（可能性の高い順）"),
    "days": Text("The last 14 days", "過去 14 日間"),
    "gates": Text("Gates", "ゲート"),
    "drift": Text("Drift", "ドリフト"),
    "quarantine": Text("Refused files of this day", "この日に受け付けなかったファイル"),
    "quarantine_reasons": Text("Refused files by reason", "受け付けなかったファイルの理由"),
    "stale": Text("Scores that are out of date", "古くなった得点"),
    "alerts": Text("Alerts", "警告"),
    "campaigns": Text("Campaigns", "キャンペーン"),
    "disk": Text("Disk", "ディスク"),
}

EMPTY: Final[Mapping[str, Text]] = {
    "needs": Text("Nothing needs a person.", "対応が必要なことはありません。"),
    "tasks": Text("There is no task yet.", "作業がまだありません。"),
    "decisions": Text("There is no recording yet.", "録画がまだありません。"),
    "audit": Text("Nothing has passed yet.", "合格した録画はまだありません。"),
    "reviews": Text("No recording waits for a review.", "確認待ちの録画はありません。"),
    "gates": Text("No study has a gate report yet.", "ゲート報告のある研究はまだありません。"),
    "drift": Text("There is no recording yet.", "録画がまだありません。"),
    "quarantine": Text("No file was refused.", "受け付けなかったファイルはありません。"),
    "quarantine_reasons": Text("No file was ever refused.", "受け付けなかったファイルはありません。"),
    "stale": Text("None, or not measured on that day.", "ありません（または、この日に測定されていません）。"),
    "alerts": Text("None.", "ありません。"),
    "campaigns": Text("None on this day.", "この日はありません。"),
}

COLUMNS: Final[Mapping[str, Mapping[str, Text]]] = {
    "needs": {
        "rank": Text("#", "#"),
        "urgency": Text("When", "緊急度"),
        "what": Text("What", "内容"),
        "action": Text("Next action", "次の操作"),
    },
    "tasks": {
        "task": Text("Task", "作業"),
        "golds": Text("Golds", "お手本"),
        "golds_target": Text("of", "目標"),
        "gold_persons": Text("Persons", "人数"),
        "trainees": Text("Trainee recordings", "受講者の録画"),
        "trainees_target": Text("of", "目標"),
        "labelled": Text("Labelled", "ラベルあり"),
        "disputed": Text("In dispute", "判断が不一致"),
        "unlabelled": Text("Without label", "ラベルなし"),
        "to_audit": Text("Picked by chance, to label blind", "無作為に選ばれ評価待ち"),
        "scored": Text("Scored", "採点済み"),
        "without_score": Text("Without score", "未採点"),
        "cannot_be_scored": Text("Cannot be scored", "採点不能"),
        "new": Text("New on this day", "この日の新規"),
    },
    "decisions": {
        "task": Text("Task", "作業"),
        "of": Text("Of", "対象"),
        "pass": Text("Pass", "合格"),
        "needs_review": Text("Needs review", "要確認"),
        "retrain": Text("Retrain", "再訓練"),
        "fail": Text("Fail", "不合格"),
        "not_verifiable": Text("Not verifiable", "判定不能"),
        "decided_share": Text("Decided, of what shows the task", "自動で判定できた割合"),
    },
    "audit": {
        "task": Text("Task", "作業"),
        "week": Text("Week", "週"),
        "passes": Text("Passed", "合格"),
        "picked": Text("Picked by chance", "無作為に選んだ録画"),
        "audited": Text("Labelled blind", "評価済み"),
        "people": Text("People", "人数"),
        "missed": Text("Critical", "重大な逸脱あり"),
        "miss_rate": Text("Share", "割合"),
        "low": Text("At least (95 %)", "下限（95 %）"),
        "high": Text("At most (95 %)", "上限（95 %）"),
    },
    "reviews": {
        "task": Text("Task", "作業"),
        "file": Text("Recording", "録画"),
        "at": Text("Moment", "時刻"),
        "what": Text("What is suspected", "疑われる内容"),
    },
    "days": {
        "date": Text("Date (UTC)", "日付（UTC）"),
        "taken_in": Text("Taken in", "受け付け"),
        "refused": Text("Refused", "受け付けず"),
        "duplicates": Text("Known already", "登録済み"),
        "scored": Text("Scored", "採点"),
        "scored_again": Text("Scored again", "再採点"),
        "label_events": Text("Label events", "ラベル記録"),
    },
    "gates": {
        "study": Text("Study", "研究"),
        "profile": Text("Profile", "プロファイル"),
        "passed": Text("Passes", "合否"),
        "failed": Text("Failed checks", "不合格の項目数"),
        "what": Text("What", "内容"),
        "reported_at": Text("Reported at", "報告日時"),
    },
    "drift": {
        "task": Text("Task", "作業"),
        "of": Text("Of", "対象"),
        "earlier": Text("Earlier", "以前の件数"),
        "recent": Text("Recent", "最近の件数"),
        "psi": Text("Index (PSI)", "指数（PSI）"),
        "p_value": Text("p", "p 値"),
        "ks_p_value": Text("p (Kolmogorov-Smirnov)", "p 値（KS 検定）"),
        "state": Text("State", "状態"),
    },
    "quarantine": {
        "file": Text("File", "ファイル"),
        "what": Text("Reason", "理由"),
        "action": Text("What to do", "対処"),
    },
    "quarantine_reasons": {
        "reason": Text("Reason", "理由"),
        "all": Text("Ever", "累計"),
        "new": Text("On this day", "この日"),
    },
    "stale": {"why": Text("Because of", "原因"), "recordings": Text("Recordings", "録画数")},
    "alerts": {
        "since": Text("Since", "発生日時"),
        "state": Text("State", "状態"),
        "severity": Text("How bad", "重さ"),
        "what": Text("What", "内容"),
        "action": Text("Next action", "次の操作"),
    },
    "campaigns": {
        "campaign": Text("Campaign", "キャンペーン"),
        "run": Text("Cycles run", "実行した回"),
        "skipped": Text("Skipped", "飛ばした回"),
        "missed": Text("Missed", "起動されなかった回"),
        "stopped": Text("Stopped", "止めた回"),
        "failed": Text("Died", "途中で落ちた回"),
        "faults": Text("Failed steps", "失敗した手順"),
        "findings": Text("Steps with findings", "指摘のあった手順"),
    },
    "disk": {
        "free_gib": Text("Free (GiB)", "空き（GiB）"),
        "home_gib": Text("Home (GiB)", "ホーム（GiB）"),
        "growth_gib_a_day": Text("Growth a day (GiB)", "1 日の増加（GiB）"),
        "days_left": Text("Days until intake pauses", "取り込み停止までの日数"),
    },
}

VALUES: Final[Mapping[str, Text]] = {
    "urgent": Text("now", "すぐに"),
    "soon": Text("soon", "早めに"),
    "later": Text("when there is time", "時間のあるときに"),
    "all": Text("all", "すべて"),
    "new": Text("new", "新規"),
    "steady": Text("steady", "変化なし"),
    "drifts": Text("differs", "変化あり"),
    "too_few": Text("too few recordings", "録画が不足"),
    "score": Text("score", "得点"),
    "critical_probability": Text("probability of a critical deviation", "重大な逸脱の確率"),
    "problem": Text("problem", "問題"),
    "warning": Text("warning", "注意"),
    "open": Text("open", "未解決"),
    "over": Text("over", "解決済み"),
    "missing": Text("no score yet", "未採点"),
    "algorithm": Text("algorithm", "アルゴリズム"),
    "task": Text("task", "作業の定義"),
    "model": Text("model", "モデル"),
    "reference": Text("reference", "お手本の参照"),
    "policy": Text("adopted policy", "採用したポリシー"),
}
"""Words of cells in the columns `SAID`, where they are not numbers or names."""

SAID: Final = frozenset(("urgency", "of", "state", "severity", "why", "week"))


def word(value: str) -> Text:
    """A word of a cell in both languages."""
    return VALUES.get(value, Text(value, value))


def period(complete: bool, until: str) -> Text:
    """What part of the day the report is about."""
    if complete:
        return Text("The whole day, 00:00 to 24:00 UTC.", "UTC 0 時から 24 時までの 1 日分。")
    shown = until[11:16]
    return Text(f"The day so far, until {shown} UTC.", f"UTC {shown} までの途中経過。")


def cell(value: object, column: str) -> Text:
    """A cell of a column in both languages."""
    if value is None:
        return Text("–", "–")
    if isinstance(value, bool):
        return Text("yes", "合格") if value else Text("no", "不合格")
    if isinstance(value, float):
        return Text(f"{value:g}", f"{value:g}")
    if column == "reason" and value in set(Reason):
        text = REASON_TEXTS[Reason(str(value))]
        return Text(text.english, text.japanese)
    return word(str(value)) if column in SAID else Text(str(value), str(value))
