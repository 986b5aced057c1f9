"""What the fields of a task are called, and what they can be, in English and Japanese."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sopilot_assets.tasks.privacy import LEGAL_BASIS, PURPOSE
from sopilot_assets.tasks.spec import DeviationType, EmbedderName, Severity, TaskSpec
from sopilot_assets.texts.languages import Text

SEVERITY_NAMES: Final[Mapping[Severity, Text]] = {
    Severity.CRITICAL: Text("fails the recording", "不合格"),
    Severity.QUALITY: Text("costs points (quality)", "減点（品質）"),
    Severity.EFFICIENCY: Text("costs points (efficiency)", "減点（効率）"),
}
DEVIATION_NAMES: Final[Mapping[DeviationType, Text]] = {
    DeviationType.MISSING_STEP: Text("missing step", "手順の抜け"),
    DeviationType.ORDER_SWAP: Text("swapped steps", "順序の入れ替わり"),
    DeviationType.WRONG_STEP: Text("wrong step", "誤った手順"),
    DeviationType.STEP_DEVIATION: Text("step done otherwise", "やり方の違い"),
    DeviationType.OVER_TIME: Text("step takes too long", "時間超過"),
    DeviationType.FREEZE: Text("frozen picture (film again)", "映像の停止（撮り直し）"),
}
EMBEDDER_NAMES: Final[Mapping[EmbedderName, Text]] = {
    EmbedderName.LITE0_BOX: Text("lite0_box: the usual one", "lite0_box（標準）"),
    EmbedderName.LITE0_FLOW: Text("lite0_flow: the one before it", "lite0_flow（以前の標準）"),
    EmbedderName.COLOR_MOTION: Text("color_motion: the old baseline", "color_motion（旧方式）"),
    EmbedderName.VJEPA2: Text("vjepa2: wants a GPU and its model", "vjepa2（GPU とモデルが必要）"),
}


@dataclass(frozen=True, slots=True)
class NumberField:
    """A number of a task: its place in the file, its name, its unit; ``percent``: a share that people read
    and write in percent. ``whole``: without decimals. ``optional``: may be left empty.
    """

    path: str
    name: Text
    unit: Text
    percent: bool = False
    whole: bool = False
    optional: bool = False


_POINTS: Final = Text("points", "点")
_PERCENT: Final = Text("%", "%")
_NONE: Final = Text("", "")
_PIXELS: Final = Text("pixels", "ピクセル")

LIMITS: Final = (
    NumberField("pass_score", Text("Passes from", "合格（以上）"), _POINTS),
    NumberField("retrain_score", Text("Train again below", "再訓練（未満）"), _POINTS),
    NumberField(
        "accepted_miss",
        Text("May pass with something critical in it, at most", "重大な逸脱の見逃し（上限）"),
        _PERCENT,
        percent=True,
    ),
    NumberField(
        "accepted_alarm",
        Text("May fail with nothing critical in it, at most", "問題のない録画の不合格（上限）"),
        _PERCENT,
        percent=True,
    ),
)
TAKT: Final = NumberField("takt_s", Text("Takt time", "タクトタイム"), Text("s", "秒"), optional=True)
WEIGHTS: Final = (
    NumberField("weights.miss", Text("Weight of missing steps", "配点：手順の抜け"), _NONE),
    NumberField("weights.swap", Text("Weight of swapped steps", "配点：順序の入れ替わり"), _NONE),
    NumberField("weights.deviation", Text("Weight of steps done otherwise", "配点：やり方の違い"), _NONE),
    NumberField("weights.time", Text("Weight of time", "配点：時間"), _NONE),
)
FILMING: Final = (
    NumberField(
        "quality_gate.brightness_min", Text("Brightness, at least", "明るさ（下限）"), Text("of 255", "/ 255")
    ),
    NumberField(
        "quality_gate.brightness_max", Text("Brightness, at most", "明るさ（上限）"), Text("of 255", "/ 255")
    ),
    NumberField("quality_gate.sharpness_min", Text("Sharpness, at least", "鮮明さ（下限）"), _NONE),
    NumberField(
        "quality_gate.stability_max",
        Text("Camera shake, at most", "手ぶれ（上限）"),
        Text("% of the width", "% （幅に対して）"),
    ),
    NumberField("quality_gate.min_width", Text("Width, at least", "幅（下限）"), _PIXELS, whole=True),
    NumberField("quality_gate.min_height", Text("Height, at least", "高さ（下限）"), _PIXELS, whole=True),
    NumberField("quality_gate.min_duration_s", Text("Length, at least", "長さ（下限）"), Text("s", "秒")),
)
NUMBERS: Final[Mapping[str, NumberField]] = {one.path: one for one in (*LIMITS, TAKT, *WEIGHTS, *FILMING)}

_FIELDS: Final[Mapping[str, Text]] = {
    "name": Text("Name in English", "名前（英語）"),
    "name_ja": Text("Name in Japanese", "名前（日本語）"),
    "version": Text("Version", "版"),
    "steps": Text("Steps and their order", "手順とその順序"),
    "embedder": Text("How pictures are compared", "映像の比較方式"),
    "privacy.purpose": PURPOSE,
    "privacy.legal_basis": LEGAL_BASIS,
    "privacy.keep_videos_days": Text("Videos are kept for days", "映像の保存日数"),
    "privacy.masked_regions": Text("Regions that are always masked", "常に隠す領域"),
    "quality_gate.enabled": Text("How it has to be filmed is looked at", "撮影の基準を使う"),
    **{path: one.name for path, one in NUMBERS.items()},
}
_OF_STEPS: Final[Mapping[str, Text]] = {
    "name": Text("name in English", "名前（英語）"),
    "name_ja": Text("name in Japanese", "名前（日本語）"),
    "instruction": Text("sentence in English", "説明文（英語）"),
    "instruction_ja": Text("sentence in Japanese", "説明文（日本語）"),
    "critical": Text("leaving it out fails the recording", "抜けると不合格"),
    "after": Text("comes after", "前に必要な手順"),
}
NOTHING: Final = Text("nothing", "なし")
YES: Final = Text("yes", "はい")
NO: Final = Text("no", "いいえ")


def task_name(task: TaskSpec | None, task_id: str) -> Text:
    """The name of a task; its id where the task is not there."""
    return Text(task_id, task_id) if task is None else task.names


def field_name(field: str, *specs: TaskSpec) -> Text:
    """What people call a field of the file, such as ``steps.open.critical``; its step is named as the last of
    ``specs`` that has it does.
    """
    if field.startswith("steps."):
        _, step_id, part = field.split(".", 2)
        named = {step.id: step.names for spec in specs for step in spec.steps}
        step, its = named.get(step_id, Text(step_id, step_id)), _OF_STEPS.get(part, Text(part, part))
        return Text(f"Step “{step.en}”: {its.en}", f"手順「{step.ja}」：{its.ja}")
    if field.startswith("severity."):
        kind = DEVIATION_NAMES[DeviationType(field.removeprefix("severity."))]
        return Text(f"If found: {kind.en}", f"検出時の扱い：{kind.ja}")
    return _FIELDS.get(field, Text(field, field))


def value_text(field: str, value: object, *specs: TaskSpec) -> Text:
    """What a field says, as people read it."""
    if value is None:
        return Text("the step above", "一つ上の手順") if field.endswith(".after") else NOTHING
    if isinstance(value, bool):
        return YES if value else NO
    if isinstance(value, list):
        return _regions_text(value) if field == "privacy.masked_regions" else _steps_text(value, specs)
    if field.startswith("severity."):
        return SEVERITY_NAMES[Severity(str(value))]
    if field in NUMBERS:
        said, unit = typed(field, value), NUMBERS[field].unit
        return Text(f"{said} {unit.en}".strip(), f"{said} {unit.ja}".strip())
    return Text(str(value), str(value))


def _regions_text(regions: Sequence[Mapping[str, float]]) -> Text:
    parts = [[f"{100 * one[name]:.0f}" for name in ("left", "top", "width", "height")] for one in regions]
    if not parts:
        return NOTHING
    return Text(
        "; ".join("{} % from left, {} % from top, {} x {} %".format(*one) for one in parts),
        "、".join("左 {}%・上 {}%・{}×{}%".format(*one) for one in parts),
    )


def _steps_text(ids: Sequence[object], specs: Sequence[TaskSpec]) -> Text:
    if not ids:
        return Text("none: at any time", "なし（いつでもよい）")
    named = {step.id: step.names for spec in specs for step in spec.steps}
    steps = [named.get(str(one), Text(str(one), str(one))) for one in ids]
    return Text(", ".join(one.en for one in steps), "、".join(one.ja for one in steps))


def typed(field: str, value: object) -> str:
    """A number as people type it: shares in percent; nothing where there is none."""
    if value is None:
        return ""
    number = float(str(value)) * (100 if NUMBERS[field].percent else 1)
    return f"{number:.10g}"
