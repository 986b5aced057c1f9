"""The words of the review pages, in English and Japanese."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from sopilot_assets.scoring.result import Decision, Deviation, Score
from sopilot_assets.scoring.text import chance
from sopilot_assets.tasks import DeviationType, Severity, Step, TaskSpec
from sopilot_assets.texts.languages import Text

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
    "taken_in_at": Text("Taken in at", "取り込み日時"),
    "file_name": Text("File", "ファイル名"),
    "source_video": Text("Made from", "元の動画"),
    "task_id": Text("Task", "作業"),
    "task_version": Text("Task version", "作業定義の版"),
    "model_id": Text("Model", "モデル"),
    "reference_id": Text("Reference", "参照"),
    "algorithm": Text("Algorithm", "アルゴリズム"),
    "decided_by": Text("Decided by", "判定の基準"),
}
"""Labels of the provenance fields that are known; any other field is shown under its own name."""

TIMES: Final = frozenset(("recorded_at", "taken_in_at"))
"""Fields that hold a time in ISO 8601."""

FOR_EXPERTS: Final = frozenset(
    (
        *("key", "video_id", "task_version", "model_id", "reference_id", "algorithm", "decided_by"),
        *("role", "task_id"),
    )
)
"""Fields that say by what a result was made."""

UNKNOWN: Final = Text("Not recognised", "該当なし")
FROZEN: Final = Text("Frozen", "停止")
GOLD: Final = Text("Gold", "お手本")
TRAINEE: Final = Text("Trainee", "受講者")
GOLD_UNDER_TEST: Final = Text("Gold under test", "検査中のお手本")
EVIDENCE: Final = Text("Evidence", "根拠")
DEVIATIONS: Final = Text("Deviations", "逸脱")
POSSIBLE: Final = Text("Possible", "可能性")


def step_name(step: Step) -> Text:
    """A step's name in both languages; the English one stands in where the Japanese one is not given."""
    return Text(step.name, step.name_ja or step.name)


def timecode(time_s: float) -> str:
    """Minutes, seconds and tenths of a time in seconds, with hours where there are any. What is less than a
    tenth is cut off, as in sentences (`scoring.text.clock`) and by players.

    >>> timecode(72.349), timecode(59.97), timecode(3601)
    ('01:12.3', '00:59.9', '1:00:01.0')
    """
    minutes, rest = divmod(int(max(time_s, 0.0) * 10), 600)
    clock = f"{minutes % 60:02d}:{rest // 10:02d}.{rest % 10}"
    return f"{minutes // 60}:{clock}" if minutes >= 60 else clock


STRIP: Final = (
    "Steps of both recordings and the deviations on one axis of time / 両動画の手順と逸脱の時系列図"
)


TIME_HEAD: Final = Text("Time, on the golds' range", "時間（お手本の範囲と比較）")
EVIDENCE_HEAD: Final = Text("Evidence, on the noise floor", "根拠（ノイズフロアと比較）")


def numbered(task: TaskSpec, step: int) -> Text:
    """A step's number and name."""
    name = step_name(task.steps[step])
    return Text(f"{step + 1} {name.en}", f"{step + 1} {name.ja}")


def limits(task: TaskSpec) -> Text:
    """The task's limits in a sentence."""
    return Text(
        f"Pass from {task.pass_score:g}, retrain below {task.retrain_score:g}.",
        f"{task.pass_score:g} 点以上で合格、{task.retrain_score:g} 点未満で再訓練。",
    )


def interval_range(interval: tuple[float, float]) -> str:
    """An interval of scores in whole points, rounded outwards.

    >>> interval_range((74.2, 89.1))
    '74–90'
    """
    return f"{math.floor(interval[0])}–{math.ceil(interval[1])}"


def interval_meaning(score: Score, *, calibrated: bool) -> Text:
    """What the interval beside a score means, or why there is none."""
    if score.score is None:
        return Text("Without a score there is no interval.", "得点がないため、区間もありません。")
    if score.interval is not None:
        return Text(
            "In brackets: the range that holds the score with 90 % probability.",
            "括弧内：90 % の確率で得点が入る範囲。",
        )
    if calibrated:
        return Text(
            "No interval was stored with this score; score the recording again.",
            "この得点には区間が保存されていません。再採点してください。",
        )
    return Text(
        "No interval: with a single gold nothing says how far a right recording may be from it.",
        "区間なし：お手本が1本だけのため、正しい作業のばらつきがわかりません。",
    )


def short_noise_floor(noise_floor_score: float | None) -> Text:
    """The noise floor as a figure beside a score."""
    if noise_floor_score is None:
        return Text("noise floor unknown", "ノイズフロア不明")
    return Text(f"noise floor {noise_floor_score:.1f}", f"ノイズフロア {noise_floor_score:.1f}")


def not_verified(lacking: Text, remedies: Iterable[Text]) -> Text:
    """What the golds show too poorly to be sure of in a recording, so that its absence is no finding and a
    finding of it is to be looked at, and what would help.
    """
    helps = list(dict.fromkeys(remedies))
    en, ja = " ".join(text.en for text in helps), "".join(text.ja for text in helps)
    return Text(
        f"The golds show this too poorly to be sure of it, found or not: {lacking.en}. {en}",
        f"次の項目は、指摘の有無にかかわらず、お手本からは確実に判定できません：{lacking.ja}。{ja}",
    )


def noise_floor(noise_floor_score: float | None) -> Text:
    """How well the task's own golds score, each against the others."""
    if noise_floor_score is None:
        return Text(
            "Noise floor unknown: no gold has been scored against other golds "
            "(that takes two golds, better of two persons).",
            "ノイズフロア不明：他のお手本と比較して採点されたお手本がありません"
            "（お手本が2本以上、できれば2人分必要です）。",
        )
    return Text(
        f"Noise floor (dashed): the golds, each scored against the others, reach at least "
        f"{noise_floor_score:.1f}.",
        f"ノイズフロア（破線）：お手本を互いに採点したときの最低点は {noise_floor_score:.1f}。",
    )


def backing(deviation: Deviation, *, calibrated: bool) -> Text:
    """How far the golds back a deviation, for who decides what to do about it."""
    if deviation.confidence < EVEN:
        how = chance(deviation.confidence)
        return Text(
            f"{how.en[0].upper()}{how.en[1:]}, which is enough to look at it yourself.",
            f"可能性は{how.ja}です。ご自身で確認してください。",
        )
    count, of = sum(vote.log_odds > 0 for vote in deviation.votes), len(deviation.votes)
    if not of:
        return _without_votes(deviation, calibrated=calibrated)
    if 2 * count <= of:
        en = "none" if count == 0 else f"only {count}"
        return Text(
            f"Look at it yourself: all golds together say so, but {en} of {of} shows it alone.",
            "ご自身で確認してください：お手本全体からの判定ですが、"
            f"単独で示すお手本は {of} 本中 {count} 本だけです。",
        )
    if deviation.confidence < CLEAR:
        return Text(
            f"Likely: {count} of {of} golds show it, each alone.",
            f"可能性が高い：お手本 {of} 本中 {count} 本が、それぞれ単独で示しています。",
        )
    return Text(
        f"Clear: {count} of {of} golds show it, each alone.",
        f"明らか：お手本 {of} 本中 {count} 本が、それぞれ単独で示しています。",
    )


EVEN: Final = 0.5
"""What is less likely is found to be looked at, and not called likely."""
CLEAR: Final = 0.9
"""The least confidence of a deviation that is called clear."""


def support(deviation: Deviation, gold_names: Mapping[str, str]) -> Text | None:
    """Which golds support a deviation, each asked alone; None where none was asked."""
    if not deviation.votes:
        return None
    names = {vote.gold_id: gold_names.get(vote.gold_id, vote.gold_id) for vote in deviation.votes}
    for_it = [
        f"{names[vote.gold_id]} ({vote.log_odds:+.1f})" for vote in deviation.votes if vote.log_odds > 0
    ]
    against = [
        f"{names[vote.gold_id]} ({vote.log_odds:+.1f})" for vote in deviation.votes if vote.log_odds <= 0
    ]
    en = f"Supported by {len(for_it)} of {len(names)} golds, each asked alone (log-odds in nats)"
    ja = f"お手本 {len(names)} 本中 {len(for_it)} 本が単独で支持（括弧内は対数オッズ、nat）"
    if for_it:
        en, ja = f"{en}: {', '.join(for_it)}", f"{ja}：{'、'.join(for_it)}"
    if against:
        en, ja = f"{en}; not by {', '.join(against)}", f"{ja}／不支持：{'、'.join(against)}"
    return Text(f"{en}.", f"{ja}。")


def _without_votes(deviation: Deviation, *, calibrated: bool) -> Text:
    if deviation.type is DeviationType.FREEZE:
        return Text(
            "Seen in the recording itself; no gold is needed.", "録画自体から判定（お手本は不要です）。"
        )
    if calibrated:
        return Text(
            "Which golds support it was not stored; score the recording again.",
            "どのお手本が支持するか保存されていません。再採点してください。",
        )
    return Text(
        "There is one gold only, so no other can support or oppose it.",
        "お手本が1本だけのため、他のお手本による裏付けはありません。",
    )


def no_readings(decision: Decision) -> Text:
    """Why a result has no readings of its steps."""
    if decision is Decision.NOT_VERIFIABLE:
        return Text(
            "The recording cannot be judged, so its steps were not measured.",
            "判定できない録画のため、手順ごとの計測はありません。",
        )
    return Text(
        "No readings of the steps were stored with this score; score the recording again.",
        "この得点には手順ごとの計測値が保存されていません。再採点してください。",
    )


def no_evidence_floor() -> Text:
    """Why a reading has no noise floor of its evidence."""
    return Text(
        "There is no noise floor where no gold could be held out: it takes two golds, better of two persons.",
        "ノイズフロアには、他のお手本と比較できるお手本が必要です（2本以上、できれば2人分）。",
    )


def no_verifiability(*, calibrated: bool) -> Text:
    """Why a reference has no table of what can be verified."""
    if calibrated:
        return Text(
            "The task's reference says nothing about this; rebuild it from its golds and score again.",
            "この作業の参照には検証可能性の情報がありません。参照を作り直し、再採点してください。",
        )
    return Text(
        "With a single gold nobody can say which deviations would be found, and how often a right recording "
        "would be blamed: no gold is left to try it on. Record golds by one more person.",
        "お手本が1本だけのため、どの逸脱を検出できるか、正しい作業を誤って指摘しないかを確かめられません。"
        "別の人のお手本を追加してください。",
    )


def possible_head(score: Score) -> Text:
    """The heading above what is suspected in a recording."""
    count = len(score.suspected)
    if score.decision is Decision.PASS:
        return Text(
            f"Also possible, but too unlikely to hold up a pass ({count})",
            f"その他の可能性（合格を妨げない程度）（{count}）",
        )
    if score.deviations:
        return Text(f"Also possible ({count})", f"その他の可能性（{count}）")
    return Text(f"Possible, but not certain ({count})", f"可能性のあるもの（{count}）")


def would_be(severity: Severity) -> Text:
    """How grave a suspicion is where it is true."""
    name = SEVERITIES[severity]
    return Text(f"{name.en}, if so", f"事実であれば{name.ja}")


def likelihood(deviation: Deviation, *, calibrated: bool) -> Text:
    """How likely a suspicion is, for who looks at it; nobody knows where no gold could be held out."""
    if not calibrated:
        return Text(
            "How likely is not known, since no gold could be tried on others: it may be right as it is.",
            "お手本どうしを比べられないため、可能性の程度は不明です。正しい作業の場合もあります。",
        )
    how = chance(deviation.confidence)
    return Text(
        f"{how.en[0].upper()}{how.en[1:]}: this would explain the recording, and it may be something else.",
        f"{how.ja}：この録画の説明として考えられますが、そうでない可能性もあります。",
    )
