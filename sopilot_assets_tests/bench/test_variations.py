"""What `benchmarks.ablations` replaces is there, and what it puts in its place can be called alike."""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks._variations import VARIATIONS

REPLACED = {name: value for variation in VARIATIONS for name, value in variation.settings}


def parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


@pytest.mark.parametrize("name", REPLACED)
def test_what_is_replaced_can_be_called_as_before(name: str) -> None:
    before, after = pkgutil.resolve_name(f"sopilot_assets.{name}"), REPLACED[name]
    assert callable(before) == callable(after)
    if inspect.isfunction(before):
        positional = [None for one in parameters(before) if one.kind is not one.KEYWORD_ONLY]
        wanted = [
            one.name
            for one in parameters(before)
            if one.kind is one.KEYWORD_ONLY and one.default is one.empty
        ]
        inspect.signature(after).bind_partial(*positional, **dict.fromkeys(wanted))
