"""What a review page shows, as values for its template: the same in a file of its own and at the desk."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from markupsafe import Markup

from sopilot_assets.alignment.spans import Alignment, Span, SpanKind
from sopilot_assets.errors import GoldError
from sopilot_assets.scoring.result import Decision, Deviation, Score, StepReading, Verifiability
from sopilot_assets.scoring.review import readings, words
from sopilot_assets.scoring.review.document import Json, bytes_uri, script_json
from sopilot_assets.scoring.review.drawing import INK, Drawing, svg
from sopilot_assets.scoring.review.gauge import draw_gauge
from sopilot_assets.scoring.review.marks import NO_STEP, ON_SEVERITY, icon, step_colour
from sopilot_assets.scoring.review.proxy import PROXY_FPS
from sopilot_assets.scoring.review.stills import Moment, ServedStill, Still, StillPair
from sopilot_assets.scoring.review.strip import (
    GOLD_ROW,
    LEFT,
    RIGHT,
    TRAINEE_ROW,
    WIDTH,
    GoldStep,
    alignment_strip_svg,
    strip_scale,
)
from sopilot_assets.scoring.review.sync import sync_table
from sopilot_assets.scoring.review.verifiability import concerns, verifiability_table
from sopilot_assets.scoring.verdict import Verdict, none_found, verdict
from sopilot_assets.segments import Segment
from sopilot_assets.tasks import TaskSpec
from sopilot_assets.texts.languages import Text
from sopilot_assets.texts.times import minute

Field: TypeAlias = str | float | int | None

LEAD_S: Final = 1.0
"""How long before its moment a deviation starts to play, in seconds."""

_JPEG: Final = "image/jpeg"
_ORIGIN: Final = ("person", "site", "camera")


@dataclass(frozen=True, slots=True)
class ReviewGold:
    """A gold beside the recording: its steps, and the address of its video (``data:``, or at the desk)."""

    gold_id: str
    steps: Sequence[GoldStep]
    source: str


@dataclass(frozen=True, slots=True)
class Review:
    """All that a review page is about. ``trainee_source`` is the address of the recording to play; ``stills``
    has a pair for each deviation and then for each suspicion; the other fields are those of `review_page`.
    Where the recording has no video any more, ``gone`` says why.
    """

    task: TaskSpec
    score: Score
    alignment: Alignment
    row: Mapping[str, Field]
    noise_floor_score: float | None
    is_gold: bool
    trainee_source: str
    golds: tuple[ReviewGold, ...]
    gold_names: Mapping[str, str]
    stills: Sequence[StillPair]
    verifiability: Sequence[Verifiability]
    steps_faults: Sequence[Text]
    video: str | None
    gone: Text | None = None

    @property
    def shown(self) -> tuple[Deviation, ...]:
        """What was found, and then what is suspected."""
        return (*self.score.deviations, *self.score.suspected)

    @property
    def trainee_label(self) -> Text:
        """What the recording is called beside the golds."""
        return words.GOLD_UNDER_TEST if self.is_gold else words.TRAINEE

    @property
    def calibrated(self) -> bool:
        """Whether some gold could be held out, so that the golds say how much right recordings differ."""
        return self.alignment.held_out != "nothing"

    def gold_index(self, deviation: Deviation) -> int | None:
        """The gold to show a deviation on; None when it concerns no stretch of a gold."""
        if deviation.gold is None:
            return None
        return next(i for i, gold in enumerate(self.golds) if gold.gold_id == deviation.gold_id)


def named_golds(score: Score, alignment: Alignment, gold_videos: Collection[str]) -> list[str]:
    """The golds a page needs, the warp's first; raises ``GoldError`` where one is not in ``gold_videos``."""
    named = [alignment.warp.gold_id]
    named += [one.gold_id for one in (*score.deviations, *score.suspected) if one.gold is not None]
    golds = list(dict.fromkeys(named))
    missing = [gold_id for gold_id in golds if gold_id not in gold_videos]
    if missing:
        raise GoldError(
            f"review of video {score.video_id}: expected a video for each gold that its result names, found "
            f"none for {', '.join(missing)} (there are {', '.join(sorted(gold_videos)) or 'no golds'}). "
            "Score the recording again with the task's present golds."
        )
    return golds


def review_values(review: Review) -> dict[str, object]:
    """What the template ``review_body.html.j2`` shows, and the page around it. The same input gives the same
    values. Raises ``ValueError`` where there is another number of stills than of deviations.
    """
    task, score = review.task, review.score
    if len(review.stills) != len(review.shown):
        raise ValueError(
            f"{len(review.shown)} deviations, found or suspected, need as many pairs of stills, got "
            f"{len(review.stills)}"
        )
    file_name = str(review.row.get("file_name") or review.alignment.video_id)
    told = verdict(score, task, of_gold=review.is_gold)
    return {
        "title": f"{file_name} · {task.name}",
        "file_name": file_name,
        "task_name": Text(task.name, task.name_ja or task.name),
        "origin": [str(review.row[name]) for name in _ORIGIN if review.row.get(name) is not None],
        "recorded": _recorded(review.row),
        "video": review.video,
        "gone": review.gone,
        "steps_faults": review.steps_faults,
        "decision": score.decision.value,
        "verdict": told,
        "because": _because(review, told.because),
        "look": _look(review, told),
        "to_do": told.to_do,
        "interval": None if score.interval is None else words.interval_range(score.interval),
        "interval_meaning": words.interval_meaning(score, calibrated=review.calibrated),
        "gauge": _markup(
            draw_gauge(
                task, score.score, review.noise_floor_score, score.interval, decides=told.points_decide
            ),
            'class="gauge" aria-hidden="true"',
        ),
        "limits": words.limits(task),
        "noise_floor": words.noise_floor(review.noise_floor_score),
        "not_verified": _not_verified(review) if score.unverifiable else None,
        "trainee_label": review.trainee_label,
        "trainee_source": review.trainee_source,
        "golds": [
            {
                "name": review.gold_names.get(gold.gold_id, gold.gold_id),
                "source": gold.source,
                "strip": _strip(review, gold),
            }
            for gold in review.golds
        ],
        "strip_label": words.STRIP,
        "duration_s": round(review.alignment.duration_s, 3),
        "deviations": [_found(review, index) for index in range(len(score.deviations))],
        "suspected": [_possible(review, index) for index in range(len(score.deviations), len(review.shown))],
        "possible_head": words.possible_head(score),
        "quiet": score.decision is Decision.PASS,
        "readings": _readings(review),
        "reading_notes": _reading_notes(score),
        "reading_keys": _reading_keys(),
        "verifiability": verifiability_table(task, review.verifiability, unverifiable=score.unverifiable),
        "verifiability_types": words.TYPES,
        "no_verifiability": words.no_verifiability(calibrated=review.calibrated),
        "none_found": none_found(score.decision, suspected=bool(score.suspected)),
        "spans": list(_spans(review)),
        "provenance": [
            (
                _label(name),
                "–" if value is None else value,
                name in words.FOR_EXPERTS,
                name in words.TIMES and value is not None,
            )
            for name, value in review.row.items()
        ],
        "minute": minute,
        "figures": _figures(review),
        "payload": script_json(_payload(review)),
    }


def _because(review: Review, because: Sequence[Text]) -> list[dict[str, object]]:
    """What decided, each finding with the number of its deviation to jump to."""
    texts = [deviation.text for deviation in review.shown]
    return [{"text": text, "deviation": texts.index(text) if text in texts else None} for text in because]


def _look(review: Review, told: Verdict) -> int | None:
    """The number of the deviation whose moment a person has to look at; None where it is not one."""
    if told.decision is not Decision.NEEDS_REVIEW or told.at_s is None:
        return None
    return [deviation.text for deviation in review.shown].index(told.because[0])


def _not_verified(review: Review) -> Text:
    lacking = review.score.unverifiable
    return words.not_verified(concerns(review.task, lacking), (item.remedy for item in lacking))


def _recorded(row: Mapping[str, Field]) -> Text | None:
    """When the recording was made; when it was taken in where nobody knows; None where neither is."""
    if made := row.get("recorded_at"):
        return Text(f"recorded {minute(str(made))}", f"撮影 {minute(str(made))}")
    if taken := row.get("taken_in_at"):
        when = minute(str(taken))
        return Text(
            f"taken in {when} (when it was recorded is not known)", f"取り込み {when}（撮影日時は不明）"
        )
    return None


def _strip(review: Review, gold: ReviewGold) -> Markup:
    strip = alignment_strip_svg(
        task=review.task,
        alignment=review.alignment,
        score=review.score,
        gold_steps=gold.steps,
        gold_id=gold.gold_id,
        trainee_label=review.trainee_label,
    )
    return Markup(strip)  # noqa: S704 - the drawing escapes its labels


def _markup(drawing: Drawing, attributes: str) -> Markup:
    return Markup(svg(drawing, attributes=attributes))  # noqa: S704 - the drawing escapes its labels


def _found(review: Review, index: int) -> dict[str, object]:
    deviation = review.shown[index]
    return {
        **_deviation(review, index, colour=ON_SEVERITY),
        "backing": words.backing(deviation, calibrated=review.calibrated),
        "support": words.support(deviation, review.gold_names),
    }


def _possible(review: Review, index: int) -> dict[str, object]:
    deviation = review.shown[index]
    return {
        **_deviation(review, index, colour=INK),
        "severity_name": words.would_be(deviation.severity),
        "backing": words.likelihood(deviation, calibrated=review.calibrated),
        "support": None,
    }


def _deviation(review: Review, index: int, *, colour: str) -> dict[str, object]:
    deviation, pair = review.shown[index], review.stills[index]
    shapes = icon(deviation.type, left=0, top=0, size=16, colour=colour)
    return {
        "index": index,
        "severity": deviation.severity.value,
        "severity_name": words.SEVERITIES[deviation.severity],
        "icon": _markup(Drawing(16, 16, shapes), 'aria-hidden="true"'),
        "type": words.TYPES[deviation.type],
        "steps": [
            words.numbered(review.task, review.task.step_ids.index(step)) for step in deviation.step_ids
        ],
        "trainee": _times(deviation.trainee),
        "gold": None if deviation.gold is None else _times(deviation.gold),
        "confidence": f"{deviation.confidence:.2f}",
        "percent": f"{deviation.confidence * 100:.0f}",
        "text": deviation.text,
        "stills": [_still(review.trainee_label, pair.trainee, expected=not deviation.trainee)]
        + ([] if pair.gold is None else [_still(words.GOLD, pair.gold, name=_gold_name(review, deviation))]),
    }


def _gold_name(review: Review, deviation: Deviation) -> str:
    return review.gold_names.get(deviation.gold_id, deviation.gold_id)


def _still(label: Text, moment: Moment, *, expected: bool = False, name: str = "") -> dict[str, object]:
    time = words.timecode(moment.time_s)
    read = moment if isinstance(moment, Still) else None
    source = None if read is None else bytes_uri(read.jpeg, kind=_JPEG)
    return {
        "label": label,
        "time": time,
        "expected": expected,
        "name": name,
        "alt": f"{label.en}, {time} / {label.ja} {time}",
        "source": moment.address if isinstance(moment, ServedStill) else source,
        "size": None if read is None else read.size,
        "held": read is not None and read.held,
    }


def _readings(review: Review) -> list[dict[str, object]]:
    span_s = readings.longest_s(review.score.steps)
    return [_reading(review.task, reading, span_s) for reading in review.score.steps]


def _reading(task: TaskSpec, reading: StepReading, span_s: float) -> dict[str, object]:
    step, look = (
        task.step_ids.index(reading.step_id),
        'class="reading-bar" preserveAspectRatio="none" aria-hidden="true"',
    )
    return {
        "name": words.numbered(task, step),
        "colour": step_colour(step),
        "time_bar": _markup(readings.time_bar(reading, span_s), look),
        "seconds": "–" if reading.seconds is None else f"{reading.seconds:.1f} s",
        "range": f"{reading.low_s:.1f}–{reading.high_s:.1f} s",
        "usual": f"{reading.usual_s:.1f} s",
        "time_verdict": readings.time_verdict(reading),
        "evidence_bar": _markup(readings.evidence_bar(reading), look),
        "evidence": readings.percent(reading.evidence),
        "floor": readings.percent(reading.evidence_floor),
        "evidence_verdict": readings.evidence_verdict(reading),
    }


def _reading_notes(score: Score) -> list[Text]:
    if not score.steps:
        return [words.no_readings(score.decision)]
    without_floor = any(reading.evidence_floor is None for reading in score.steps)
    return [words.no_evidence_floor()] if without_floor else []


def _reading_keys() -> list[tuple[Markup, Text]]:
    look = 'class="key" aria-hidden="true"'
    return [(_markup(drawing, look), text) for drawing, text in readings.bar_keys()]


def _spans(review: Review) -> Iterator[dict[str, object]]:
    golds = dict(reversed(review.golds[0].steps))
    for span in review.alignment.spans:
        gold = golds.get(span.step) if span.kind is SpanKind.STEP and span.step is not None else None
        yield {
            "name": _span_name(review.task, span),
            "colour": step_colour(span.step)
            if span.kind is SpanKind.STEP and span.step is not None
            else NO_STEP,
            "trainee": _times(span.segment),
            "length": f"{span.segment.duration_s:.1f} s",
            "gold": None if gold is None else _times(gold),
            "gold_length": "–" if gold is None else f"{gold.duration_s:.1f} s",
        }


def _span_name(task: TaskSpec, span: Span) -> Text:
    if span.kind is SpanKind.STEP and span.step is not None:
        return words.numbered(task, span.step)
    return words.FROZEN if span.kind is SpanKind.FROZEN else words.UNKNOWN


def _times(segment: Segment) -> str:
    start = words.timecode(segment.start_s)
    return f"{start} – {words.timecode(segment.end_s)}" if segment else start


def _label(name: str) -> Text:
    return words.FIELDS.get(name, Text(name, name))


def _figures(review: Review) -> list[tuple[Text, str]]:
    score, task, floor = review.score, review.task, review.noise_floor_score
    return [
        (Text("Score", "得点"), "–" if score.score is None else f"{score.score:.1f}"),
        (
            Text("90 % interval", "90 % 区間"),
            "–" if score.interval is None else f"{score.interval[0]:.1f}–{score.interval[1]:.1f}",
        ),
        (Text("Pass from", "合格点"), f"{task.pass_score:g}"),
        (Text("Retrain below", "再訓練点（未満）"), f"{task.retrain_score:g}"),
        (
            Text("Noise floor: lowest gold against the others", "ノイズフロア（お手本同士の最低点）"),
            "–" if floor is None else f"{floor:.1f}",
        ),
        (
            Text("Probability of a critical deviation", "重大な逸脱の確率"),
            f"{score.critical_probability:.2f}",
        ),
        (
            Text("Log-odds against “correct” (nats)", "「正しい手順」に対する対数オッズ"),
            f"{review.alignment.log_odds:.1f}",
        ),
        (
            Text(
                "Fit (match, against what golds reach among themselves)",
                "一致度（お手本どうしの一致に対する割合）",
            ),
            f"{score.fit:.0%}",
        ),
        (Text("DTW cost per step of the path", "DTW 正規化コスト"), f"{score.dtw_normalized_cost:.3f}"),
        (Text("Time over", "超過時間の比率"), f"{score.over_time_ratio:.2f}"),
        (Text("Length", "長さ"), f"{review.alignment.duration_s:.1f} s"),
    ]


def _payload(review: Review) -> Json:
    found = review.score.deviations
    return {
        "fps": float(PROXY_FPS),
        "lead_s": LEAD_S,
        "duration_s": round(review.alignment.duration_s, 3),
        "spans": [
            _named_time(span.segment, _span_name(review.task, span)) for span in review.alignment.spans
        ],
        "golds": [_gold_payload(review, gold) for gold in review.golds],
        "deviations": [
            {
                "severity": "suspected" if number >= len(found) else deviation.severity.value,
                "quiet": number >= len(found) and review.score.decision is Decision.PASS,
                "trainee": _pair(deviation.trainee),
                "gold": review.gold_index(deviation),
                "gold_time": None if deviation.gold is None else _pair(deviation.gold),
            }
            for number, deviation in enumerate(review.shown)
        ],
        "strip": {"left": LEFT, "right": RIGHT, "gold": GOLD_ROW, "trainee": TRAINEE_ROW, "width": WIDTH},
    }


def _gold_payload(review: Review, gold: ReviewGold) -> Json:
    table = sync_table(review.alignment, gold_id=gold.gold_id, gold_steps=gold.steps)
    return {
        "id": gold.gold_id,
        "end_s": max([segment.end_s for _, segment in gold.steps], default=table[-1][1]),
        "strip_s": round(strip_scale(review.alignment, gold.steps).span_s, 3),
        "sync": table,
        "steps": [_named_time(segment, words.numbered(review.task, step)) for step, segment in gold.steps],
    }


def _named_time(segment: Segment, name: Text) -> Json:
    return {"time": _pair(segment), "en": name.en, "ja": name.ja}


def _pair(segment: Segment) -> tuple[float, float]:
    return round(segment.start_s, 3), round(segment.end_s, 3)
