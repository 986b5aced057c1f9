"""What was fetched, from where, by whom it is and under which licence: kept beside the files."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from sopilot_assets.errors import SourceError
from sopilot_assets.store.canonical import pretty_json
from sopilot_assets.store.publish import publish_bytes, publish_text

MANIFEST: Final = "manifest.json"
ATTRIBUTION: Final = "ATTRIBUTION.txt"


class FetchedVideo(BaseModel):
    """One file: where it lies below the folder, and all that its licence asks to be said."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str
    role: Literal["gold", "trainee"]
    query: str
    title: str
    page_url: str
    file_url: str
    author: str
    credit: str
    licence_code: str
    licence: str
    licence_url: str
    size_bytes: int
    duration_s: float | None
    sha1: str
    sha256: str
    fetched_at: str

    @property
    def attribution(self) -> str:
        """The line that names title, author, licence and source (TASL)."""
        author = self.author or self.credit or "author not stated"
        licence = f"{self.licence or self.licence_code} {self.licence_url}".strip()
        return f"{self.path}: “{self.title}” by {author}, {licence}, {self.page_url or self.file_url}"


class CommonsManifest(BaseModel):
    """The files of one folder, in the order in which they were fetched."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    source: str
    files: tuple[FetchedVideo, ...] = ()

    def with_file(self, fetched: FetchedVideo) -> CommonsManifest:
        """The manifest with one more file, which replaces an entry for the same content."""
        others = tuple(one for one in self.files if one.sha1 != fetched.sha1)
        return self.model_copy(update={"files": (*others, fetched)})


def read_manifest(folder: Path, *, source: str) -> CommonsManifest:
    """The manifest in ``folder``, an empty one where there is none; `SourceError` for one that is damaged or
    belongs to another source.
    """
    path = folder / MANIFEST
    if not path.exists():
        return CommonsManifest(source=source)
    try:
        manifest = CommonsManifest.model_validate_json(path.read_bytes())
    except (ValidationError, ValueError) as error:
        raise SourceError(
            f"{path}: expected the manifest of fetched videos, found something else ({error}). Restore it, "
            "or fetch into another folder."
        ) from error
    if manifest.source != source:
        raise SourceError(f"{path}: it is of {manifest.source}, not of {source}. Fetch into another folder.")
    return manifest


def write_manifest(folder: Path, manifest: CommonsManifest) -> None:
    """Publish the manifest, and the attributions as text to hand on."""
    publish_bytes(folder / MANIFEST, pretty_json(manifest.model_dump(mode="json")))
    lines = sorted(one.attribution for one in manifest.files)
    publish_text(folder / ATTRIBUTION, "".join(f"{line}\n" for line in lines))
