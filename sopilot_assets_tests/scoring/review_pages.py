"""A made-up result with its alignment, and a review page taken apart."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from html.parser import HTMLParser

import numpy as np

from sopilot_assets.alignment.spans import Alignment, Span, SpanKind, Warp
from sopilot_assets.scoring.result import Decision, Deviation, Score
from sopilot_assets.segments import Segment
from sopilot_assets.tasks import DeviationType, Severity, Step, TaskSpec
from sopilot_assets.texts.languages import Text

GOLD, OTHER_GOLD, VIDEO = "a" * 12, "c" * 12, "b" * 12

HOSTILE = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;\u2028.mp4"

VOID = {"meta", "input", "br", "img", "link"}

TASK = TaskSpec(
    task_id="filter_change",
    name="Filter change",
    name_ja="フィルター交換",
    version=3,
    steps=(
        Step(id="open", name="Open the lid", name_ja="蓋を開ける"),
        Step(id="swap", name="Swap the filter", name_ja="フィルターを替える"),
        Step(id="close", name="Close the lid"),
    ),
)

GOLD_STEPS = ((0, Segment(0.0, 1.0)), (1, Segment(1.0, 2.0)), (2, Segment(2.0, 3.0)))

MISSING = Deviation(
    type=DeviationType.MISSING_STEP,
    severity=Severity.CRITICAL,
    step_ids=("swap",),
    trainee=Segment(1.5, 1.5),
    gold_id=GOLD,
    gold=Segment(1.0, 2.0),
    confidence=0.934,
    text=Text("Step 2 was not found.", "手順2が見つかりません。"),
)

FREEZE = Deviation(
    type=DeviationType.FREEZE,
    severity=Severity.QUALITY,
    step_ids=(),
    trainee=Segment(2.0, 2.5),
    gold_id=GOLD,
    gold=None,
    confidence=1.0,
    text=Text("The picture stands still.", "映像が停止しています。"),
)


def make_alignment() -> Alignment:
    middles = np.array([0.5, 1.0, 1.5, 2.0, 2.5])
    posterior = np.full((5, 4), 0.1, np.float32)
    posterior[[0, 1, 2, 3, 4], [0, 0, 2, 3, 2]] = 0.7
    return Alignment(
        video_id=VIDEO,
        reference_id="d" * 12,
        spans=(
            Span(SpanKind.STEP, Segment(0.0, 1.5), 0, 1.2),
            Span(SpanKind.UNKNOWN, Segment(1.5, 2.0), None, 0.1),
            Span(SpanKind.FROZEN, Segment(2.0, 2.5), None, 0.0),
            Span(SpanKind.STEP, Segment(2.5, 3.0), 2, 0.8),
        ),
        edits=(),
        log_odds=4.2,
        fit=-0.5,
        warp=Warp(GOLD, np.array([0.5, 1.0, 1.0, 2.0, 2.5]), middles, 0.12),
        clip_middle_s=middles,
        posterior=posterior,
        duration_s=3.0,
        held_out="person",
    )


def make_score(**changes: object) -> Score:
    score = Score(
        video_id=VIDEO,
        score=61.66,
        decision=Decision.FAIL,
        reason=Text("A critical step is missing.", "重大な手順が抜けています。"),
        deviations=(MISSING, FREEZE),
        critical_probability=0.9,
        dtw_normalized_cost=0.12,
        over_time_ratio=0.0,
        fit=-0.5,
    )
    return dataclasses.replace(score, **changes)  # type: ignore[arg-type]


@dataclass
class Page(HTMLParser):
    """The elements of a page as (tag, attributes) and the text of each kind of element."""

    text: str
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)
    unbalanced: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.feed(self.text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.open[-1] if self.open else "", []).append(data)

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def words(self) -> str:
        return " ".join(
            text for tag, texts in self.texts.items() if tag not in ("script", "style") for text in texts
        )

    def data(self) -> dict[str, object]:
        return json.loads(next(text for text in self.texts["script"] if text.startswith("{")))
