"""A dossier as files: collected, named by content, hashed, signed, verified, published as folder and zip."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import pandas as pd
from upath import UPath

from sopilot_assets.dossier.bundle import verify_script
from sopilot_assets.dossier.headline import SPLITS, GroupFigure, HeadlineFigure, claims, groups, headline
from sopilot_assets.dossier.inputs import BASELINE, DossierInputs
from sopilot_assets.dossier.readiness import Blocker, blockers
from sopilot_assets.dossier.render import page, readme
from sopilot_assets.dossier.signing import SigningKey, sign
from sopilot_assets.dossier.statement import statement
from sopilot_assets.dossier.summary import DossierSummary, Readiness
from sopilot_assets.dossier.verifier.erased import ERASED, ERASED_SIGNATURE
from sopilot_assets.dossier.verifier.files import (
    MANIFEST,
    SIGNATURE,
    SIGNERS,
    STATEMENT,
    dossier_id_of,
    sha256,
)
from sopilot_assets.dossier.verifier.verify import verify_files
from sopilot_assets.errors import DossierError
from sopilot_assets.store.canonical import canonical_json, plain, pretty_json
from sopilot_assets.store.publish import local_path, only_writer, publish_bytes
from sopilot_assets.studies.cases import cases_csv
from sopilot_assets.studies.claims import Claim, claims_carried
from sopilot_assets.studies.split_manifest import FULL, GATE_SPLIT
from sopilot_assets.texts.cells import harmless

VERSION: Final = "sopilot_dossier_v3"
"""Version 1 had no claims and no groups; in version 2 raters of all sources together made the agreement."""
_ZIP_DATE: Final = (1980, 1, 1, 0, 0, 0)
_FILE_MODE: Final = 0o100644 << 16


@dataclass(frozen=True, slots=True, eq=False)
class Dossier:
    """A finished dossier: its files by name, and what ``dossier.json`` among them says."""

    files: Mapping[str, bytes]
    summary: DossierSummary

    @property
    def dossier_id(self) -> str:
        """The first 12 hex digits of the hash of what it is made from."""
        return self.summary.dossier_id

    @property
    def name(self) -> str:
        """The name of its folder, and of its zip without the suffix."""
        return f"{self.summary.study_id}-{self.dossier_id}"

    @property
    def ready(self) -> bool:
        """Whether no input is missing."""
        return self.summary.readiness.ready

    @property
    def verdict(self) -> str:
        """``gates_passed``, ``gates_failed`` or ``not_ready``."""
        return self.summary.verdict

    @property
    def blockers(self) -> Sequence[Blocker]:
        """Why it is not ready."""
        return self.summary.readiness.blockers

    def zip_bytes(self) -> bytes:
        """The zip of its files."""
        return dossier_zip(self.name, self.files)


def dossier_zip(folder: str, files: Mapping[str, bytes]) -> bytes:
    """A zip: one folder, files by name, no dates; the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(f"{folder}/{name}", _ZIP_DATE)
            entry.create_system, entry.external_attr = 3, _FILE_MODE
            archive.writestr(entry, files[name])
    return buffer.getvalue()


def build_dossier(inputs: DossierInputs, key: SigningKey) -> Dossier:
    """The signed dossier of these inputs; the same inputs and key give the same bytes.

    Missing inputs make a draft that says so on its first line and is never ready. The finished files are
    verified before they are returned; raises `DossierError` where the rows do not give the stated figures.
    """
    reasons = blockers(inputs)
    files = dict(_content(inputs))
    summary = _summary(inputs, reasons, dossier_id_of(files))
    files["dossier.json"] = pretty_json(summary.document())
    files["verify.py"] = verify_script().encode()
    files[SIGNERS] = key.allowed_signers
    files["README.txt"] = readme(summary, key).encode()
    files["index.html"] = page(inputs, summary, key).encode()
    files[MANIFEST] = pretty_json(
        {
            "version": VERSION,
            "dossier_id": summary.dossier_id,
            "files": {name: {"sha256": sha256(data), "bytes": len(data)} for name, data in files.items()},
        }
    )
    gates = inputs.results.gates
    files[STATEMENT] = statement(files, dossier=summary, gates=gates.report if gates else None)
    files[SIGNATURE] = sign(key, files[STATEMENT])
    files |= erased_files(inputs, key)
    _refuse_wrong(inputs.protocol.study_id, files, key)
    return Dossier(dict(sorted(files.items())), summary)


def erased_files(inputs: DossierInputs, key: SigningKey) -> dict[str, bytes]:
    """What says which of the cases were erased before the dossier was made; nothing where none was."""
    cases = set() if inputs.tables.cases is None else set(inputs.tables.cases["case_id"])
    if not (gone := cases & inputs.pictures.erased):
        return {}
    data = erased_document(gone, {}, page=None)
    return {ERASED: data, ERASED_SIGNATURE: sign(key, data)}


def erased_document(
    recordings: Collection[str], removed: Mapping[str, str], *, page: tuple[str, str] | None
) -> bytes:
    """``erased.json``: the recordings that were erased, the pictures that went with them, and the hashes of
    the page before and after.
    """
    return pretty_json(
        {
            "what": "Pictures were erased at the wish of people who are seen in them, or since their time "
            "was over. Rows and figures stay.",
            "recordings": sorted(recordings),
            "removed": dict(sorted(removed.items())),
            "page": None if page is None else {"before": page[0], "after": page[1]},
        }
    )


def publish_dossier(dossier: Dossier, folder: Path | UPath) -> tuple[Path, Path]:
    """Publish the dossier below ``folder``; returns its own folder and its zip.

    Files that lie in its folder and do not belong to it are removed. The signature comes last, so that an
    interrupted publication does not verify.
    """
    target = local_path(folder) / dossier.name
    archive = target.with_name(f"{dossier.name}.zip")
    with only_writer(target.with_name(".lock")):
        for name in sorted(dossier.files, key=lambda one: (one in (STATEMENT, SIGNATURE), one)):
            publish_bytes(target / name, dossier.files[name])
        for path in target.rglob("*"):
            if path.is_file() and path.relative_to(target).as_posix() not in dossier.files:
                path.unlink()
        publish_bytes(archive, dossier.zip_bytes())
    return target, archive


def _refuse_wrong(study_id: str, files: Mapping[str, bytes], key: SigningKey) -> None:
    found = verify_files(files, signer=key.public)
    if not found.ok:
        shown = "\n".join(
            f"  {one.file}: {one.what}: stated {one.stated}, found {one.found}"
            for one in found.findings.failed[:8]
        )
        raise DossierError(
            f"dossier of {study_id}: {len(found.findings.failed)} of its figures do not follow from "
            "its rows:\n"
            f"{shown}\nMaterialize the study's assets again, from split_manifests on."
        )


def _summary(inputs: DossierInputs, reasons: Sequence[Blocker], dossier_id: str) -> DossierSummary:
    protocol, results = inputs.protocol, inputs.results
    passed = results.gates is not None and results.gates.report.overall_pass
    lines: list[HeadlineFigure] = []
    said: list[Claim] = []
    parts: list[GroupFigure] = []
    if inputs.tables.cases is not None and inputs.tables.detections is not None:
        # without a policy nobody looks at held-out recordings
        splits = SPLITS if results.detector else ("dev",)
        detectors = [*results.detectors, BASELINE]
        lines = headline(inputs.tables.cases, inputs.tables.detections, detectors, splits=splits)
        if results.detector:
            said = claims(lines, results.detector, split=GATE_SPLIT)
            parts = groups(inputs.tables.cases, inputs.tables.detections, results.detector, split=GATE_SPLIT)
    return DossierSummary(
        version=VERSION,
        dossier_id=dossier_id,
        study_id=protocol.study_id,
        task_id=protocol.task_id,
        title=protocol.title,
        readiness=Readiness(not reasons, reasons),
        verdict="not_ready" if reasons else "gates_passed" if passed else "gates_failed",
        policy_id=results.policy_id,
        detector=results.detector,
        detectors=results.detectors,
        baseline_detector=protocol.baseline_detector,
        label_sources=list(protocol.label_sources),
        label_head=inputs.labels.head,
        gate_split=GATE_SPLIT,
        shadow_split=FULL,
        errors_split=FULL,
        headline=lines,
        claims=said,
        carried=claims_carried(said),
        groups=parts,
        versions=dict(inputs.versions),
    )


def _content(inputs: DossierInputs) -> Iterator[tuple[str, bytes]]:
    """Every file that is made from an input; what is missing has none."""
    yield from _protocol_files(inputs)
    yield from _result_files(inputs)
    yield from _row_files(inputs)
    for name, picture in (inputs.pictures.stills or {}).items():
        yield f"stills/{_below(name)}", picture


def _protocol_files(inputs: DossierInputs) -> Iterator[tuple[str, bytes]]:
    for name, data in (
        ("study.yaml", inputs.protocol.study_yaml),
        ("task.yaml", inputs.protocol.task_yaml),
        ("task.lock.yaml", inputs.protocol.task_lock),
    ):
        if data:
            yield f"protocol/{name}", data
    if inputs.protocol.registration:
        yield "protocol/registration.json", pretty_json(inputs.protocol.registration)
    if inputs.results.manifest:
        yield "protocol/split_manifest.json", pretty_json(inputs.results.manifest)
    for policy in inputs.results.policies:
        # a fit that keeps no limits is reported, and is no policy
        folder = "policies" if policy.feasible else "refused_fits"
        yield f"protocol/{folder}/{policy.policy_id}.json", pretty_json(policy)


def _result_files(inputs: DossierInputs) -> Iterator[tuple[str, bytes]]:
    results, agreement = inputs.results, inputs.labels.agreement
    if results.figures:
        documents = {
            split: {name: one.document() for name, one in figures.items()}
            for split, figures in results.figures.items()
        }
        yield "results/evaluations.json", pretty_json(documents)
    if results.shadow:
        yield "results/shadow.json", pretty_json(results.shadow.document())
    if agreement:
        yield "results/agreement.json", pretty_json(agreement.as_dict())
    if results.drift:
        yield "results/drift.json", pretty_json(asdict(results.drift))
    if results.gates and results.gates.values:
        gates = {"report": results.gates.report_document(), "values": results.gates.values}
        yield "results/gates.json", pretty_json(gates)


def _row_files(inputs: DossierInputs) -> Iterator[tuple[str, bytes]]:
    if inputs.tables.cases is not None and len(inputs.tables.cases):
        yield "rows/cases.csv", cases_csv(inputs.tables.cases)
    if inputs.tables.errors is not None:
        # review pages lie on the machine that made them, and mean nothing elsewhere
        yield "rows/errors.csv", _csv(inputs.tables.errors.drop(columns="review_page", errors="ignore"))
    for name in ("detections", "leakage", "looks", "repeats"):
        table: pd.DataFrame | None = getattr(inputs.tables, name)
        if table is not None and len(table):
            yield f"rows/{name}.csv", _csv(table)
    if inputs.labels.events:
        yield (
            "rows/label_events.jsonl",
            b"".join(canonical_json(one.as_dict()) + b"\n" for one in inputs.labels.events),
        )


def _csv(table: pd.DataFrame) -> bytes:
    """The table as CSV; numbers read back exactly, unknown ones are empty."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(table.columns)
    known = table.astype(object).where(table.notna(), None)
    for row in known.itertuples(index=False, name=None):
        writer.writerow("" if value is None else value for value in map(_cell, row))
    return buffer.getvalue().encode()


def _cell(value: object) -> object:
    # people open these tables in spreadsheets, and names come from elsewhere
    return harmless(value) if isinstance(value, str) else plain(value)


def _below(name: str) -> str:
    """A relative name of two plain parts; raises `DossierError` for anything else."""
    parts = name.split("/")
    if len(parts) != 2 or any(part in ("", ".", "..") or "\\" in part for part in parts):
        raise DossierError(f"still {name!r}: expected <case>/<name>.jpg, found another form.")
    return name
