"""What blind labels say of a recording: whether it shows the procedure done right, and if not, why not."""

from __future__ import annotations

from collections.abc import Sequence

from sopilot_assets.labels.events import LabelEvent, Source
from sopilot_assets.labels.state import counting_events
from sopilot_assets.texts.languages import Text


def why_not_right(events: Sequence[LabelEvent]) -> dict[str, Text | None]:
    """Why blind labels do not say that a recording is right, by key, None where they do; ``events`` are those
    of its task. Recordings that nobody labeled blind are left out.

    Right is what all blind raters call not critical without naming any deviation, or what the newest blind
    label that settles their disagreement calls so. Somebody who cannot say contradicts nobody.
    """
    by_key: dict[str, list[LabelEvent]] = {}
    for event, _ in counting_events(events, [Source.BLIND_HUMAN]):
        by_key.setdefault(event.key, []).append(event)
    return {key: _why_not(labels) for key, labels in sorted(by_key.items())}


NOT_LABELED = Text("nobody labeled it blind", "ブラインドの評価がありません")


def _why_not(labels: Sequence[LabelEvent]) -> Text | None:
    settled = [event for event in labels if event.adjudicates]
    newest = {event.who: event for event in labels if not event.adjudicates}
    counting = settled[-1:] or [one for one in newest.values() if one.critical_expected is not None]
    said = {event.critical_expected for event in counting}
    who = ", ".join(sorted({event.who for event in counting}))
    if len(said) > 1:
        return Text(f"{who} disagree about it, and nobody settled that", f"{who} の評価が分かれたままです")
    if said == {True}:
        return Text(f"{who} saw a critical deviation", f"{who} が重大な逸脱を見つけています")
    if said != {False}:
        return Text("nobody who labeled it blind could say", "ブラインドで評価できた人がいません")
    named = sorted({str(one) for event in counting for one in event.seen})
    if named:
        listed = ", ".join(named)
        return Text(f"{who} saw deviations: {listed}", f"{who} が逸脱を見つけています：{listed}")
    return None
