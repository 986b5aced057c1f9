"""Durations as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopilot_assets.errors import ConfigError
from sopilot_assets.upkeep.campaign.durations import parse_duration, say_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("15m", 900),
        ("1h", 3600),
        ("96h", 345600),
        ("4d", 345600),
        ("1h30m", 5400),
        (" 2H ", 7200),
    ],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "h", "-1h", "0s", "1w", "1h 30", "1,5h", "nan", "1e3s"])
def test_what_is_no_duration_is_refused_with_its_name(text: str) -> None:
    with pytest.raises(ConfigError, match="--interval: expected a number above 0"):
        parse_duration(text, name="--interval")


@given(st.integers(min_value=1, max_value=59), st.sampled_from("smhd"))
def test_what_is_said_reads_back(count: int, unit: str) -> None:
    seconds = parse_duration(f"{count}{unit}")
    assert parse_duration(say_duration(seconds).replace(" ", "")) == seconds
