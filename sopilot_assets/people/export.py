"""Everything about one person in one zip, for that person: an index to read, tables, videos and pages.

The same home gives the same bytes. Other people are not named: who labelled is called by a number, who
changed something by nothing, and pages show golds without their names, as everything that is handed over does
with faces covered where the settings say so.
"""

from __future__ import annotations

import csv
import io
import re
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from sopilot_assets.capture.erasures import erasures
from sopilot_assets.capture.facts import Correction, corrections
from sopilot_assets.capture.registry import Recording, Registry, stored_file
from sopilot_assets.errors import ErasureError, SopilotError
from sopilot_assets.labels.chain import labels_chain
from sopilot_assets.labels.events import LabelEvent, RaterVerdict
from sopilot_assets.privacy.covering import Covering
from sopilot_assets.privacy.policy import covering_for
from sopilot_assets.processes.limited import MEMORY_LIMIT_BYTES, run_limited
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.scoring.review.document import render
from sopilot_assets.scoring.review.proxy import proxy
from sopilot_assets.stations.review_now import result_now
from sopilot_assets.stations.reviews import TIME_LIMIT_S, ReviewWork, page_for
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Row, plain_rows
from sopilot_assets.store.publish import local_path, publish_path
from sopilot_assets.store.shared import at_hand
from sopilot_assets.tasks import find_tasks, notice_of
from sopilot_assets.texts.cells import harmless
from sopilot_assets.texts.names import safe_name
from sopilot_assets.times.ledger import step_times_ledger

_ZIP_DATE: Final = (1980, 1, 1, 0, 0, 0)
_FILE_MODE: Final = 0o100644 << 16
_WITHDRAWN_BY: Final = re.compile(r"\bwithdrawn by \S+:")
_DESCRIPTIONS: Final = {
    "recordings.csv": (
        "Your recordings: when and where, the file, its quality",
        "録画の一覧（日時・場所・ファイル・画質）",
    ),
    "results.csv": ("Every result of them, also earlier ones", "すべての判定結果（以前のものを含む）"),
    "step_times.csv": ("How long each step took", "各手順の所要時間"),
    "labels.csv": ("What people said of them, and what you contested", "録画についての評価と異議申し立て"),
    "corrections.csv": (
        "What was corrected, withdrawn or promoted, and why",
        "訂正・取り下げ・お手本化の履歴と理由",
    ),
    "erasures.csv": ("What was erased, and when", "消去された内容と日時"),
}


@dataclass(frozen=True, slots=True)
class PersonExport:
    """What was written: where, how many recordings, videos and pages it holds, and by key why others have no
    page.
    """

    path: Path
    recordings: int
    videos: int
    pages: int
    without_page: Mapping[str, str]


def export_person(home: Home, person: str, target: Path) -> PersonExport:
    """Write everything about a person to the zip ``target``; raises `ErasureError` where nothing of them is
    known.
    """
    registry = Registry.read(home)
    own = sorted(
        (one for one in registry.recordings.values() if one.person == person), key=lambda one: one.key
    )
    if not own:
        raise ErasureError(
            f"person {person}: expected recordings, found none. `sopilot person list` shows whose there are."
        )
    tables = {name: _csv(rows) for name, rows in _tables(home, own).items() if rows}
    paths = [(one, _video(home, one)) for one in own if at_hand(stored_file(home, one)).exists()]
    videos = {f"videos/{one.key}{path.suffix}": path for one, path in paths}
    pages, without = _pages(home, own)
    index = _index(home, person, own, [*tables, *sorted(pages), *sorted(videos)])
    files = {"index.html": index.encode(), **tables, **pages}
    publish_path(target, lambda place: _write(place, f"person-{safe_name(person)}", files, videos))
    return PersonExport(target, len(own), len(videos), len(pages), without)


def _video(home: Home, one: Recording) -> Path:
    """The recording as it was filmed, since it is the person's own; where the task masks regions, a small
    copy without them.
    """
    source = at_hand(stored_file(home, one))
    regions = Covering(regions=covering_for(home, one.task_id).regions)
    if not regions:
        return source
    work = (source, local_path(home.proxies), one.key.video_id, regions)
    return run_limited(proxy, work, time_limit_s=TIME_LIMIT_S, memory_limit_bytes=MEMORY_LIMIT_BYTES)


def _tables(home: Home, own: Sequence[Recording]) -> dict[str, list[Mapping[str, object]]]:
    keys = {str(one.key) for one in own}
    told = erasures(home)
    return {
        "recordings.csv": [{**one.row, "changed_by": None} for one in own],
        "results.csv": _of(keys, plain_rows(scores_ledger(home).all_rows())),
        "step_times.csv": _of(keys, plain_rows(step_times_ledger(home).latest())),
        "labels.csv": list(_labels(home, own)),
        "corrections.csv": [
            _correction(one, str(own[0].person)) for key in sorted(keys) for one in corrections(home, key)
        ],
        "erasures.csv": [
            {"key": key, "what": told[key].change.value, "at": told[key].at, "why": told[key].why}
            for key in sorted(keys & told.keys())
        ],
    }


def _of(keys: set[str], rows: Iterable[Row]) -> list[Mapping[str, object]]:
    return [dict(row) for row in rows if row["key"] in keys]


def _correction(one: Correction, person: str) -> Mapping[str, object]:
    """What was changed, without who changed it, and without the codes of others."""
    said = {**asdict(one), "who": ""}
    if one.fact == "person":
        said |= {name: "another" for name in ("was", "now") if said[name] not in (None, person)}
    return said


def _labels(home: Home, own: Sequence[Recording]) -> Iterator[Mapping[str, object]]:
    """What people said of the recordings, in order; who said it is a number."""
    keys = {str(one.key) for one in own}
    raters: dict[str, int] = {}
    for task_id in sorted({one.task_id for one in own}):
        for event in labels_chain(home).read(task_id):
            if event.key in keys:
                number = raters.setdefault(event.who, len(raters) + 1)
                yield _label(event, f"rater {number}")


def _label(event: LabelEvent, who: str) -> Mapping[str, object]:
    return {
        "key": event.key,
        "at": event.at,
        "who": who,
        "source": event.source.value,
        "critical_expected": event.critical_expected,
        "contested": event.verdict is RaterVerdict.DISAGREE,
        "verdict": event.verdict.value,
        "deviations": " ".join(map(str, event.deviations)),
        "seen": " ".join(map(str, event.seen)),
        "settles": event.adjudicates,
        "note": event.note,
    }


def _pages(home: Home, own: Sequence[Recording]) -> tuple[dict[str, bytes], dict[str, str]]:
    """The page of each result by its name, and by key why others have none."""
    pages, without = dict[str, bytes](), dict[str, str]()
    for one in own:
        told = result_now(home, one.key) if one.retired is None else None
        work = None if told is None else told.work
        if work is None:
            waits = None if told is None else told.waits
            without[str(one.key)] = waits.en if waits else one.retired or "it has no result"
            continue
        try:
            html = run_limited(
                _page, (work,), time_limit_s=TIME_LIMIT_S, memory_limit_bytes=MEMORY_LIMIT_BYTES
            )
            pages[f"pages/{one.key}.html"] = html.encode()
        except SopilotError as error:
            without[str(one.key)] = home.relative_text(str(error))
    return pages, without


def _page(work: ReviewWork) -> str:
    """Without the names of golds and of their files. Runs in a child process, since it reads the videos."""
    nameless = replace(work, gold_names={}, steps_faults=())
    covering = covering_for(work.home, work.task.task_id, leaves_house=True)
    return page_for(nameless, covering, video=f"../videos/{work.key}{work.trainee_video.suffix}")[0]


def _index(home: Home, person: str, own: Sequence[Recording], files: Sequence[str]) -> str:
    tasks = find_tasks(home.root).tasks
    notices = [
        (task_id, notice_of(home, tasks[task_id].privacy if task_id in tasks else None))
        for task_id in sorted({one.task_id for one in own})
    ]
    known = erasures(home)
    return render(
        "export.html.j2",
        styles=("base.css",),
        script=None,
        package="sopilot_assets.people",
        values={
            "person": person,
            "recordings": [
                {
                    "key": str(one.key),
                    "task": one.task_id,
                    "recorded_at": str(one.row["recorded_at"] or "")[:16].replace("T", " "),
                    "name": one.original_name,
                    "retired": one.retired,
                    "erased": known.get(str(one.key)),
                    "files": [name for name in files if str(one.key) in name],
                }
                for one in own
            ],
            "tables": [(name, *_DESCRIPTIONS[name]) for name in files if name in _DESCRIPTIONS],
            "notices": notices,
        },
    )


def _csv(rows: Sequence[Mapping[str, object]]) -> bytes:
    """The rows with all their columns, in UTF-8 with a mark by which spreadsheets know that."""
    stream = io.StringIO(newline="")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(stream, columns, restval="")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _cell(value) for name, value in row.items()})
    return b"\xef\xbb\xbf" + stream.getvalue().encode()


def _cell(value: object) -> str:
    return "" if value is None else harmless(_WITHDRAWN_BY.sub("withdrawn:", str(value)))


def _write(target: Path, folder: str, files: Mapping[str, bytes], videos: Mapping[str, Path]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted({*files, *videos}):
            entry = zipfile.ZipInfo(f"{folder}/{name}", _ZIP_DATE)
            entry.create_system, entry.external_attr = 3, _FILE_MODE
            with archive.open(entry, "w", force_zip64=name in videos) as stream:
                if name in files:
                    stream.write(files[name])
                else:
                    with videos[name].open("rb") as source:
                        shutil.copyfileobj(source, stream)
