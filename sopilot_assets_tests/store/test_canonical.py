"""Two forms of JSON, and ids of content."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopilot_assets.old_rules.choices import SplitRatios
from sopilot_assets.store.canonical import canonical_json, content_id, pretty_json, rounded
from sopilot_assets.studies.spec import Detector

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_infinity=False) | st.text()
DATA = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(st.dictionaries(st.text(), DATA))
def test_an_id_does_not_depend_on_the_order_of_keys(data: dict[str, object]) -> None:
    backwards = dict(reversed(data.items()))
    assert canonical_json(data) == canonical_json(backwards)
    assert content_id(data) == content_id(backwards)
    assert json.loads(pretty_json(data)) == json.loads(canonical_json(data))


@given(DATA)
def test_what_is_read_back_has_the_same_id(data: object) -> None:
    assert content_id(json.loads(canonical_json(data))) == content_id(data)


def test_models_enums_and_arrays_are_plain_data() -> None:
    value = {
        "ratios": SplitRatios(),
        "detector": Detector.CALIBRATED_V1,
        "n": np.int64(3),
        "rates": np.array([0.5, math.nan]),
    }
    assert canonical_json(value) == (
        b'{"detector":"calibrated_v1","n":3,"rates":[0.5,null],'
        b'"ratios":{"challenge":0.2,"dev":0.6,"test":0.2}}'
    )


def test_numbers_are_rounded_and_never_minus_zero() -> None:
    assert rounded({"a": [1 / 3, -1e-9], "n": 2}) == {"a": [0.333333, 0.0], "n": 2}
    assert math.copysign(1, rounded(-1e-9)) == 1


@pytest.mark.parametrize(
    ("value", "error"), [(math.inf, ValueError), ({1, 2}, TypeError), (b"bytes", TypeError)]
)
def test_what_json_cannot_say_is_refused(value: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        canonical_json(value)


def test_people_read_text_and_an_end_of_line() -> None:
    assert pretty_json({"name": "作業"}) == '{\n "name": "作業"\n}\n'.encode()
