"""What is written in a format and read back keeps every border to the millisecond."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopilot_assets.exchange.formats import FORMATS, FileFormat, format_of, written
from sopilot_assets_tests.exchange.recorded import (
    NAMES,
    VOCABULARY,
    marked,
    milliseconds,
    pictures,
    read,
    video,
)


@pytest.mark.parametrize("form", list(FileFormat))
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_every_border_comes_back_to_the_millisecond(form: FileFormat, data: st.DataObject) -> None:
    shown = data.draw(pictures())
    steps = [data.draw(marked(shown)) for _ in NAMES]
    videos = [video(place, *one, pictures=shown) for place, one in enumerate(steps)]
    suffix, file = written(form, videos, VOCABULARY)
    assert suffix in (FORMATS[form].suffix, ".zip")
    if suffix != ".zip":
        assert format_of(file) is form
    said = read(file, pictures=shown)
    assert milliseconds(said) == dict(zip(NAMES, map(list, steps), strict=True))
    assert said.remarks == said.strangers == ()
    assert written(form, videos, VOCABULARY) == (suffix, file)
