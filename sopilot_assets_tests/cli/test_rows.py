"""Numbers as tables of the command line show them."""

from __future__ import annotations

import pytest

from sopilot_assets.cli.rows import figure
from sopilot_assets.store.ledgers import Cell


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.12345, "0.123"), (98.76, "98.8"), (999.96, "1000"), (1234.0, "1234"), (12, 12), (None, None)],
)
def test_a_count_of_a_thousand_recordings_is_written_out(value: Cell, shown: Cell) -> None:
    assert figure(value) == shown
