"""Time segments: half-open, ordered, in seconds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True, slots=True)
class Segment:
    """The half-open interval ``[start_s, end_s)`` in seconds.

    >>> Segment(1.0, 3.0).duration_s
    2.0
    >>> Segment(1.0, 3.0) & Segment(2.0, 5.0)
    Segment(start_s=2.0, end_s=3.0)
    >>> bool(Segment(1.0, 2.0) & Segment(2.0, 3.0))
    False
    >>> round(Segment(0.0, 4.0).iou(Segment(2.0, 4.0)), 3)
    0.5
    """

    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        """The length in seconds; 0 for an empty segment."""
        return max(self.end_s - self.start_s, 0.0)

    @property
    def middle_s(self) -> float:
        """The middle of the segment, in seconds."""
        return (self.start_s + self.end_s) / 2

    def __bool__(self) -> bool:
        return self.end_s > self.start_s

    def __and__(self, other: Segment) -> Segment:
        start_s = max(self.start_s, other.start_s)
        return Segment(start_s, max(min(self.end_s, other.end_s), start_s))

    def iou(self, other: Segment) -> float:
        """Intersection over union of two segments, in [0, 1]; 0 when both are empty."""
        shared_s = (self & other).duration_s
        union_s = self.duration_s + other.duration_s - shared_s
        return shared_s / union_s if union_s > 0 else 0.0
