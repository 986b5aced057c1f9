"""Why blind labels do not call a recording right, in words that do not mistake a label for a decision."""

from __future__ import annotations

import pytest

from sopilot_assets.labels.blind import NOT_LABELED, why_not_right
from sopilot_assets.labels.chain import read_chain
from sopilot_assets.store.home import Home
from sopilot_assets.texts.languages import Text
from sopilot_assets_tests.labels.made_up import TASK, append, draft


def why(home: Home, *said: tuple[str, bool | None]) -> Text:
    append(home, *(draft("job-1", who, critical) for who, critical in said))
    reason = why_not_right(read_chain(home, TASK)).get("job-1", NOT_LABELED)
    assert reason is not None
    return reason


@pytest.mark.parametrize(
    ("said", "english", "japanese"),
    [
        ((), "nobody labeled it blind", "ブラインドの評価がありません"),
        ((("ann", True), ("bob", False)), "ann, bob disagree about it", "ann, bob の評価が分かれたまま"),
        ((("ann", None),), "nobody who labeled it blind could say", "ブラインドで評価できた人がいません"),
    ],
)
def test_in_japanese_a_label_is_not_called_a_decision(
    home: Home, said: tuple[tuple[str, bool | None], ...], english: str, japanese: str
) -> None:
    reason = why(home, *said)
    assert english in reason.en
    assert japanese in reason.ja
