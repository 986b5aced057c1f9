"""Step annotations are read as spreadsheets write them, and what cannot be taken is named by line."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from upath import UPath

from sopilot_assets.reference.annotations import Annotations, GoldNames, StepInterval, read_annotations
from sopilot_assets.reference.step_names import StepNames
from sopilot_assets.segments import Segment

STEPS = StepNames(("open", "clean", "close"), {"フタを 開ける": (0,), "open the lid": (0,), "wipe": (1, 2)})
HEADER = "video,step,start_s,end_s\n"
A, B, TWIN = "aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"
GOLDS = (
    GoldNames(A, "tea/gold/line1/ガイド.mp4", 66.0, ("a" * 64,)),
    GoldNames(B, "tea/gold/line1/IMG_0001.mp4", 60.0),
    GoldNames(TWIN, "tea/gold/line2/IMG_0001.mp4", 60.0),
)
OPEN = {A: (StepInterval(0, Segment(0.0, 4.5)),)}


def read(folder: Path, data: str | bytes) -> Annotations:
    path = UPath(folder / "steps.csv")
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read_annotations(path, STEPS, GOLDS, source="tea/steps.csv")


def test_steps_come_in_order_of_time_by_gold(tmp_path: Path) -> None:
    found = read(
        tmp_path, "\ufeff" + HEADER + f"{A},close,4,6\n{A},open,0,4\nline1/IMG_0001.mp4,open,1.5,2\n"
    )
    assert found == Annotations(
        {
            A: (StepInterval(0, Segment(0.0, 4.0)), StepInterval(2, Segment(4.0, 6.0))),
            B: (StepInterval(0, Segment(1.5, 2.0)),),
        }
    )


def test_no_file_means_no_annotations(tmp_path: Path) -> None:
    assert read_annotations(UPath(tmp_path / "steps.csv"), STEPS, GOLDS, source="x") == Annotations()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp932"])
@pytest.mark.parametrize(
    "text",
    [
        HEADER + "ガイド.mp4,open,0,4.5\n",
        "video;step;start_s;end_s\r\nガイド.mp4;open;0;4,5\r\n;;;\r\n",
        'video,step,start_s,end_s\nガイド.mp4,open,"0","4,5"\n',
        "video\tstep\tstart_s\tend_s\nガイド.mp4\topen\t0:00\t0:04.5\n",
        "video,step,start_s,end_s,,,\n ガイド.mp4 ,open,0:00:00,0:00:04.5,,,\n,,,,,,\n",
        "note,step,video,end_s,start_s\n,open,ガイド.mp4,４．５,0\n",
        "sep=;\r\nFile;Step;Start;End\r\nガイド.mp4;OPEN;0;4,5\r\n",
        "動画,手順,開始,終了\r\nガイド.mp4,ﾌﾀを 開ける,0:00.0,00:04.5\r\n",
    ],
    ids=[
        "plain",
        "semicolons",
        "quoted commas",
        "tabs and minutes",
        "trailing commas",
        "other columns",
        "told separator",
        "Japanese",
    ],
)
def test_what_spreadsheets_write_is_read(tmp_path: Path, text: str, encoding: str) -> None:
    assert read(tmp_path, text.encode(encoding)) == Annotations(OPEN)


@pytest.mark.parametrize(
    "name",
    [
        unicodedata.normalize("NFD", "ガイド.mp4"),
        "line1/ガイド.mp4",
        "line1\\ガイド.mp4",
        "./gold/line1/ガイド.mp4",
        A,
        "a" * 64,
    ],
)
def test_a_gold_is_found_by_its_name_its_folder_and_its_hash(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, HEADER + f"{name},open,0,4.5\n") == Annotations(OPEN)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "video,step,start,till\n",
            (
                "line 1: expected different names of columns, among them video, step, start_s, end_s, "
                "found video, step, start_s, till"
            ),
        ),
        ("", "line 1: expected different names of columns"),
        (
            HEADER + f"{A},open,0,1\n{A},polish,1,2\n",
            "column step: expected one of the task's steps, found 'polish'; they are open, clean, close",
        ),
        (
            HEADER + f"{A},Wipe,0,1\n",
            "several steps are called 'Wipe'; say which by its id: open, clean, close",
        ),
        (HEADER + f"{A},cloes,0,1\n", "found 'cloes' (did you mean close?); they are open, clean, close"),
        (
            HEADER + f"{A},open,zero,1\n",
            "line 2, column start_s: expected seconds (66.4) or minutes",
        ),
        (HEADER + f"{A},open,0,1:75\n", "line 2, column end_s: expected seconds"),
        (
            HEADER + f"{A},open,2,1\n",
            "line 2, column end_s: expected an end after the start, found 2 s to 1 s",
        ),
        (HEADER + f"{A},open,-1,1\n", "column start_s: expected seconds"),
        (HEADER + f"{A},open,0,inf\n", "column end_s: expected seconds"),
        (HEADER + f"{A},open\n", "column start_s: expected seconds"),
        (HEADER + f"{A},open,0,4,5\n", "line 2: expected text below named columns only"),
        (HEADER + ",open,0,4\n", "line 2, column video: expected the file name of a gold, found nothing"),
        (HEADER + f"{A},open,0,3\n{A},clean,2,4\n", "line 3: the step from 2 s overlaps the one of line 2"),
        (
            HEADER + f"{A},open,0,125\n{A},clean,125,1650\n",
            (
                "line 2, column end_s: expected an end within the 66.0 s of ガイド.mp4, found 125 s. "
                "Times are in seconds, not frames"
            ),
        ),
        (
            HEADER + "IMG_0001.mp4,open,0,4\n",
            (
                "line 2, column video: 2 golds are called 'IMG_0001.mp4': tea/gold/line1/IMG_0001.mp4, "
                "tea/gold/line2/IMG_0001.mp4. Name the folder too, as in line1/IMG_0001.mp4"
            ),
        ),
    ],
)
def test_nothing_is_taken_of_a_file_with_a_fault_and_the_fault_is_named(
    tmp_path: Path, text: str, message: str
) -> None:
    found = read(tmp_path, text)
    assert not found.steps
    assert message in found.faults[0].en
    assert all("tea/steps.csv, line" in fault.en for fault in found.faults)
    assert all("tea/steps.csv" in fault.ja for fault in found.faults)


@pytest.mark.parametrize(
    "data",
    [(HEADER + "é.mp4,open,0,4.5\n").encode("cp1252"), (HEADER + f"{A},open,0,4\n").encode("utf-16-le")],
)
def test_another_encoding_is_refused_in_the_words_of_label_sheets(tmp_path: Path, data: bytes) -> None:
    (fault,) = read(tmp_path, data).faults
    assert "expected text in UTF-8, found other bytes. In Excel, save the sheet as 'CSV UTF-8'" in fault.en


def test_a_row_of_no_gold_is_named_and_the_others_count(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        HEADER + f"{A},open,0,4.5\nline3/IMG_0001.mp4,open,0,4\nガイト.mp4,open,0,4\nガイト.mp4,clean,4,9\n",
    )
    assert found.steps == OPEN
    assert [one.en for one in found.strangers] == [
        (
            "tea/steps.csv, line 3, column video: no gold is called 'line3/IMG_0001.mp4' (did you mean "
            "line2/IMG_0001.mp4?)"
        ),
        (
            "tea/steps.csv, line 4, column video: no gold is called 'ガイト.mp4' (did you mean ガイド.mp4?)"
            " (1 more rows say so)"
        ),
    ]


def test_whole_seconds_may_end_after_the_recording(tmp_path: Path) -> None:
    assert not read(tmp_path, HEADER + f"{A},open,60,67\n").faults
