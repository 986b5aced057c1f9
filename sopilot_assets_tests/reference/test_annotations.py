"""Step annotations are read line by line, and a bad line is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from upath import UPath

from sopilot_assets.errors import GoldError
from sopilot_assets.reference.annotations import StepInterval, read_steps_csv
from sopilot_assets.segments import Segment

STEPS = ("open", "clean", "close")
HEADER = "video,step,start_s,end_s\n"


def written(folder: Path, text: str) -> UPath:
    path = UPath(folder / "steps.csv")
    path.write_text(text, encoding="utf-8")
    return path


def test_steps_come_in_order_of_time_by_video(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeff" + HEADER + "a.mp4,close,4,6\na.mp4,open,0,4\nb.mp4,open,1.5,2\n")
    assert read_steps_csv(path, STEPS) == {
        "a.mp4": (StepInterval(0, Segment(0.0, 4.0)), StepInterval(2, Segment(4.0, 6.0))),
        "b.mp4": (StepInterval(0, Segment(1.5, 2.0)),),
    }


def test_no_file_means_no_annotations(tmp_path: Path) -> None:
    assert read_steps_csv(UPath(tmp_path / "steps.csv"), STEPS) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "video,step,start,end\n",
            "expected the columns video,step,start_s,end_s, found video,step,start,end",
        ),
        ("", "expected the columns"),
        (
            HEADER + "a,open,0,1\na,polish,1,2\n",
            "line 3: unknown step 'polish'; the task's steps are open, clean",
        ),
        (HEADER + "a,open,zero,1\n", "line 2: expected seconds in start_s and end_s, found 'zero' and '1'"),
        (HEADER + "a,open,2,1\n", "line 2: expected 0 <= start_s < end_s, found 2 and 1"),
        (HEADER + "a,open,-1,1\n", "expected 0 <= start_s"),
        (HEADER + "a,open,0,inf\n", "expected 0 <= start_s < end_s"),
        (HEADER + "a,open,nan,1\n", "expected 0 <= start_s < end_s"),
        (HEADER + "a,open\n", "expected seconds"),
        (HEADER + "a,open,0,3\na,clean,2,4\n", "video a: the steps at 0 s and 2 s overlap"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(GoldError) as caught:
        read_steps_csv(path, STEPS)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
