"""The formats of other tools: which one a file is in, what it says, and how recordings are written."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath
from typing import Final

from sopilot_assets.exchange.boris import read_boris, write_boris
from sopilot_assets.exchange.boris_tables import is_boris_table, read_boris_table, write_boris_table
from sopilot_assets.exchange.cvat import read_cvat, write_cvat
from sopilot_assets.exchange.elan import read_elan, write_elan
from sopilot_assets.exchange.label_studio import read_label_studio, write_label_studio
from sopilot_assets.exchange.said import MOST_BYTES, Faults, MarkedVideo, SaidFile, Vocabulary
from sopilot_assets.exchange.tables import write_table
from sopilot_assets.exchange.via import COMMENT, read_via_csv, read_via_json, write_via_csv, write_via_json
from sopilot_assets.texts.languages import Text


class FileFormat(StrEnum):
    """The formats that steps of recordings are read from and written in."""

    CSV = "csv"
    ELAN = "elan"
    VIA = "via"
    VIA_CSV = "via_csv"
    LABEL_STUDIO = "label_studio"
    BORIS = "boris"
    BORIS_TABLE = "boris_table"
    CVAT = "cvat"


@dataclass(frozen=True, slots=True)
class FormatInfo:
    """What is known of a format: its name for people, the ending of its files, how it is read (None: as a
    sheet), and how one file, or one for each recording, is written.
    """

    name: Text
    suffix: str
    read: Callable[..., SaidFile] | None
    write_all: Callable[[Sequence[MarkedVideo], Vocabulary], bytes] | None = None
    write_one: Callable[[MarkedVideo, Vocabulary], bytes] | None = None


FORMATS: Final = {
    FileFormat.CSV: FormatInfo(
        Text("CSV (steps.csv)", "CSV（steps.csv）"), ".csv", None, lambda videos, _: write_table(videos)
    ),
    FileFormat.ELAN: FormatInfo(Text("ELAN (.eaf)", "ELAN（.eaf）"), ".eaf", read_elan, write_one=write_elan),
    FileFormat.VIA: FormatInfo(
        Text("VIA 3 project", "VIA 3 プロジェクト"), ".json", read_via_json, write_via_json
    ),
    FileFormat.VIA_CSV: FormatInfo(Text("VIA 3 CSV", "VIA 3 の CSV"), ".csv", read_via_csv, write_via_csv),
    FileFormat.LABEL_STUDIO: FormatInfo(
        Text("Label Studio JSON", "Label Studio の JSON"), ".json", read_label_studio, write_label_studio
    ),
    FileFormat.BORIS: FormatInfo(
        Text("BORIS project", "BORIS プロジェクト"), ".boris", read_boris, write_boris
    ),
    FileFormat.BORIS_TABLE: FormatInfo(
        Text("BORIS aggregated events (CSV)", "BORIS の集計イベント（CSV）"),
        ".csv",
        read_boris_table,
        write_boris_table,
    ),
    FileFormat.CVAT: FormatInfo(
        Text("CVAT for video 1.1", "CVAT for video 1.1"), ".xml", read_cvat, write_one=write_cvat
    ),
}

_HEAD: Final = 1 << 16
"""By so many first bytes a format is known."""
MOST_FILES: Final = 2_000
"""The most files that are read of one ZIP file."""
_MOST_UNPACKED: Final = 4 * MOST_BYTES
_DAMAGED_ZIP: Final = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,  # of names and places that no ZIP can have
)
_WORKBOOK: Final = "xl/workbook.xml"
_PASSED_OVER: Final = ("__MACOSX/",)
_MEDIA: Final = frozenset(
    (".mp4", ".mov", ".mkv", ".avi", ".webm", ".wav", ".png", ".jpg", ".jpeg", ".psfx", ".pfsx")
)


@dataclass(frozen=True, slots=True)
class ReadFile:
    """One file as it was read: ``said`` is None for a sheet, whose ``data`` is read by its rows."""

    source: str
    format: FileFormat
    data: bytes
    said: SaidFile | None


def read_files(data: bytes, *, source: str, told: FileFormat | None = None) -> list[ReadFile]:
    """What a file says, or each file of a ZIP; ``told`` is its format, where somebody says so.

    Raises ``ExchangeError`` with every fault of the first file that has one.
    """
    if not data.startswith(b"PK\x03\x04"):
        return [_read(data, source=source, told=told)]
    return [_read(part, source=f"{source}/{name}", told=told) for name, part in _unpacked(data, source)]


def _read(data: bytes, *, source: str, told: FileFormat | None) -> ReadFile:
    faults = Faults(source)
    if len(data) > MOST_BYTES:
        most = f"{MOST_BYTES >> 20} MiB"
        faults.stop(
            f"expected at most {most}, found {len(data) >> 20} MiB", f"{most} までのファイルを読めます"
        )
    if not data.strip():
        faults.stop("expected steps or labels, found an empty file", "ファイルが空です")
    if data.startswith(b"\x1f\x8b"):
        data = _expanded(data, faults)
    form = told or format_of(data)
    reader = FORMATS[form].read
    return ReadFile(source, form, data, None if reader is None else reader(data, source=source))


def format_of(data: bytes) -> FileFormat:
    """The format of a file, by how it begins; what is nothing else is taken for a sheet."""
    head = data[:_HEAD].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")
    if head.startswith(b"<"):
        return FileFormat.CVAT if b"<annotations" in head else FileFormat.ELAN
    if head.startswith((b"{", b"[")):
        return _json_format(data)
    if head.startswith(COMMENT.encode()) or b"CSV_HEADER" in head:
        return FileFormat.VIA_CSV
    return FileFormat.BORIS_TABLE if is_boris_table(head.decode("utf-8", "replace")) else FileFormat.CSV


def _json_format(data: bytes) -> FileFormat:
    if b'"behaviors_conf"' in data:
        return FileFormat.BORIS
    return FileFormat.VIA if b'"metadata"' in data and b'"fid_list"' in data else FileFormat.LABEL_STUDIO


def _expanded(data: bytes, faults: Faults) -> bytes:
    """The content of a file that was compressed with gzip, as BORIS can save its projects."""
    try:
        with gzip.open(io.BytesIO(data)) as stream:
            expanded = stream.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        faults.stop(f"expected a file that can be expanded, found {error}", f"展開できません（{error}）")
    if len(expanded) > MOST_BYTES:
        most = f"{MOST_BYTES >> 20} MiB"
        faults.stop(f"expected at most {most} when expanded", f"展開後 {most} までです")
    return expanded


def _unpacked(data: bytes, source: str) -> Iterator[tuple[str, bytes]]:
    """The files of a ZIP that may say something, by name."""
    faults = Faults(source)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if _WORKBOOK in packed.namelist():
                faults.stop(
                    "expected a sheet as CSV, found an Excel workbook; in Excel, save it as 'CSV UTF-8'",
                    "Excel ブックは読めません。Excel で「CSV UTF-8」として保存してください",
                )
            every = [one for one in packed.infolist() if _may_speak(one)]
            if len(every) > MOST_FILES or sum(one.file_size for one in every) > _MOST_UNPACKED:
                most = f"{MOST_FILES} files and {_MOST_UNPACKED >> 20} MiB"
                faults.stop(f"expected at most {most} in a ZIP", f"ZIP の中身は {most} までです")
            for one in sorted(every, key=lambda each: each.filename):
                with packed.open(one) as stream:
                    yield one.filename, stream.read(MOST_BYTES + 1)
    except _DAMAGED_ZIP as error:
        faults.stop(f"expected a ZIP that can be unpacked, found {error}", f"ZIP を展開できません（{error}）")
    if not every:
        faults.stop(
            "expected files with steps or labels in it, found none", "手順やラベルのファイルが入っていません"
        )


def _may_speak(one: zipfile.ZipInfo) -> bool:
    path = PurePath(one.filename)
    hidden = path.name.startswith(".") or one.filename.startswith(_PASSED_OVER)
    return not (one.is_dir() or hidden or path.suffix.lower() in _MEDIA)


def written(form: FileFormat, videos: Sequence[MarkedVideo], vocabulary: Vocabulary) -> tuple[str, bytes]:
    """The suffix of the file and its bytes: one file, or a ZIP with one for each recording where the format
    has one recording a file and there are several. The same content gives the same bytes.
    """
    known = FORMATS[form]
    if known.write_all is not None:
        return known.suffix, known.write_all(videos, vocabulary)
    if known.write_one is None:
        raise AssertionError(f"{form}: it is written in neither way")
    parts = [(video, known.write_one(video, vocabulary)) for video in videos]
    if len(parts) == 1:
        return known.suffix, parts[0][1]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for video, data in parts:
            name = video.name.replace("/", "_") + known.suffix
            packed.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return ".zip", out.getvalue()


def format_for(path: PurePath, told: FileFormat | None) -> FileFormat:
    """The format to write a file of this name in; raises ``ExchangeError`` where the name does not say."""
    if told is not None:
        return told
    by_suffix = [form for form, known in FORMATS.items() if known.suffix == path.suffix.lower()]
    if len(by_suffix) != 1:
        known = ", ".join(by_suffix or FORMATS)
        Faults(path.name).stop(
            f"its name does not say in which format it is to be: name one of {known} by --format",
            f"形式が名前から決まりません。--format で {known} のどれかを指定してください",
        )
    return by_suffix[0]
