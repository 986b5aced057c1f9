"""The reports of a real run of the old scripts, with the database and labels they were made from."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from sopilot_assets.legacy.database import Installation, read_installation
from sopilot_assets.legacy.labels import LabelFile, read_labels
from sopilot_assets.legacy.reports import OldJobs

ARCHIVE = Path(__file__).parent / "data" / "old_installation.tar.xz"


def expected_files() -> list[str]:
    """The reports in the archive, by name."""
    with tarfile.open(ARCHIVE) as archive:
        names = [member.name for member in archive.getmembers() if member.isfile()]
    return sorted(name.removeprefix("expected/") for name in names if name.startswith("expected/"))


@dataclass(frozen=True, slots=True)
class Old:
    """An installation of the old system and what its scripts printed."""

    db: Path
    labels: Path
    expected: Path

    def read(self) -> tuple[Installation, LabelFile]:
        """The database and the labels."""
        return read_installation(self.db), read_labels(self.labels)

    def jobs(self) -> OldJobs:
        """The jobs as the old scripts saw them."""
        return OldJobs.of(*self.read())


@pytest.fixture(scope="session")
def old(tmp_path_factory: pytest.TempPathFactory) -> Old:
    """The archive, unpacked."""
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return Old(folder / "sopilot.db", folder / "labels.json", folder / "expected")
