"""The whole verification: every file, figure, rule and signature of a dossier compared with what is found."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from sopilot_assets.dossier.verifier.claims import claims_of, groups_of, is_carried
from sopilot_assets.dossier.verifier.detectors import (
    BASELINE,
    POLICIES,
    SPLIT_MANIFEST,
    check_detections,
    policies_of,
)
from sopilot_assets.dossier.verifier.erased import ERASED, NOTHING_ERASED, ErasedParts, erased_parts
from sopilot_assets.dossier.verifier.evidence import (
    REGISTRATION,
    REPEATS,
    check_clusters,
    check_errors,
    check_leakage,
    check_readiness,
    check_registration,
    check_splits,
    evidence_values,
    registered_of,
)
from sopilot_assets.dossier.verifier.fields import Json, JsonField, WrongField, json_field
from sopilot_assets.dossier.verifier.figures import (
    SPLITS,
    figures_of,
    headline_of,
    rows_of_split,
    shadow_of,
)
from sopilot_assets.dossier.verifier.files import (
    check_hashes,
    check_signature,
    dossier_id_of,
)
from sopilot_assets.dossier.verifier.findings import Findings
from sopilot_assets.dossier.verifier.gates import (
    GATES_FILE,
    check_gate_report,
    check_gate_rules,
    values_of,
)
from sopilot_assets.dossier.verifier.kappa import AGREEMENT, agreement_of
from sopilot_assets.dossier.verifier.labels import (
    LABELS_FILE,
    RaterLabel,
    check_chain,
    check_labels,
    label_states,
    rater_label,
)
from sopilot_assets.dossier.verifier.tables import CASES_FILE, DETECTIONS_FILE, CaseRow, case_rows, read_csv

DOSSIER: Final = "dossier.json"
EVALUATIONS: Final = "results/evaluations.json"
SHADOW: Final = "results/shadow.json"
DRIFT: Final = "results/drift.json"
WITHOUT_CLAIMS: Final = "sopilot_dossier_v1"
"""The version of dossiers that were made before the headline said what its people allow to say."""
MIXED_SOURCES: Final = frozenset({WITHOUT_CLAIMS, "sopilot_dossier_v2"})
"""Versions in which answers of all sources together made the agreement of raters."""

_WRONG_CONTENT: Final = (
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    csv.Error,
)
"""What files raise that are not what they have to be; the file is then named as bad."""


@dataclass(frozen=True)
class DossierVerification:
    """The outcome: every comparison, the key's fingerprint ("" without one), what the dossier says."""

    findings: Findings
    signer: str
    signer_compared: bool
    dossier: Mapping[str, Json]
    erased: ErasedParts = NOTHING_ERASED

    @property
    def ok(self) -> bool:
        """Whether everything agrees."""
        return not self.findings.failed

    @property
    def summary(self) -> JsonField:
        """What ``dossier.json`` says, field by field."""
        return JsonField(DOSSIER, "", self.dossier)

    def as_dict(self) -> dict[str, object]:
        """The same as a JSON object."""
        return {
            "ok": self.ok,
            "dossier_id": self.dossier.get("dossier_id"),
            "readiness": self.dossier.get("readiness"),
            "verdict": self.dossier.get("verdict"),
            "signer": self.signer or None,
            "signer_compared": self.signer_compared,
            "erased_recordings": len(self.erased.recordings),
            "erased_files": len(self.erased.removed),
            "erasure_signed": self.erased.signed,
            "bad_files": self.findings.bad_files,
            "comparisons": len(self.findings.lines),
            "failed": [asdict(line) for line in self.findings.failed],
            "headline": self.dossier.get("headline"),
            "not_recomputed": self.findings.not_recomputed,
        }


def verify_files(
    files: Mapping[str, bytes],
    *,
    signer: str | None = None,
    signature: bool = True,
    use_ssh_keygen: bool = True,
    figures: bool = True,
) -> DossierVerification:
    """Verify the files of a dossier, given by name.

    ``signer`` is the public key or fingerprint that the reader expects. Without ``signature`` a missing or
    wrong signature is passed over; without ``figures`` only hashes and signature are checked.
    """
    findings = Findings()
    found = [NOTHING_ERASED]
    _guarded(ERASED, findings, lambda: found.append(erased_parts(files, findings)))
    erased = found[-1]
    _guarded("manifest.json", findings, lambda: check_hashes(files, findings, erased))
    fingerprint = ""
    if signature:
        fingerprint = check_signature(files, findings, signer=signer, use_ssh_keygen=use_ssh_keygen)
    dossier: dict[str, Json] = {}
    if DOSSIER not in files:
        findings.bad(DOSSIER, "part of the dossier", "a file", "no file")
    else:
        _guarded(DOSSIER, findings, lambda: dossier.update(json_field(files, DOSSIER).object()))
        if not dossier:
            findings.bad(DOSSIER, "JSON", "an object that describes the dossier", "nothing")
    if figures and dossier:
        summary = JsonField(DOSSIER, "", dossier)
        _guarded(DOSSIER, findings, lambda: _check_content(files, erased, summary, findings))
    return DossierVerification(findings, fingerprint, signature and signer is not None, dossier, erased)


def _check_content(
    files: Mapping[str, bytes], erased: ErasedParts, dossier: JsonField, findings: Findings
) -> None:
    """Everything that can be recomputed from the files that are there; of erased ones the names are left."""
    findings.add(DOSSIER, "id of the dossier", dossier.get("dossier_id").value, dossier_id_of(files, erased))
    _guarded(DOSSIER, findings, lambda: check_readiness(files, dossier, findings))
    _guarded(REGISTRATION, findings, lambda: check_registration(files, dossier, findings))
    events: list[JsonField] = []
    if LABELS_FILE in files:
        _guarded(
            LABELS_FILE,
            findings,
            lambda: events.extend(check_chain(files[LABELS_FILE], dossier["label_head"].value, findings)),
        )
    if CASES_FILE not in files or DETECTIONS_FILE not in files:
        return
    rows: list[CaseRow] = []
    _guarded(CASES_FILE, findings, lambda: rows.extend(case_rows(files)))
    if rows:
        _check_rows({**files, **erased.places}, dossier, rows, events, findings)


def _check_rows(
    files: Mapping[str, bytes],
    dossier: JsonField,
    rows: Sequence[CaseRow],
    events: Sequence[JsonField],
    findings: Findings,
) -> None:
    if LABELS_FILE in files:
        _guarded(LABELS_FILE, findings, lambda: _check_labels(files, dossier, rows, events, findings))
    _guarded(SPLIT_MANIFEST, findings, lambda: check_splits(files, rows, findings))
    _guarded(DETECTIONS_FILE, findings, lambda: check_clusters(rows, findings))
    policies = policies_of(files, findings)
    _guarded(DETECTIONS_FILE, findings, lambda: check_detections(rows, dossier, policies, findings))
    _guarded(EVALUATIONS, findings, lambda: _check_evaluations(files, dossier, rows, findings))
    _guarded(DOSSIER, findings, lambda: _check_headline(dossier, rows, findings))
    leaking: list[int] = [0]
    _guarded("rows/leakage.csv", findings, lambda: leaking.append(check_leakage(files, rows, findings)))
    detector, policy_id = dossier["detector"].value, dossier["policy_id"].value
    if not detector:
        return
    chosen = [one for one in policies.values() if one["policy_id"].value == policy_id]
    found = chosen[0]["detector"].value if chosen else None
    findings.add(f"{POLICIES}{policy_id}.json", "detector of the selected policy", detector, found)
    _guarded(DOSSIER, findings, lambda: _check_claims(dossier, rows, findings))
    _guarded("rows/errors.csv", findings, lambda: check_errors(files, rows, dossier, findings))
    _guarded(SHADOW, findings, lambda: _check_shadow(files, dossier, rows, findings))
    _guarded(GATES_FILE, findings, lambda: _check_gates(files, dossier, rows, leaking[-1], findings))


def _check_labels(
    files: Mapping[str, bytes],
    dossier: JsonField,
    rows: Sequence[CaseRow],
    events: Sequence[JsonField],
    findings: Findings,
) -> None:
    """The labels of the rows, and the agreement of the raters, as the chain gives them."""
    sources = dossier["label_sources"].texts()
    labels = [rater_label(event) for event in events]
    states = label_states(labels, sources)
    _guarded(CASES_FILE, findings, lambda: check_labels(rows, states, findings))
    judged = {row.case_id for row in rows}
    of_them = [label for label in labels if label.key in judged]
    _guarded(AGREEMENT, findings, lambda: _check_agreement(files, dossier, of_them, findings))


def _check_agreement(
    files: Mapping[str, bytes], dossier: JsonField, labels: Sequence[RaterLabel], findings: Findings
) -> None:
    if AGREEMENT in files:
        mixed = dossier["version"].value in MIXED_SOURCES
        found = agreement_of(labels, dossier["label_sources"].texts(), mixed=mixed)
        findings.compare(AGREEMENT, "agreement", json_field(files, AGREEMENT).value, found)


def _check_evaluations(
    files: Mapping[str, bytes], dossier: JsonField, rows: Sequence[CaseRow], findings: Findings
) -> None:
    if EVALUATIONS not in files:
        return
    evaluations = json_field(files, EVALUATIONS)
    if dossier["readiness"]["ready"].value:
        _check_selected(files, dossier["detector"].text(), evaluations, findings)
    for split, by_detector in evaluations.fields():
        chosen = rows_of_split(rows, split)
        for detector, stated in by_detector.fields():
            repeated = REPEATS in files and "right" in stated and "repeatability" in stated["right"]
            found = figures_of(chosen, detector, read_csv(files[REPEATS]) if repeated else None)
            findings.compare(EVALUATIONS, f"{split}.{detector}", stated.value, found)


def _check_selected(
    files: Mapping[str, bytes], detector: str, evaluations: JsonField, findings: Findings
) -> None:
    """The selected detector of a ready dossier has figures everywhere, and the drift that is among them."""
    shown = sum(split in evaluations and detector in evaluations[split] for split in SPLITS)
    findings.add(EVALUATIONS, "splits with figures of the selected detector", shown, len(SPLITS))
    if DRIFT in files:
        of_all: Json = evaluations.value
        for name in ("full", detector, "right", "drift"):
            of_all = of_all.get(name) if isinstance(of_all, Mapping) else None
        findings.add(DRIFT, "drift, as among the figures", json_field(files, DRIFT).value, of_all)


def _check_headline(dossier: JsonField, rows: Sequence[CaseRow], findings: Findings) -> None:
    """Line by line, named as a reader would: ``test miss rate of guarded_binary_v2``."""
    # without a policy nobody looks at held-out recordings
    splits = ("full", *SPLITS) if dossier["detector"].value else SPLITS[:1]
    found = headline_of(rows, splits, [*dossier["detectors"].texts(), BASELINE])
    for line, other in zip(dossier["headline"].items(), found, strict=True):
        figure = line["figure"].text().replace("_", " ")
        name = f"{line['split'].value} {figure} of {line['detector'].value}"
        for field, value in asdict(other).items():
            findings.add(DOSSIER, f"{name}: {field}", line[field].value, value)


def _check_claims(dossier: JsonField, rows: Sequence[CaseRow], findings: Findings) -> None:
    """What the headline allows to say, and the figures of each group; dossiers of version 1 say neither."""
    if dossier["version"].value == WITHOUT_CLAIMS:
        return
    split, detector = dossier["gate_split"].text(), dossier["detector"].text()
    claims = claims_of(rows, split, detector)
    carried = all(map(is_carried, claims))
    findings.add(DOSSIER, "enough people for a statement", dossier["carried"].value, carried)
    for name, found in (("claims", claims), ("groups", groups_of(rows, split, detector))):
        stated = dossier[name].items()
        findings.add(DOSSIER, f"number of {name}", len(stated), len(found))
        for one, other in zip(stated, found, strict=False):
            place = " ".join(str(other[part]) for part in ("kind", "name", "figure") if part in other)
            findings.compare(DOSSIER, f"{name}: {place}", one.value, other)


def _check_shadow(
    files: Mapping[str, bytes], dossier: JsonField, rows: Sequence[CaseRow], findings: Findings
) -> None:
    if SHADOW in files:
        chosen = rows_of_split(rows, dossier["shadow_split"].text())
        found = shadow_of(chosen, BASELINE, dossier["detector"].text())
        findings.compare(SHADOW, "shadow", json_field(files, SHADOW).value, found)


def _check_gates(
    files: Mapping[str, bytes],
    dossier: JsonField,
    rows: Sequence[CaseRow],
    leaking: int,
    findings: Findings,
) -> None:
    if GATES_FILE not in files:
        return
    gates = json_field(files, GATES_FILE)
    figures = figures_of(rows_of_split(rows, dossier["gate_split"].text()), dossier["detector"].text())
    found = values_of(figures) | evidence_values(files, rows, leaking)
    if AGREEMENT in files:
        found["rater_kappa_ci95_low"] = json_field(files, AGREEMENT).get("low").value
    check_gate_report(gates["report"], gates["values"], found, findings)
    registered = registered_of(files)
    if registered is not None:
        check_gate_rules(gates["report"], registered, findings)


def _guarded(file: str, findings: Findings, check: Callable[[], object]) -> None:
    """Run one check; a file that is not what it has to be is a finding, never a crash."""
    try:
        check()
    except _WRONG_CONTENT as error:
        named = str(error) if isinstance(error, WrongField) else f"{type(error).__name__}: {error}"
        findings.bad(file, "content", "as it has to be", named)
