"""Labels come in from the files of other tools, and go out to them."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from sopilot_assets.errors import ExchangeError
from sopilot_assets.exchange.formats import FileFormat, read_files, written
from sopilot_assets.exchange.labels import SaidLabels, is_label_sheet, labels_in, marked_labels, names_of
from sopilot_assets.exchange.said import MarkedInterval, PictureTimes, Vocabulary
from sopilot_assets.labels.events import Draft, LabelEvent, Seen, Source, place
from sopilot_assets.reference.annotations import GoldNames
from sopilot_assets.tasks import DeviationType
from sopilot_assets_tests.exchange.recorded import EVERY_40_MS, GUIDE, HASHES, IDS, NAMES, STEPS, TAKE, video

KEYS = tuple(f"filter-t-{sha256[:12]}" for sha256 in HASHES)
RECORDINGS = tuple(
    GoldNames(sha256[:12], name, 60.0, (key, sha256))
    for key, name, sha256 in zip(KEYS, NAMES, HASHES, strict=True)
)
CRITICAL_ONLY = "critical:yes"


def read(data: bytes) -> SaidLabels:
    files = read_files(data, source="ann.eaf")
    return labels_in(files, STEPS, RECORDINGS, pictures_of=lambda _: EVERY_40_MS)


def rows(said: SaidLabels) -> dict[str, dict[str, str]]:
    return {row.cells["key"]: dict(row.cells) for row in said.sheet.rows}


def elan(*intervals: tuple[str, int, int]) -> bytes:
    """One recording's labels as ELAN has them."""
    return written(FileFormat.ELAN, [video(0, *intervals)], Vocabulary("labels", ()))[1]


def event(key: str, critical: bool | None, *seen: Seen) -> LabelEvent:
    draft = Draft(
        task_id="filter",
        key=key,
        who="ann",
        at="2026-03-02T08:00:00+00:00",
        source=Source.BLIND_HUMAN,
        critical_expected=critical,
        seen=seen,
    )
    return place(draft, seq=1, previous_hash="0" * 64)


@pytest.mark.parametrize("form", [form for form in FileFormat if form is not FileFormat.CSV])
def test_labels_that_are_written_come_back(form: FileFormat) -> None:
    first = event(
        KEYS[0],
        True,
        Seen(type=DeviationType.MISSING_STEP, steps=(IDS[1],)),
        Seen(type=DeviationType.FREEZE, at_s=12.345),
        Seen(type=DeviationType.ORDER_SWAP, steps=(IDS[0], IDS[1]), at_s=0.0),
    )
    events = [first, event(KEYS[1], None)]
    videos = [
        video(
            number, *((one.name, one.start_ms, one.end_ms) for one in marked_labels(said, EVERY_40_MS.end_ms))
        )
        for number, said in enumerate(events)
    ]
    _, data = written(form, videos, Vocabulary("labels", names_of(IDS, videos)))
    found = rows(read(data))
    assert found[KEYS[0]]["critical_expected"] == "yes"
    assert set(found[KEYS[0]]["seen"].split()) == {str(one) for one in first.seen}
    assert (found[KEYS[1]]["critical_expected"], found[KEYS[1]]["seen"]) == ("unsure", "")


def test_answers_and_names_that_people_use_are_understood() -> None:
    task = {
        "data": {"video": f"/data/upload/1/0a1b2c3d-{TAKE}"},
        "annotations": [
            {
                "result": [
                    {"type": "choices", "from_name": "Critical", "value": {"choices": ["yes"]}},
                    {"type": "textarea", "from_name": "note", "value": {"text": ["cap open"]}},
                    {
                        "type": "timelinelabels",
                        "from_name": "what",
                        "value": {
                            "ranges": [{"start": 26, "end": 50}],
                            "timelinelabels": ["手順の抜け：フタを開ける".replace("：", ":"), "talks"],
                        },
                    },
                ]
            }
        ],
    }
    said = read(json.dumps([task]).encode())
    assert rows(said)[KEYS[1]] == {
        "key": KEYS[1],
        "critical_expected": "yes",
        "seen": "missing_step:open_cover@1",
        "note": "cap open",
    }
    assert said.remarks[0].en == "ann.eaf: not read, since these are no deviations: talks"


@pytest.mark.parametrize(
    ("intervals", "message"),
    [
        ([("freze", 0, 10)], r"line [0-9]+ .*expected a deviation, found 'freze' \(did you mean freeze\?\)"),
        ([("missing_step:opening", 0, 10)], "line [0-9]+ .*one of the task's steps, found 'opening'"),
        ([("critical:yes", 0, 10), ("critical:no", 0, 10)], "expected one answer whether"),
        ([("open_cover", 0, 10)], "expected labels"),
        ([("freeze", 99_000, 99_001)], "line [0-9]+ .*within the 60.0 s of"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(intervals: list[tuple[str, int, int]], message: str) -> None:
    with pytest.raises(ExchangeError, match=message):
        read(elan(*intervals))


def test_what_was_chosen_in_label_studio_counts_in_its_small_export_too() -> None:
    tasks: list[dict[str, object]] = [
        {"id": 1, "video": f"/data/upload/1/0a1b2c3d-{GUIDE}", "critical": "no", "note": ["all", "well"]},
        {
            "id": 2,
            "video": f"/data/upload/1/0a1b2c3d-{TAKE}",
            "critical": {"choices": ["yes"]},
            "what": [{"ranges": [{"start": 26, "end": 50}], "timelinelabels": ["freeze"]}],
        },
        {"id": 3, "video": "unlabelled.mp4", "annotator": 1},
    ]
    said = read(json.dumps(tasks).encode())
    assert [(one["critical_expected"], one["seen"], one["note"]) for one in rows(said).values()] == [
        ("no", "", "all well"),
        ("yes", "freeze@1", ""),
    ]
    assert [one.en for one in said.remarks] == ["ann.eaf: nothing is said of 'unlabelled.mp4'"]


def test_labels_of_two_people_in_one_file_are_not_taken_for_one_persons() -> None:
    data = elan((CRITICAL_ONLY, 0, 60_000), ("freeze", 1000, 1001)).decode()
    (tier,) = re.findall("<TIER.*?</TIER>", data, re.DOTALL)
    first = tier.replace("<TIER ", '<TIER ANNOTATOR="ann" ').replace('"steps"', '"deviations"')
    second = tier.replace("<TIER ", '<TIER ANNOTATOR="bob" ').replace('"steps"', '"others"')
    with pytest.raises(ExchangeError, match="expected what one person says, found tiers of ann, bob; keep"):
        read(data.replace(tier, first + second).encode())
    speech = re.sub("(?<=<ANNOTATION_VALUE>).*?(?=<)", "talks", second)
    assert rows(read(data.replace(tier, first + speech).encode()))[KEYS[0]]["seen"] == "freeze@1"


def test_labels_of_no_recording_are_refused() -> None:
    data = elan((CRITICAL_ONLY, 0, 60_000)).replace(b"01.mp4", b"77.mp4").replace(b"a" * 64, b"")
    with pytest.raises(ExchangeError, match="expected a recording to label"):
        read(data)
    assert rows(read(elan((CRITICAL_ONLY, 0, 60_000))))[KEYS[0]]["critical_expected"] == "yes"
    assert NAMES[0] == GUIDE


def test_of_two_recordings_of_one_name_the_key_says_which_is_meant() -> None:
    twice = [replace(one, path=TAKE) for one in RECORDINGS]
    data = elan((CRITICAL_ONLY, 0, 60_000)).replace(b"a" * 64, b"").decode()
    named = re.sub('(?<=MEDIA_URL=")[^"]*', TAKE.replace("&", "&amp;"), data)
    files = read_files(named.encode(), source="ann.eaf")
    with pytest.raises(ExchangeError, match=f"2 recordings are called .*{KEYS[0]}, {KEYS[1]}; call the one"):
        labels_in(files, STEPS, twice, pictures_of=lambda _: EVERY_40_MS)
    by_key = read_files(re.sub('(?<=MEDIA_URL=")[^"]*', KEYS[1], data).encode(), source="ann.eaf")
    assert list(rows(labels_in(by_key, STEPS, twice, pictures_of=lambda _: EVERY_40_MS))) == [KEYS[1]]


def test_a_sheet_of_labels_is_told_from_an_export() -> None:
    assert is_label_sheet(b"key,critical_expected\n")
    assert is_label_sheet(b'{"rows": [{"key": "x"}]}')
    assert not is_label_sheet(b'[{"data": {}, "annotations": []}]')
    assert not is_label_sheet(b'{"observations": {}, "behaviors_conf": {}}')
    assert not is_label_sheet(b'[{"id": 1, "video": "a.mp4", "critical": "no"}]'), "only what was chosen"
    called = '[{"data": {}, "annotations": [{"result": [{"from_name": "critical_expected"}]}]}]'
    assert not is_label_sheet(called.encode()), "a choice may be called as the column is"
    assert is_label_sheet("key;critical_expected\n".encode("utf-16"))


def test_a_moment_of_a_long_recording_keeps_its_milliseconds() -> None:
    shown = PictureTimes(tuple(range(0, 4_000_000, 40)), 4_000_000)
    late = event(KEYS[0], True, Seen(type=DeviationType.FREEZE, at_s=3599.987))
    marked = ((one.name, one.start_ms, one.end_ms) for one in marked_labels(late, shown.end_ms))
    _, data = written(FileFormat.ELAN, [video(0, *marked, pictures=shown)], Vocabulary("labels", ()))
    long = GoldNames(HASHES[0][:12], GUIDE, 4000.0, (KEYS[0], HASHES[0]))
    found = labels_in(read_files(data, source="ann.eaf"), STEPS, [long], pictures_of=lambda _: shown)
    assert rows(found)[KEYS[0]]["seen"] == "freeze@3599.987"


def test_a_moment_is_kept_inside_the_recording() -> None:
    late = event(KEYS[0], True, Seen(type=DeviationType.FREEZE, at_s=60.0))
    assert list(marked_labels(late, 60_000))[1] == MarkedInterval("freeze", 59_999, 60_000)
