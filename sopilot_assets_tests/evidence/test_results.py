"""What a station published is read back in the shape that it has to have."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from sopilot_assets.errors import StudyError
from sopilot_assets.evidence.results import Results
from sopilot_assets.store.home import Home

LABELS = TypeAdapter(dict[str, int])


def results(home: Home, data: bytes) -> Results:
    found = Results(home, "spring")
    stamps = {"run_id": "r", "written_at": "2026-03-02T08:00:00+00:00"}
    found.publish("gate_reports", {"counts.json": data}, made_from=(), **stamps)
    return found


def test_a_file_is_read_in_its_shape(home: Home) -> None:
    assert results(home, b'{"a": 3}').read_json("counts.json", LABELS) == {"a": 3}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"a": "three"}', r"counts\.json: a: .*valid integer.*found three.*Materialize gate_reports again"),
        (b"[1]", r"counts\.json: the whole file: .*found \[1\]"),
        (b"{", r"counts\.json: the whole file: Invalid JSON"),
    ],
)
def test_another_shape_is_named_with_its_place_and_what_to_do(home: Home, data: bytes, said: str) -> None:
    with pytest.raises(StudyError, match=said):
        results(home, data).read_json("counts.json", LABELS)
