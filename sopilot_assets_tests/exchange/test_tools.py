"""Files as the tools themselves write them are read.

What lies in ``files/`` was written by these tools from recordings and steps made up here: pympi-ling 1.71,
the converter of label-studio-sdk 2.1.2, the exports of BORIS 8.27.4. The others below were typed after the
tools' own writers.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Final

import pytest

from sopilot_assets.errors import ExchangeError
from sopilot_assets.exchange.cvat import read_cvat
from sopilot_assets.exchange.formats import FileFormat, format_of, written
from sopilot_assets_tests.counted_calls import counted_calls
from sopilot_assets_tests.exchange.recorded import GUIDE, TAKE, VOCABULARY, milliseconds, read, video

FILES: Final = Path(__file__).parent / "files"

GUIDES: Final = [("open_cover", 0, 4517), ("pull_filter", 4517, 9123), ("close_cover", 9123, 60_000)]
TAKES: Final = [("open_cover", 250, 2000), ("open_cover", 3000, 5333)]

VIA_PROJECT: Final = {
    "project": {"pid": "__VIA_PROJECT_ID__", "rev": "1", "pname": "golds", "vid_list": ["1", "2"]},
    "config": {"ui": {}},
    "attribute": {
        "1": {"aname": "steps", "anchor_id": "FILE1_Z2_XY0", "type": 1, "options": {}},
        "2": {"aname": "step", "anchor_id": "FILE1_Z2_XY0", "type": 4, "options": {"0": "pull_filter"}},
        "3": {"aname": "screws", "anchor_id": "FILE1_Z0_XY1", "type": 3, "options": {"0": "hex"}},
    },
    "file": {
        "1": {"fid": "1", "fname": GUIDE, "type": 4, "loc": 1, "src": ""},
        "2": {"fid": "2", "fname": "", "type": 4, "loc": 2, "src": "https://media.example/v/take%2602.mp4"},
    },
    "metadata": {
        "1_aYbQ": {"vid": "1", "flg": 0, "z": [0, 4.51667], "xy": [], "av": {"1": "open_cover"}},
        "1_tGh9": {"vid": "1", "flg": 0, "z": [4.51667, 9.123], "xy": [], "av": {"2": "0"}},
        "2_PkXx": {"vid": "2", "flg": 0, "z": [0.25, 2], "xy": [], "av": {"1": "Open  the cover"}},
        "2_yL69": {"vid": "2", "flg": 0, "z": [1], "xy": [2, 5, 5, 9, 9], "av": {"3": "0"}},
    },
    "view": {"1": {"fid_list": ["1"]}, "2": {"fid_list": ["2"]}},
}
VIA_STEPS: Final = {
    GUIDE: [("open_cover", 0, 4517), ("pull_filter", 4517, 9123)],
    TAKE: [("open_cover", 250, 2000)],
}
VIA_CSV: Final = f"""\
# Exported using VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)
# Notes:
# - temporal coordinate of [1.349,2.741] denotes a temporal segment from time 1.346 sec. to 2.741 sec.
# FLAG_ID = {{"DEFAULT":0}}
# ATTRIBUTE = {json.dumps(VIA_PROJECT["attribute"])}
# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata
"1_aYbQ","[""{GUIDE}""]",0,"[0,4.51667]","[]","{{""1"":""open_cover""}}"
"1_tGh9","[""{GUIDE}""]",0,"[4.51667,9.123]","[]","{{""2"":""0""}}"
"2_PkXx","[""https://media.example/v/{TAKE}""]",0,"[0.25,2]","[]","{{""1"":""open_cover""}}"
"2_yL69","[""https://media.example/v/{TAKE}""]",0,"[1]","[2,5,5,9,9]","{{""3"":""0""}}"
"""
VIA_SEGMENTS: Final = f"""\
# Exported using VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)
# CSV_HEADER = metadata_id,file_list,temporal_segment_start,temporal_segment_end,metadata
"1_aYbQ","[""{GUIDE}""]",0,4.51667,"{{""steps"":""open_cover""}}"
"1_tGh9","[""{GUIDE}""]",4.51667,9.123,"{{""steps"":""pull_filter""}}"
"2_PkXx","[""{TAKE}""]",0.25,2,"{{""steps"":""open_cover""}}"
"""
BORIS_7_TABULAR: Final = f"""\
Observation id\tmonday\t\t\t\t\t\t\t
\t\t\t\t\t\t\t\t
Media file(s)\t\t\t\t\t\t\t\t
Player #1\t{GUIDE}\t\t\t\t\t\t\t
Time offset (s)\t0.0\t\t\t\t\t\t\t
independent variables\t\t\t\t\t\t\t\t
variable\tvalue\t\t\t\t\t\t\t
\t\t\t\t\t\t\t\t
Time\tMedia file path\tTotal length\tFPS\tSubject\tBehavior\tBehavioral category\tComment\tStatus
0.000\tD:/v/{GUIDE}\t60.000\t25.0\tann\topen_cover\t\t\tSTART
4.517\tD:/v/{GUIDE}\t60.000\t25.0\tann\topen_cover\t\t\tSTOP
4.517\tD:/v/{GUIDE}\t60.000\t25.0\tann\tpull_filter\t\t\tSTART
9.123\tD:/v/{GUIDE}\t60.000\t25.0\tann\tpull_filter\t\t\tSTOP
9.123\tD:/v/{GUIDE}\t60.000\t25.0\tann\tclose_cover\t\t\tSTART
60.000\tD:/v/{GUIDE}\t60.000\t25.0\tann\tclose_cover\t\t\tSTOP
"""
BORIS_7_AGGREGATED: Final = f"""\
Observation id,Observation date,Description,Media file,Total length,FPS,Subject,Behavior,Behavioral category,\
Modifiers,Behavior type,Start (s),Stop (s),Duration (s),Comment start,Comment stop
t,2020-12-01 23:01:31,,v/{TAKE},60.000,25.0,No focal subject,open_cover,,,STATE,3.000,5.333,2.333,,
t,2020-12-01 23:01:31,,v/{TAKE},60.000,25.0,No focal subject,open_cover,,,STATE,0.250,2.000,1.750,,
"""
LABEL_STUDIO: Final = [
    {
        "id": 7,
        "data": {"video": f"/data/upload/3/0a1b2c3d-{GUIDE.replace(' ', '%20')}"},
        "annotations": [
            {"id": 8, "was_cancelled": True, "result": []},
            {
                "id": 9,
                "completed_by": 1,
                "was_cancelled": False,
                "result": [
                    {
                        "id": "a1",
                        "type": "timelinelabels",
                        "from_name": "videoLabels",
                        "to_name": "video",
                        "origin": "manual",
                        "value": {"ranges": [{"start": 1, "end": 114}], "timelinelabels": ["open_cover"]},
                    },
                    {
                        "id": "a2",
                        "type": "timelinelabels",
                        "from_name": "videoLabels",
                        "to_name": "video",
                        "origin": "manual",
                        "value": {"ranges": [{"start": 114, "end": 228}], "timelinelabels": ["pull_filter"]},
                    },
                    {
                        "id": "a3",
                        "type": "videorectangle",
                        "from_name": "box",
                        "to_name": "video",
                        "value": {"framesCount": 1500, "duration": 60, "sequence": [{"frame": 1, "x": 1}]},
                    },
                ],
            },
        ],
        "predictions": [],
    },
    {
        "id": 8,
        "data": {"audio": f"/data/local-files/?d=golds/{TAKE}".replace("&", "%26")},
        "annotations": [
            {
                "id": 10,
                "result": [
                    {
                        "type": "labels",
                        "from_name": "tricks",
                        "value": {"start": 0.25, "end": 2.0, "channel": 0, "labels": ["open_cover"]},
                        "original_length": 60.0,
                    }
                ],
            }
        ],
    },
]


def cvat_track(label: str, *frames: tuple[int, int, int]) -> str:
    """A track as CVAT exports it: number of the picture, key frame, outside."""
    boxes = "".join(
        f'<box frame="{frame}" keyframe="{key}" outside="{outside}" occluded="0" xtl="1.00" ytl="2.00" '
        f'xbr="30.00" ybr="40.00" z_order="0"></box>'
        for frame, key, outside in frames
    )
    return f'<track id="0" label="{label}" source="manual">{boxes}</track>'


def cvat(body: str, *, version: str = "1.1") -> str:
    """A task's annotations as CVAT exports them."""
    return f"""<?xml version="1.0" encoding="utf-8"?>
<annotations>
<version>{version}</version>
<meta><task><id>2</id><name>golds</name><size>1500</size><mode>interpolation</mode>
<start_frame>0</start_frame><stop_frame>1499</stop_frame><source>{GUIDE}</source></task></meta>
{body}
</annotations>
"""


CVAT_VIDEO: Final = cvat(
    cvat_track("open_cover", *((frame, int(frame % 50 == 0), 0) for frame in range(113)), (113, 1, 1))
    + cvat_track("pull_filter", (113, 1, 0), (228, 1, 1))
    + cvat_track("close_cover", (228, 1, 0))
)
CVAT_TAGS: Final = cvat(
    "".join(
        f'<image id="{n}" name="frame_{n:06d}" width="640" height="480"><tag label="{label}" source="manual">'
        "</tag></image>"
        for label, pictures in (("open_cover", range(113)), ("pull_filter", range(113, 228)))
        for n in pictures
    )
)
GUIDE_FRAMES: Final = [("open_cover", 0, 4520), ("pull_filter", 4520, 9120), ("close_cover", 9120, 60_000)]

BY_TOOLS: Final = [
    ("pympi.eaf", FileFormat.ELAN, {TAKE: [("open_cover", 0, 4500), ("pull_filter", 4500, 9123)]}),
    ("pympi_again.eaf", FileFormat.ELAN, {GUIDE: GUIDES}),
    ("label_studio.json", FileFormat.LABEL_STUDIO, {GUIDE: GUIDES, TAKE: TAKES}),
    (
        "label_studio_min.json",
        FileFormat.LABEL_STUDIO,
        {GUIDE: GUIDE_FRAMES, TAKE: [("open_cover", 240, 2000), ("open_cover", 3000, 5320)]},
    ),
    ("boris_tabular.tsv", FileFormat.BORIS_TABLE, {GUIDE: GUIDES}),
    ("boris_aggregated.csv", FileFormat.BORIS_TABLE, {GUIDE: GUIDES, TAKE: TAKES}),
]
TYPED: Final = [
    (json.dumps(VIA_PROJECT), FileFormat.VIA, VIA_STEPS),
    (VIA_CSV, FileFormat.VIA_CSV, VIA_STEPS),
    (VIA_SEGMENTS, FileFormat.VIA_CSV, VIA_STEPS),
    (BORIS_7_TABULAR, FileFormat.BORIS_TABLE, {GUIDE: GUIDES}),
    (BORIS_7_AGGREGATED, FileFormat.BORIS_TABLE, {TAKE: TAKES}),
    (
        json.dumps(LABEL_STUDIO),
        FileFormat.LABEL_STUDIO,
        {GUIDE: GUIDE_FRAMES[:2], TAKE: [("open_cover", 250, 2000)]},
    ),
    (CVAT_VIDEO, FileFormat.CVAT, {GUIDE: GUIDE_FRAMES}),
    (CVAT_TAGS, FileFormat.CVAT, {GUIDE: GUIDE_FRAMES[:2]}),
]


@pytest.mark.parametrize(("name", "form", "steps"), BY_TOOLS, ids=lambda value: str(value)[:24])
def test_a_file_written_by_the_tool_itself_is_read(
    name: str, form: FileFormat, steps: dict[str, list[tuple[str, int, int]]]
) -> None:
    data = (FILES / name).read_bytes()
    assert format_of(data) is form
    assert milliseconds(read(data, source=name)) == steps


@pytest.mark.parametrize(("text", "form", "steps"), TYPED, ids=lambda value: str(value)[:24])
def test_a_file_in_the_form_that_the_tool_writes_is_read(
    text: str, form: FileFormat, steps: dict[str, list[tuple[str, int, int]]]
) -> None:
    assert format_of(text.encode()) is form
    assert milliseconds(read(text.encode())) == steps


def test_what_has_no_place_here_is_told() -> None:
    (told,) = read(json.dumps(VIA_PROJECT).encode()).remarks
    assert told.en == "steps: 1 regions in pictures and marks without a begin and an end are not read"
    (told,) = read(json.dumps(LABEL_STUDIO).encode()).remarks
    assert "1 regions without a begin and an end" in told.en
    (told,) = read((FILES / "pympi.eaf").read_bytes()).remarks
    assert told.en == "steps: not read, since it holds no steps: who"


ELAN: Final = f"""\
<ANNOTATION_DOCUMENT FORMAT="3.0" VERSION="3.0"><HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
<MEDIA_DESCRIPTOR MEDIA_URL="file:///v/sound.wav" MIME_TYPE="audio/x-wav"/>
<MEDIA_DESCRIPTOR MEDIA_URL="file:///v/{GUIDE}" MIME_TYPE="video/mp4" TIME_ORIGIN="200"/>
</HEADER><TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="0"/><TIME_SLOT TIME_SLOT_ID="ts2"/>
<TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="4517"/></TIME_ORDER>
<TIER TIER_ID="work"><ANNOTATION><ALIGNABLE_ANNOTATION TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts3">
<ANNOTATION_VALUE>open_cover</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>
<TIER TIER_ID="hands" PARENT_REF="work"><ANNOTATION><ALIGNABLE_ANNOTATION TIME_SLOT_REF1="ts1"
TIME_SLOT_REF2="ts2"><ANNOTATION_VALUE>left</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>
<ANNOTATION><ALIGNABLE_ANNOTATION TIME_SLOT_REF1="ts2" TIME_SLOT_REF2="ts3"><ANNOTATION_VALUE>right
</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER></ANNOTATION_DOCUMENT>
"""


def test_in_elan_the_video_says_when_time_begins_though_sound_comes_first() -> None:
    assert milliseconds(read(ELAN.encode())) == {GUIDE: [("open_cover", 200, 4717)]}


def test_in_elan_a_tier_that_divides_another_at_no_time_is_left_out() -> None:
    (told,) = read(ELAN.encode()).remarks
    assert told.en.endswith("not all of their annotations have times: the dependent tiers hands")


def test_in_elan_the_tiers_of_two_people_are_named_and_one_of_them_can_be_chosen() -> None:
    (tier,) = re.findall('<TIER TIER_ID="work">.*?</TIER>', ELAN, re.DOTALL)
    first = tier.replace('"work"', '"ann" ANNOTATOR="Ann"')
    both = ELAN.replace(tier, first + tier.replace('"work"', '"bob"'))
    with pytest.raises(ExchangeError) as refused:
        read(both.encode())
    assert str(refused.value).count("overlap") == 1
    assert "found the tiers ann (by Ann) and bob, whose steps overlap" in str(refused.value)
    chosen = both.replace('"bob"', '"steps"')
    assert milliseconds(read(chosen.encode())) == {GUIDE: [("open_cover", 200, 4717)]}


@pytest.mark.parametrize(
    "part",
    [
        '<image id="{0}" task_id="{1}"><tag label="open_cover"/></image>',
        '<track task_id="{1}" label="open_cover"><box frame="{0}0"/><box frame="{0}5" outside="1"/></track>',
    ],
)
def test_a_cvat_project_of_several_tasks_is_refused(part: str) -> None:
    document = _CVAT.replace('<track label="pull_filter"><box frame="%d"/></track>', "")
    videos = f"<meta><source>{GUIDE}</source><source>other.mp4</source>"
    one_task = (document % (9, part.format(1, 7) + part.format(2, 7))).replace("<meta>", videos)
    assert list(milliseconds(read(one_task.encode()))) == [GUIDE]
    with pytest.raises(ExchangeError, match="found those of several; export each task by itself"):
        read(one_task.replace('task_id="7"', 'task_id="8"', 1).encode())


def test_tracks_without_end_last_to_the_end_of_the_task_however_many_there_are() -> None:
    def work(count: int) -> int:
        tracks = (
            f'<track label="open_cover"><box frame="{2 * place}"/>{_OUTSIDE % (2 * place + 1)}</track>'
            for place in range(count)
        )
        document = (_CVAT % (2 * count, "".join(tracks), 2 * count)).encode()
        said = read_cvat(document, source="it").videos[0]
        last = said.intervals[-1]
        assert last.end is not None
        assert (len(said.intervals), last.end.frame) == (count + 1, 2 * count + 1)
        return counted_calls(lambda: read_cvat(document, source="it")).total()

    assert work(300) < 11 * work(30), "ten times as many are ten times the work, not a hundred times"


_OUTSIDE: Final = '<box frame="%d" outside="1"/>'
_CVAT: Final = (
    "<annotations><version>1.1</version><meta><task><stop_frame>%d</stop_frame></task></meta>"
    '%s<track label="pull_filter"><box frame="%d"/></track></annotations>'
)


def test_in_label_studio_a_relation_between_regions_is_left_out() -> None:
    tasks = json.loads(json.dumps(LABEL_STUDIO))
    relation = {"type": "relation", "from_id": "a1", "to_id": "a2", "direction": "right"}
    tasks[0]["annotations"][1]["result"].append(relation)
    said = read(json.dumps(tasks).encode())
    assert said.golds.keys() == read(json.dumps(LABEL_STUDIO).encode()).golds.keys()
    assert "2 regions without a begin and an end" in said.remarks[0].en


@pytest.mark.parametrize("form", [FileFormat.CSV, FileFormat.BORIS_TABLE])
def test_a_table_that_a_spreadsheet_saved_with_decimal_commas_is_read(form: FileFormat) -> None:
    steps = [("open_cover", 0, 4517), ("pull_filter", 4517, 9123)]
    _, data = written(form, [video(0, *steps)], VOCABULARY)
    saved = io.StringIO()
    rows = csv.writer(saved, delimiter=";", lineterminator="\r\n")
    for row in csv.reader(io.StringIO(data.decode("utf-8-sig"))):
        rows.writerow(re.sub(r"^([0-9]+)[.]([0-9]+)$", r"\1,\2", cell) for cell in row)
    assert milliseconds(read(saved.getvalue().encode("utf-8-sig"))) == {GUIDE: steps}


def test_a_spreadsheet_knows_the_encoding_of_a_table_of_steps() -> None:
    _, data = written(FileFormat.CSV, [video(0, ("open_cover", 0, 4517))], VOCABULARY)
    assert data.startswith("\ufeffvideo,step,".encode())


def test_a_zip_and_a_compressed_project_are_read() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.write(FILES / "pympi_again.eaf", "monday/one.eaf")
        packed.writestr("monday/two.csv", f"video,step,start_s,end_s\n{TAKE},open_cover,0.25,2\n")
        packed.writestr("monday/take.mp4", b"no steps")
        packed.writestr("__MACOSX/monday/._one.eaf", b"no steps either")
    said = read(out.getvalue(), source="all.zip")
    assert milliseconds(said) == {GUIDE: GUIDES, TAKE: [("open_cover", 250, 2000)]}
    assert {one.source for one in said.golds.values()} == {"all.zip/monday/one.eaf", "all.zip/monday/two.csv"}
    assert milliseconds(read(gzip.compress(VIA_CSV.encode()))) == VIA_STEPS
