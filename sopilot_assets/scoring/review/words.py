"""The words of the review pages, in English and Japanese."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sopilot_assets.scoring.result import Decision, Text
from sopilot_assets.tasks import DeviationType, Severity, Step, TaskSpec

DECISIONS: Final[Mapping[Decision, Text]] = {
    Decision.PASS: Text("Pass", "合格"),
    Decision.NEEDS_REVIEW: Text("Needs review", "要確認"),
    Decision.RETRAIN: Text("Retrain", "再訓練"),
    Decision.FAIL: Text("Fail", "不合格"),
    Decision.NOT_VERIFIABLE: Text("Not verifiable", "判定不能"),
}

TYPES: Final[Mapping[DeviationType, Text]] = {
    DeviationType.MISSING_STEP: Text("Missing step", "手順の抜け"),
    DeviationType.ORDER_SWAP: Text("Order swapped", "順序の入れ替わり"),
    DeviationType.WRONG_STEP: Text("Wrong step", "誤った手順"),
    DeviationType.STEP_DEVIATION: Text("Step deviates", "手順の逸脱"),
    DeviationType.OVER_TIME: Text("Over time", "時間超過"),
    DeviationType.FREEZE: Text("Frozen picture", "映像の停止"),
}

SEVERITIES: Final[Mapping[Severity, Text]] = {
    Severity.CRITICAL: Text("Critical", "重大"),
    Severity.QUALITY: Text("Quality", "品質"),
    Severity.EFFICIENCY: Text("Efficiency", "効率"),
}

FIELDS: Final[Mapping[str, Text]] = {
    "key": Text("Partition", "パーティション"),
    "video_id": Text("Video", "動画 ID"),
    "role": Text("Role", "区分"),
    "person": Text("Person", "作業者"),
    "site": Text("Site", "拠点"),
    "camera": Text("Camera", "カメラ"),
    "session": Text("Session", "セッション"),
    "recorded_at": Text("Recorded at", "撮影日時"),
    "file_name": Text("File", "ファイル名"),
    "source_video": Text("Made from", "元の動画"),
    "task_id": Text("Task", "作業"),
    "task_version": Text("Task version", "作業定義の版"),
    "model_id": Text("Model", "モデル"),
    "reference_id": Text("Reference", "参照"),
    "algorithm": Text("Algorithm", "アルゴリズム"),
}
"""Labels of the provenance fields that are known; any other field is shown under its own name."""

UNKNOWN: Final = Text("Not recognised", "該当なし")
FROZEN: Final = Text("Frozen", "停止")
GOLD: Final = Text("Gold", "お手本")
TRAINEE: Final = Text("Trainee", "受講者")
GOLD_UNDER_TEST: Final = Text("Gold under test", "検査中のお手本")
EVIDENCE: Final = Text("Evidence", "根拠")
DEVIATIONS: Final = Text("Deviations", "逸脱")


def step_name(step: Step) -> Text:
    """A step's name in both languages; the English one stands in where the Japanese one is not given."""
    return Text(step.name, step.name_ja or step.name)


def timecode(time_s: float) -> str:
    """Minutes, seconds and tenths of a time in seconds, with hours where there are any.

    >>> timecode(72.349), timecode(59.97), timecode(3601)
    ('01:12.3', '01:00.0', '1:00:01.0')
    """
    tenths = round(max(time_s, 0.0) * 10)
    minutes, rest = divmod(tenths, 600)
    clock = f"{minutes % 60:02d}:{rest // 10:02d}.{rest % 10}"
    return f"{minutes // 60}:{clock}" if minutes >= 60 else clock


STRIP: Final = (
    "Steps of both recordings and the deviations on one axis of time / 両動画の手順と逸脱の時系列図"
)


def limits(task: TaskSpec, noise_floor_score: float | None) -> Text:
    """The task's limits in a sentence, and how well golds score where that is known."""
    en = f"Pass from {task.pass_score:g}, retrain below {task.retrain_score:g}."
    ja = f"{task.pass_score:g} 点以上で合格、{task.retrain_score:g} 点未満で再訓練。"
    if noise_floor_score is None:
        return Text(en, ja)
    return Text(
        f"{en} Dashed: golds against each other, {noise_floor_score:.1f}.",
        f"{ja}破線：お手本同士の得点 {noise_floor_score:.1f}。",
    )


def none_found(decision: Decision) -> Text:
    """What an empty list of deviations means under a decision."""
    if decision is Decision.NOT_VERIFIABLE:
        return Text(
            "Nothing can be said about this recording; an empty list does not mean that it is correct.",
            "この動画については判定できません。一覧が空でも、手順が正しいことを意味しません。",
        )
    return Text("No deviation was found.", "逸脱は見つかりませんでした。")
