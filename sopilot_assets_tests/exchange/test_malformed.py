"""Of a file with a fault nothing is taken, and the fault is named by its place and reason."""

from __future__ import annotations

import contextlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopilot_assets.errors import ExchangeError
from sopilot_assets.exchange.formats import FileFormat, written
from sopilot_assets_tests.counted_calls import counted_calls
from sopilot_assets_tests.exchange.recorded import EVERY_40_MS, GUIDE, TAKE, VOCABULARY, read, video
from sopilot_assets_tests.exchange.test_tools import VIA_CSV, cvat, cvat_track

OURS: Final = {
    form: written(form, [video(0, ("open_cover", 0, 4517), ("pull_filter", 4517, 9123))], VOCABULARY)[
        1
    ].decode()
    for form in FileFormat
}
BOMB: Final = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
OUTSIDE: Final = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>'
Case = tuple[str | bytes, str]
Change = Callable[[Any], object]


def put(form: FileFormat, old: str, new: str) -> str:
    """The file that we write, with something else in it."""
    assert old in OURS[form], f"{old!r} is not in {OURS[form]}"
    return OURS[form].replace(old, new)


def via(change: Change) -> str:
    """The VIA project that we write, changed and indented."""
    project = json.loads(OURS[FileFormat.VIA])
    change(project)
    return json.dumps(project, indent=1)


def label_studio(change: Change) -> str:
    """The tasks that we write, changed."""
    tasks = json.loads(OURS[FileFormat.LABEL_STUDIO])
    change(tasks)
    return json.dumps(tasks, indent=1)


def region(change: Change) -> str:
    """The tasks that we write, with the first region changed and without the time that it keeps."""

    def changed(tasks: Any) -> None:
        first = tasks[0]["annotations"][0]["result"][0]
        del first["meta"]
        change(first["value"])

    return label_studio(changed)


def boris(change: Change, **more: object) -> str:
    """The project that we write, with its observation changed."""
    project = json.loads(OURS[FileFormat.BORIS])
    change(project["observations"][GUIDE])
    return json.dumps({**project, **more}, ensure_ascii=False, indent=1)


def twice_in_boris() -> str:
    """A project with two observations of one recording."""
    project = json.loads(OURS[FileFormat.BORIS])
    project["observations"]["again"] = project["observations"][GUIDE]
    return json.dumps(project, indent=1)


def table(*rows: str, header: str = "Observation id,Media file name,Subject,Behavior,Behavior type") -> str:
    """Aggregated events of BORIS with few columns."""
    return "\n".join([f"{header},Start (s),Stop (s)", *rows, ""])


CASES: Final[Mapping[FileFormat, tuple[Case, ...]]] = {
    FileFormat.CSV: (
        ("", "found an empty file"),
        ("video,start_s,end_s\n", "line 1: expected different names of columns"),
        (
            f"video,step,start_s,end_s\n{TAKE},open_cver,0,1\n",
            "line 2, column step: .*did you mean open_cover",
        ),
        (f"video,step,start_s,end_s\n{TAKE},open_cover,1,1\n", "line 2, column end_s: expected an end after"),
        (f"video,step,start_s,end_s\n{TAKE},open_cover,-1,1\n", "line 2, column start_s: expected seconds"),
        (
            f"video;step;start_s;end_s\r\n{TAKE};open_cover;0,5;99,5\r\n",
            "line 2, column end_s: .*within the 60",
        ),
        (
            f"video,step,start_s,end_s\n{TAKE},open_cover,0,3\n{TAKE},open_cover,0,3\n",
            "line 3: the step from 0 s overlaps the one of line 2",
        ),
        (f'video,step,start_s,end_s\n"{TAKE},open_cover,0,3\n', "line 2: expected CSV"),
        ("video,step,start_s,end_s\n,open_cover,0,3\n", "line 2, column video: expected the file name"),
        (
            f"video,step,start_s,end_s\n{TAKE},open_cover,0:75,80\n".encode("utf-16-le"),
            "expected text in UTF-8",
        ),
    ),
    FileFormat.ELAN: (
        (OURS[FileFormat.ELAN][:-30], "line 2[0-9]+: expected XML, found"),
        (put(FileFormat.ELAN, "<HEADER", BOMB + "<HEADER"), "expected XML"),
        (BOMB + OURS[FileFormat.ELAN].partition("\n")[2], "line 1: a document type is not read"),
        (OUTSIDE + OURS[FileFormat.ELAN].partition("\n")[2], "line 1: a document type is not read"),
        (
            put(FileFormat.ELAN, 'TIME_VALUE="4517"', 'TIME_VALUE="4.5"'),
            "line 12 .*TIME_VALUE in whole milliseconds",
        ),
        (put(FileFormat.ELAN, ' TIME_VALUE="9123"', ""), "line [0-9]+ .*a time slot without a time"),
        (put(FileFormat.ELAN, 'REF2="ts2"', 'REF2="ts9"'), "line [0-9]+ .*no time slot of that id"),
        (put(FileFormat.ELAN, "UTF-8", "Shift_JIS"), "line 1: expected XML in UTF-8 or UTF-16"),
        (put(FileFormat.ELAN, "UTF-8", "X-NONE"), "line 1: expected XML"),
        (
            put(FileFormat.ELAN, 'TIME_UNITS="milliseconds"', 'TIME_UNITS="PAL-frames"'),
            "times in milliseconds",
        ),
        (
            put(FileFormat.ELAN, "VALUE>open_cover<", "VALUE>open_caver<"),
            "line [0-9]+ .*did you mean open_cover",
        ),
        (put(FileFormat.ELAN, "ANNOTATION_DOCUMENT", "TRANSCRIPT"), "expected <ANNOTATION_DOCUMENT>"),
        (put(FileFormat.ELAN, 'TIME_VALUE="0"', 'TIME_VALUE="8000"'), "expected an end after the start"),
        ("<ANNOTATION_DOCUMENT>" + "<A>" * 99, "line 1: more than .* inside each other"),
    ),
    FileFormat.VIA: (
        (OURS[FileFormat.VIA][:-9], "line 1: expected JSON"),
        ('{"metadata": {}, "fid_list": [' + "[" * 5000, "line 1: expected JSON"),
        (via(lambda it: it.pop("view")), "view: expected a value, found nothing"),
        (
            via(lambda it: it["metadata"]["1_00000000"].update(z=["0", 4])),
            "line 5[0-9], metadata.*expected a number",
        ),
        (OURS[FileFormat.VIA].replace("4.517", "NaN"), "expected"),
        (via(lambda it: it["metadata"]["1_00000000"].update(vid="9")), "line 5[0-9] .*a view of the project"),
        (via(lambda it: it["metadata"]["1_00000000"].update(av={})), "line 5[0-9] .*an attribute that says"),
        (via(lambda it: it["metadata"]["1_00000000"].update(z=[-2, 3])), "a begin within the recording"),
        (via(lambda it: it["metadata"]["1_00000000"].update(z=[0, 7])), "line .*overlaps the one of line"),
        (via(lambda it: it["metadata"]["1_00000000"].update(z=[1e9, 2e9])), "line 5[0-9] .*expected seconds"),
        (via(lambda it: it["view"].update({"1": {"fid_list": ["1", "2"]}})), "expected one video, found 2"),
    ),
    FileFormat.VIA_CSV: (
        (VIA_CSV.replace("# CSV_HEADER", "# HEADER"), "a line '# CSV_HEADER"),
        (VIA_CSV.replace("[0,4.51667]", "[0,4.5"), "line 7: expected JSON as VIA writes it"),
        (VIA_CSV.replace('""open_cover""', "open_cover"), "line 7: expected JSON as VIA writes it"),
        (VIA_CSV.replace(f'[""{GUIDE}""]', "[]"), "line 7: expected one video, found 0"),
        (VIA_CSV.replace('{""2"":""0""}', "{}"), "line 8: expected an attribute"),
        (VIA_CSV.replace('{""2"":""0""}', '{""2"":""7""}'), "line 8: expected one of the task's steps"),
        (VIA_CSV.replace("[0.25,2]", "[2,0.25]"), "line 9: expected an end after the start"),
        (VIA_CSV.replace("[0.25,2]", "[0.25,200]"), "line 9: expected an end within the 60"),
        (VIA_CSV.replace('"1_tGh9",', '"1_tGh9",7,'), "line 8: expected 6 cells, found 7"),
        (VIA_CSV.replace('"{""2"":""0""}"', '"{""2"":""0""'), "expected CSV"),
        (VIA_CSV.replace("[0,4.51667]", "[0,1e400]"), "line 7: expected JSON as VIA writes it"),
    ),
    FileFormat.LABEL_STUDIO: (
        ("[[[", "line 1: expected JSON"),
        (OURS[FileFormat.LABEL_STUDIO][:-40], "expected JSON, found EOF"),
        (b'[{"data": {"video": "\xff"}}]', "line 1: expected UTF-8"),
        (label_studio(lambda it: it[0].pop("data")), "line 2, .*data: expected a value"),
        (region(lambda it: it.update(ranges=[{"start": 0, "end": 9}])), "line [0-9]+ .*counted from 1"),
        (region(lambda it: it.update(ranges=[{"start": 9, "end": 3}])), "line [0-9]+ .*found 9 to 3"),
        (region(lambda it: it.update(ranges=[{"start": 1, "end": 9e6}])), "one of the 1500 pictures"),
        (region(lambda it: it.update(timelinelabels=[])), "line [0-9]+ .*expected a label"),
        (region(lambda it: it.update(timelinelabels=["opening"])), "line [0-9]+ .*one of the task's steps"),
        (region(lambda it: it.update(ranges=[{"start": "1", "end": 9}])), "line [0-9]+, .*expected a number"),
        (
            label_studio(lambda it: it[0].update(annotations=it[0]["annotations"] * 2)),
            "line 2 .*found 2; keep",
        ),
        (label_studio(lambda it: it[0].update(data={})), "does not say which recording"),
    ),
    FileFormat.BORIS: (
        (OURS[FileFormat.BORIS][:-3], "expected JSON, found EOF"),
        (boris(lambda _: None, observations=[]), "line [0-9]+, observations: expected"),
        (boris(lambda it: it["events"].pop()), "line [0-9]+ .*'pull_filter' begins and never ends"),
        (
            boris(lambda it: it["events"].append(["5", "", "open_cover"])),
            "line [0-9]+ .*expected time, subject",
        ),
        (boris(lambda it: it["events"].append([5, ""])), "line [0-9]+ .*expected time, subject"),
        (boris(lambda it: it["events"].append([5, "", "dance"])), "line [0-9]+ .*a behaviour of the project"),
        (boris(lambda it: it["file"].update({"1": [GUIDE, TAKE]})), "expected one video, found 2 one after"),
        (boris(lambda it: it.update({"time offset": 12.5})), "expected no time offset, found 12.5"),
        (boris(lambda it: it["events"][3].__setitem__(0, 3600.0)), "expected an end within the 60"),
        (boris(lambda it: it["events"][0].__setitem__(0, -1)), "a begin within the recording"),
        (OURS[FileFormat.BORIS].replace("State event", "Point event"), "found a single moment"),
        (twice_in_boris(), "line [0-9]+ .*expected one part about ガイド 01.mp4, found another"),
    ),
    FileFormat.BORIS_TABLE: (
        (table(f"a,{TAKE},,open_cover,STATE,0:75,9"), "line 2 .*expected seconds, found '0:75'"),
        (table(f"a,{TAKE},,open_cover,STATE,NA,9"), "line 2 .*expected seconds, found 'NA'"),
        (table(f"a,{TAKE},,open_caver,STATE,1,9"), "line 2: .*did you mean open_cover"),
        (table(f"a,{TAKE},,open_cover,STATE,9,1"), "line 2: expected an end after"),
        (table(f"a,{TAKE},,open_cover,POINT,9,9"), "line 2: .*found a single moment"),
        (table(f"a,{TAKE},,open_cover,STATE,1,9", f"a,{TAKE},,open_cover,STATE,1,9"), "line 3: .*overlaps"),
        (
            table(f"a,{TAKE},,open_cover,STATE,1,9", f"a,{GUIDE},,open_cover,STATE,9,11"),
            "line 2: .*one video",
        ),
        (table(f"a,{TAKE},,open_cover,STATE,1,9,stray"), "expected text below named columns"),
        ("Time,Behavior,Status\n1,open_cover,START\n", "line 2: .*begins and never ends"),
        ("Time,Behavior,Status\n1,open_cover,BEGUN\n", "line 2: expected START, STOP or POINT"),
        ("Time,Behavior,Status\n1,open_cover,STOP\n", "line 2: .*ends, and never began"),
    ),
    FileFormat.CVAT: (
        (cvat("", version="1.0"), "expected version 1.1, found '1.0'"),
        (cvat("<track"), "expected XML"),
        (BOMB + cvat("").partition("\n")[2], "line 1: a document type is not read"),
        (cvat('<track id="0" label="open_cover"></track>'), "line 6 .*expected shapes of the track"),
        (cvat(cvat_track("open_cover", (-1, 1, 0))), "line 6 .*expected the number of a picture"),
        (cvat(cvat_track("open_cover", (5, 1, 2))), "line 6 .*outside 0 or 1"),
        (cvat(cvat_track("open_cover", (9, 1, 0), (5, 1, 1))), "line 6 .*pictures in order"),
        (cvat(cvat_track("open_cover", (9, 1, 0), (5000, 1, 1))), "line 6 .*one of the 1500 pictures"),
        (cvat(cvat_track("dancing", (9, 1, 0), (50, 1, 1))), "line 6 .*one of the task's steps"),
        (cvat('<image id="x"><tag label="open_cover"/></image>'), "line 6 .*number of a picture \\(id\\)"),
        (put(FileFormat.CVAT, ">4.517<", ">4,517<"), "seconds with three decimals, found '4,517'"),
        (cvat(cvat_track("open_cover", (9, 1, 0)) * 2), "line 6 .*overlaps"),
    ),
}


@pytest.mark.parametrize(
    ("form", "data", "message"),
    [(form, *case) for form, cases in CASES.items() for case in cases],
    ids=[f"{form.value}-{place}" for form, cases in CASES.items() for place in range(len(cases))],
)
def test_a_malformed_file_is_refused_with_place_and_reason(
    form: FileFormat, data: str | bytes, message: str
) -> None:
    sent = data if isinstance(data, bytes) else data.encode()
    with pytest.raises(ExchangeError, match=message) as refused:
        read(sent, source="marks", told=form)
    assert str(refused.value).startswith("marks")
    assert str(refused.value).endswith("Nothing was taken.")
    assert refused.value.ja.endswith("何も取り込んでいません。")


def test_each_format_has_ten_malformed_files() -> None:
    assert {form: len(CASES[form]) >= 10 for form in FileFormat} == dict.fromkeys(FileFormat, True)


def test_a_zip_that_cannot_be_trusted_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for number in range(6):
            packed.writestr(f"{number}.csv", bytes(24 << 20))
    with pytest.raises(ExchangeError, match="at most 2000 files and 128 MiB"):
        read(out.getvalue(), source="big.zip")
    with pytest.raises(ExchangeError, match=r"broken\.zip: expected a ZIP that can be unpacked"):
        read(out.getvalue()[:-400], source="broken.zip")
    workbook = io.BytesIO()
    with zipfile.ZipFile(workbook, "w") as packed:
        packed.writestr("[Content_Types].xml", "<Types/>")
        packed.writestr("xl/workbook.xml", "<workbook/>")
    with pytest.raises(ExchangeError, match=r"steps\.xlsx: .*found an Excel workbook; .*'CSV UTF-8'"):
        read(workbook.getvalue(), source="steps.xlsx")
    twice = io.BytesIO()
    row = f"video,step,start_s,end_s\n{TAKE},open_cover,0,1\n"
    with zipfile.ZipFile(twice, "w") as packed:
        packed.writestr("a.csv", row)
        packed.writestr("b.csv", row)
    with pytest.raises(ExchangeError, match=r"two\.zip/b\.csv: two\.zip/a\.csv has steps of take&02.mp4 too"):
        read(twice.getvalue(), source="two.zip")


@given(st.lists(st.tuples(st.integers(4, 400), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_zip_with_bytes_that_flipped_is_read_or_refused(flips: list[tuple[int, int]]) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as into:
        into.writestr("手順.csv", f"video,step,start_s,end_s\n{TAKE},open_cover,0,1\n{TAKE},open_cover,1,3\n")
    damaged = bytearray(packed.getvalue())
    for place, value in flips:
        damaged[place % len(damaged)] = value
    with contextlib.suppress(ExchangeError):
        read(bytes(damaged), source="damaged.zip")


def test_a_file_for_another_recording_is_told() -> None:
    pictures = EVERY_40_MS
    ours = put(FileFormat.ELAN, "a" * 64, "c" * 64).encode()
    assert [
        "other content than ガイド 01.mp4" in one.en for one in read(ours, pictures=pictures).remarks
    ] == [True]
    renamed = put(FileFormat.ELAN, "01.mp4", "07.mp4").encode()
    (told,) = read(renamed, pictures=pictures).remarks
    assert "speaks of './%E3%82%AC%E3%82%A4%E3%83%89%2007.mp4', taken as ガイド 01.mp4" in told.en
    longer = boris(lambda it: it["media_info"].update(length={GUIDE: 72.0})).encode()
    (told,) = read(longer).remarks
    assert told.en.endswith("a recording of 72.0 s, ガイド 01.mp4 lasts 60.0 s: is it another one?")
    other = put(FileFormat.BORIS, GUIDE, "x.mp4").replace("a" * 64, "").encode()
    assert ["no gold is called 'x.mp4'" in one.en for one in read(other).strangers] == [True]


def test_a_border_that_was_moved_in_a_tool_is_where_its_picture_is() -> None:
    moved = put(FileFormat.LABEL_STUDIO, '"end": 113', '"end": 112').encode()
    (steps,) = read(moved).golds.values()
    assert [(one.segment.start_s, one.segment.end_s) for one in steps.steps] == [(0.0, 4.48), (4.517, 9.123)]


def test_of_very_many_faults_the_first_are_told_and_the_others_counted() -> None:
    def work(count: int) -> int:
        project = json.loads(OURS[FileFormat.BORIS])
        project["behaviors_conf"]["9"] = {"type": "State event", "code": "dance"}
        events = project["observations"][GUIDE]["events"]
        events += [[time_s, "", "dance", "", "", 0] for time_s in range(2 * count)]

        def refused() -> str:
            with pytest.raises(ExchangeError) as found:
                read(json.dumps(project).encode())
            return str(found.value)

        said = refused()
        assert re.search(rf"And {count - 20} more\. Nothing was taken\.$", said)
        assert said.count("found 'dance'") == 20
        return counted_calls(refused).total()

    assert work(1000) < 11 * work(100), "ten times as many are ten times the work, not a hundred times"
