"""The files that the stations of a study publish, and the ledger that says what they have to be.

Every file of a study's folder has a row: its hash, and the hashes of the files it was made from. Reading
checks both, so that a changed file, or one that was made from an older split, stops the chain by name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from sopilot_assets.errors import StudyError
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Ledger
from sopilot_assets.store.publish import publish_bytes

COLUMNS: Final = {
    "result": pa.string(),
    "study_id": pa.string(),
    "station": pa.string(),
    "file": pa.string(),
    "sha256": pa.string(),
    "made_from": pa.string(),
}


def results_ledger(home: Home) -> Ledger:
    """One row for each version of each file; the newest row of ``<study>/<file>`` counts."""
    return Ledger(home.ledgers, "study_results", COLUMNS, "result")


@dataclass(frozen=True, slots=True)
class Results:
    """The published files of one study."""

    home: Home
    study_id: str

    def publish(
        self,
        station: str,
        files: Mapping[str, bytes],
        *,
        made_from: Sequence[str],
        run_id: str,
        written_at: str,
    ) -> None:
        """Publish the files of one station, made from the current version of other files."""
        sources = {name: self.sha256(name) for name in made_from}
        for name, data in files.items():
            publish_bytes(self.home.study(self.study_id) / name, data)
        rows = [
            {
                "result": f"{self.study_id}/{name}",
                "study_id": self.study_id,
                "station": station,
                "file": name,
                "sha256": hashlib.sha256(data).hexdigest(),
                "made_from": json.dumps(sources, sort_keys=True),
            }
            for name, data in files.items()
        ]
        results_ledger(self.home).append(rows, run_id=run_id, written_at=written_at)

    def read(self, name: str) -> bytes:
        """The bytes of a file, as it was published and from what is current; raises `StudyError` else."""
        row = self._row(name)
        path = self.home.study(self.study_id) / name
        if not path.exists():
            raise StudyError(f"{path}: was published by {row['station']} and is gone; materialize it again.")
        data = path.read_bytes()
        found = hashlib.sha256(data).hexdigest()
        if found != row["sha256"]:
            raise StudyError(
                f"{path}: was changed after {row['station']} published it: expected SHA-256 "
                f"{row['sha256'][:12]}…, found {found[:12]}…. Materialize {row['station']} again."
            )
        for source, sha256 in json.loads(row["made_from"]).items():
            if self.sha256(source) != sha256:
                raise StudyError(
                    f"{path}: was made from another version of {source}. Materialize {row['station']} again."
                )
        return data

    def read_json(self, name: str) -> Any:
        """The content of a JSON file, checked like `read`."""
        return json.loads(self.read(name))

    def has(self, name: str) -> bool:
        """Whether a file was ever published."""
        return name in self._rows()

    def sha256(self, name: str) -> str:
        """The hash that a file has to have."""
        return self._row(name)["sha256"]

    def _row(self, name: str) -> dict[str, str]:
        rows = self._rows()
        if name not in rows:
            raise StudyError(
                f"study {self.study_id}: {name} was not made yet. Materialize the assets of the study in "
                f"order: `sopilot study run {self.study_id}`, or the job evidence_chain."
            )
        return rows[name]

    def _rows(self) -> dict[str, dict[str, str]]:
        frame = results_ledger(self.home).latest()
        mine = frame[frame["study_id"] == self.study_id]
        return {str(row["file"]): {str(k): str(v) for k, v in row.items()} for row in mine.to_dict("records")}
