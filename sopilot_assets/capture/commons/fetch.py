"""Fetching freely licensed videos into a folder, split into golds and trainees, with their attribution.

It can be interrupted at any time: files that are complete are in the manifest, one that is not goes on where
it stopped, and every file is compared with the hash that the site states before it is taken.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import requests
from urllib3.exceptions import HTTPError

from sopilot_assets.capture.commons.api import MediaWiki, RemoteVideo
from sopilot_assets.capture.commons.licences import DEFAULT_FAMILIES, is_allowed
from sopilot_assets.capture.commons.manifest import (
    CommonsManifest,
    FetchedVideo,
    read_manifest,
    write_manifest,
)
from sopilot_assets.capture.scan import sidecar_of
from sopilot_assets.errors import ConfigError, SourceError
from sopilot_assets.store.publish import file_sha256, publish_path, publish_text
from sopilot_assets.texts.names import safe_name

PARTIAL: Final = ".partial"
KEEP_FREE_BYTES: Final = 2 << 30
_CHUNK_BYTES: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to fetch: at most ``most`` files of all queries in turn, the first ``golds`` of them as golds.

    Licences are families such as ``cc-by``; durations are in seconds, sizes in bytes.
    """

    queries: tuple[str, ...]
    most: int = 20
    golds: int = 5
    families: tuple[str, ...] = DEFAULT_FAMILIES
    shortest_s: float = 5.0
    longest_s: float = 900.0
    largest_bytes: int = 500 << 20
    most_looked_at: int = 500

    def __post_init__(self) -> None:
        if not self.queries or any(not query.strip() for query in self.queries):
            raise ConfigError("queries: expected at least one, none of them empty.")
        if not 0 <= self.golds <= self.most:
            raise ConfigError(f"golds: expected 0 to {self.most}, the number of files; found {self.golds}.")

    def refusal(self, video: RemoteVideo) -> str | None:
        """Why a video is not fetched; None where nothing speaks against it."""
        if not is_allowed(video.licence_code, self.families):
            return f"licence {video.licence_code or 'not stated'}"
        if not video.mime.startswith("video/") and video.mime != "application/ogg":
            return f"not a video but {video.mime}"
        if video.size_bytes > self.largest_bytes:
            return f"{video.size_bytes / (1 << 20):.0f} MiB, more than {self.largest_bytes / (1 << 20):.0f}"
        if video.duration_s is None or not self.shortest_s <= video.duration_s <= self.longest_s:
            length = "unknown length" if video.duration_s is None else f"{video.duration_s:.0f} s long"
            return f"{length}, wanted {self.shortest_s:g} to {self.longest_s:g} s"
        return None


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of one video that the site found: ``outcome`` is fetched, there (already), refused or
    failed.
    """

    title: str
    outcome: Literal["fetched", "there", "refused", "failed"]
    path: str | None = None
    why: str = ""


def fetch_videos(
    site: MediaWiki,
    folder: Path,
    wanted: Wanted,
    *,
    source: str,
    now: Callable[[], str],
    on_progress: Callable[[int, int, str], None] | None = None,
) -> list[Fetched]:
    """What became of every video that was looked at, in the order of the search.

    ``now`` gives ISO 8601 times; ``on_progress`` gets how many files are there, how many are wanted, and the
    title at work. One file that fails does not stop the others; `SourceError` where the search itself fails.
    """
    manifest, seen = read_manifest(folder, source=source), list[Fetched]()
    there = 0
    for query, video in _found(site, wanted):
        if there >= wanted.most:
            break
        if on_progress:
            on_progress(there, wanted.most, video.title)
        role: Literal["gold", "trainee"] = "gold" if there < wanted.golds else "trainee"
        one, entry = _take(site, folder, wanted, manifest, video, query=query, role=role, now=now)
        if entry is not None:
            manifest = manifest.with_file(entry)
            write_manifest(folder, manifest)
        there += one.outcome in ("fetched", "there")
        seen.append(one)
    return seen


def _found(site: MediaWiki, wanted: Wanted) -> Iterator[tuple[str, RemoteVideo]]:
    """The videos of all queries, each content once."""
    known: set[str] = set()
    looked = 0
    for query in wanted.queries:
        for video in site.search(query):
            looked += 1
            if looked > wanted.most_looked_at:
                return
            if video.sha1 not in known:
                known.add(video.sha1)
                yield query, video


def _take(
    site: MediaWiki,
    folder: Path,
    wanted: Wanted,
    manifest: CommonsManifest,
    video: RemoteVideo,
    *,
    query: str,
    role: Literal["gold", "trainee"],
    now: Callable[[], str],
) -> tuple[Fetched, FetchedVideo | None]:
    entry = next((one for one in manifest.files if one.sha1 == video.sha1), None)
    if entry is not None and _is_intact(folder / entry.path, entry):
        return Fetched(video.title, "there", entry.path), None
    refusal = wanted.refusal(video)
    if refusal is not None:
        return Fetched(video.title, "refused", why=refusal), None
    relative = entry.path if entry else f"{role}/{file_name(video)}"
    try:
        sha256 = _download(site, video, folder / relative)
    except SourceError as error:
        return Fetched(video.title, "failed", why=str(error)), None
    made = _entry(video, relative, query=query, role=entry.role if entry else role, sha256=sha256, at=now())
    return Fetched(video.title, "fetched", relative), made


def file_name(video: RemoteVideo) -> str:
    """The name under which a video is stored: its title, made safe, and the start of its hash, since titles
    that differ can become the same name.
    """
    title = safe_name(video.title.partition(":")[2] or video.title)
    stem, _, suffix = title.rpartition(".")
    return f"{stem or suffix}-{video.sha1[:8]}.{suffix}"


def _is_intact(path: Path, entry: FetchedVideo) -> bool:
    return path.is_file() and path.stat().st_size == entry.size_bytes and file_sha256(path) == entry.sha256


def _download(site: MediaWiki, video: RemoteVideo, target: Path) -> str:
    """The SHA-256 of the file, which lies at ``target`` then, with its sidecar."""
    partial = target.with_name(f".{target.name}{PARTIAL}")
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SourceError(
            f"{partial.parent}: could not be made ({error.strerror or error}). Name another folder."
        ) from error
    _check_room(partial.parent, video)
    _receive(site, video, partial)
    if _sha1(partial) != video.sha1:
        partial.unlink()
        raise SourceError(
            f"{video.file_url}: the bytes differ from the hash that the site states; they were thrown away. "
            "Run the command again."
        )
    sidecar = {"session": video.title, "source_page": video.page_url, "licence": video.licence}
    publish_text(sidecar_of(target), json.dumps(sidecar, ensure_ascii=False, indent=1) + "\n")
    publish_path(target, lambda temporary: _move(partial, temporary))
    return file_sha256(target)


def _move(source: Path, target: Path) -> None:
    source.replace(target)


def _receive(site: MediaWiki, video: RemoteVideo, partial: Path) -> None:
    """Fill ``partial`` up to the stated size, from where it ends."""
    have = partial.stat().st_size if partial.exists() else 0
    if have > video.size_bytes:
        partial.unlink()
        have = 0
    if have == video.size_bytes:
        return
    response = site.open_file(video.file_url, start_byte=have)
    # a server may ignore the wish to begin in the middle, or begin elsewhere
    resumed = response.status_code == requests.codes.partial_content and _begins_at(response, have)
    try:
        with response, partial.open("ab" if resumed else "wb") as stream:
            room = video.size_bytes - (have if resumed else 0)
            # what has come is kept, also when the connection ends within a chunk
            while chunk := response.raw.read1(_CHUNK_BYTES):
                room -= len(chunk)
                if room < 0:
                    partial.unlink()
                    raise SourceError(
                        f"{video.file_url}: more bytes came than the stated {video.size_bytes}."
                    )
                stream.write(chunk)
    except HTTPError as error:
        raise SourceError(
            f"{video.file_url}: the connection ended early ({error}). Run the command again: it goes on "
            "there."
        ) from error
    except OSError as error:
        raise SourceError(
            f"{partial}: could not be written ({error.strerror or error}). Make room, then run "
            "the command again: it goes on there."
        ) from error
    if partial.stat().st_size != video.size_bytes:
        raise SourceError(
            f"{video.file_url}: {partial.stat().st_size} of {video.size_bytes} bytes came. Run the command "
            "again: it goes on there."
        )


def _begins_at(response: requests.Response, byte: int) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {byte}-")


def _check_room(folder: Path, video: RemoteVideo) -> None:
    free = shutil.disk_usage(folder).free
    if free < video.size_bytes + KEEP_FREE_BYTES:
        raise SourceError(
            f"{folder}: {free / (1 << 30):.1f} GiB are free, too little for {video.title} "
            f"({video.size_bytes / (1 << 20):.0f} MiB) with {KEEP_FREE_BYTES >> 30} GiB to spare. Free some."
        )


def _sha1(path: Path) -> str:
    # the hash that MediaWiki states; it tells damage, not an attack
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.sha1(usedforsecurity=False)).hexdigest()


def _entry(
    video: RemoteVideo, path: str, *, query: str, role: Literal["gold", "trainee"], sha256: str, at: str
) -> FetchedVideo:
    return FetchedVideo(
        path=path,
        role=role,
        query=query,
        title=video.title,
        page_url=video.page_url,
        file_url=video.file_url,
        author=video.author,
        credit=video.credit,
        licence_code=video.licence_code or "",
        licence=video.licence,
        licence_url=video.licence_url,
        size_bytes=video.size_bytes,
        duration_s=video.duration_s,
        sha1=video.sha1,
        sha256=sha256,
        fetched_at=at,
    )


def counts(seen: Sequence[Fetched]) -> dict[str, int]:
    """How many videos ended how."""
    return {
        name: sum(one.outcome == name for one in seen) for name in ("fetched", "there", "refused", "failed")
    }
