"""The files that stand beside the rows: splits, leakage, looks, repeats, errors, registration, readiness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from sopilot_assets.dossier.verifier.detectors import SPLIT_MANIFEST
from sopilot_assets.dossier.verifier.fields import Json, JsonField, json_field
from sopilot_assets.dossier.verifier.figures import (
    SPLITS,
    repeatability_of,
    rows_of_split,
    share_of,
)
from sopilot_assets.dossier.verifier.files import REQUIRED, STATEMENT, sha256
from sopilot_assets.dossier.verifier.findings import Findings
from sopilot_assets.dossier.verifier.gates import GATES_FILE
from sopilot_assets.dossier.verifier.labels import canonical
from sopilot_assets.dossier.verifier.tables import CASES_FILE, DETECTIONS_FILE, CaseRow, read_csv

REGISTRATION: Final = "protocol/registration.json"
STUDY: Final = "protocol/study.yaml"
LEAKAGE: Final = "rows/leakage.csv"
LOOKS: Final = "rows/looks.csv"
REPEATS: Final = "rows/repeats.csv"
ERRORS: Final = "rows/errors.csv"

_LINKS: Final[Mapping[str, tuple[str, ...]]] = {
    "person": ("person",),
    "source_video": ("source_video",),
    "near_duplicate": ("near_duplicate",),
    "session": ("site", "session"),
    "video": ("video_id",),
}


def registered_of(files: Mapping[str, bytes]) -> JsonField | None:
    """What was registered; None without a registration."""
    return json_field(files, REGISTRATION)["current"]["content"] if REGISTRATION in files else None


def check_registration(files: Mapping[str, bytes], dossier: JsonField, findings: Findings) -> None:
    """The registered content has the registered hash, and the dossier and its split are what it says; the
    study file has its hash too, where its layout is unchanged.
    """
    if REGISTRATION not in files:
        return
    registration = json_field(files, REGISTRATION)
    current = registration["current"]
    _check_registered(files, dossier, current["content"], findings)
    study = registration["study_id"].value
    findings.add(REGISTRATION, "study of the registration", study, dossier["study_id"].value)
    found = sha256(canonical(current["content"].value))
    findings.add(REGISTRATION, "SHA-256 of the registered study", current["spec_sha256"].value, found)
    stated = current["file_sha256"].value
    if STUDY in files and stated == sha256(files[STUDY]):
        findings.add(STUDY, "SHA-256 of the registered file", stated, sha256(files[STUDY]))
    else:
        # comments and layout may change; what was registered stands in the registration
        findings.not_recomputed.append("protocol.study_file_layout")


def _check_registered(
    files: Mapping[str, bytes], dossier: JsonField, content: JsonField, findings: Findings
) -> None:
    for name, registered in (
        ("study_id", "study_id"),
        ("task_id", "task"),
        ("label_sources", "label_sources"),
        ("baseline_detector", "baseline_detector"),
    ):
        findings.add("dossier.json", f"{name} as registered", dossier[name].value, content[registered].value)
    strange = sorted(set(dossier["detectors"].texts()) - set(content["detectors"].texts()))
    findings.add("dossier.json", "detectors that were not registered", ", ".join(strange) or "none", "none")
    findings.add("dossier.json", "split of the gates", dossier["gate_split"].value, "test")
    if SPLIT_MANIFEST in files:
        manifest = json_field(files, SPLIT_MANIFEST)
        for name in ("study_id", "task"):
            findings.add(SPLIT_MANIFEST, f"{name} as registered", manifest[name].value, content[name].value)
        for name in ("strategy", "seed", "ratios", "holdout_site"):
            planned = content["split"][name].value
            findings.add(SPLIT_MANIFEST, f"{name} as registered", manifest[name].value, planned)


def clusters_of(rows: Sequence[CaseRow]) -> list[str]:
    """Whom each row depends on: a name for all rows that are linked by person, source video, near-duplicate,
    session or video, directly or by others; "" for all rows of unknown persons.
    """
    parent: dict[tuple[str, str], tuple[str, str]] = {}

    def root(node: tuple[str, str]) -> tuple[str, str]:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for row in rows:
        for kind, columns in _LINKS.items():
            if row.text(columns[-1]):
                name = (kind, "/".join(row.text(column) for column in columns))
                parent[root(name)] = root(("case", row.case_id))
    return [":".join(root(("case", row.case_id))) if row.text("person") else "" for row in rows]


def check_clusters(rows: Sequence[CaseRow], findings: Findings) -> None:
    """The clusters that intervals are made by are those that the rows give; their names are free."""
    pairs = {(row.cluster, found) for row, found in zip(rows, clusters_of(rows), strict=True)}
    stated, found = ({pair[side] for pair in pairs} for side in (0, 1))
    sound = len(pairs) == len(stated) == len(found) and all(one != "" or other == "" for one, other in pairs)
    findings.add(
        DETECTIONS_FILE, "groups of dependent recordings (cluster)", len(stated), len(found), ok=sound
    )


def check_splits(files: Mapping[str, bytes], rows: Sequence[CaseRow], findings: Findings) -> None:
    """The manifest has its own id, was made from these very cases, and the rows follow it."""
    if SPLIT_MANIFEST not in files:
        return
    manifest = json_field(files, SPLIT_MANIFEST)
    body = {name: value for name, value in manifest.object().items() if name != "manifest_id"}
    stated_id, found_id = manifest["manifest_id"].value, sha256(canonical(body))[:12]
    findings.add(SPLIT_MANIFEST, "id of the split manifest", stated_id, found_id)
    cases = manifest["cases_sha256"].value
    findings.add(CASES_FILE, "SHA-256 of the cases that were split", cases, sha256(files[CASES_FILE]))
    for split in SPLITS:
        stated = manifest["case_ids"][split].texts()
        found = [row.case_id for row in rows if row.split == split]
        findings.add(
            DETECTIONS_FILE,
            f"cases of the {split} split",
            len(stated),
            len(found),
            ok=sorted(stated) == sorted(found),
        )


def leaks_of(rows: Sequence[CaseRow]) -> dict[tuple[str, str], set[str]]:
    """The splits of each person, source video, near-duplicate group, session and video that is known."""
    splits: dict[tuple[str, str], set[str]] = {}
    for row in rows_of_split(rows, "full"):
        for kind, columns in _LINKS.items():
            if row.text(columns[-1]):
                name = "/".join(row.text(column) for column in columns)
                splits.setdefault((kind, name), set()).add(row.split)
    return splits


def check_leakage(files: Mapping[str, bytes], rows: Sequence[CaseRow], findings: Findings) -> int:
    """The table of leakage lists exactly the groups that the rows have; returns how many leak."""
    groups = leaks_of(rows)
    leaking = sum(len(splits) > 1 for splits in groups.values())
    if LEAKAGE in files:
        table = {
            (row["kind"], row["name"]): set(filter(None, row["splits"].split(",")))
            for row in read_csv(files[LEAKAGE])
        }
        findings.add(LEAKAGE, "groups, each with its splits", len(table), len(groups), ok=table == groups)
        stated = sum(row["leaks"] == "True" for row in read_csv(files[LEAKAGE]))
        findings.add(LEAKAGE, "groups in more than one split", stated, leaking)
    return leaking


def check_errors(
    files: Mapping[str, bytes], rows: Sequence[CaseRow], dossier: JsonField, findings: Findings
) -> None:
    """The listed misses and false alarms are those of the rows; in a ready dossier each has a picture."""
    detector, split = dossier["detector"].text(), dossier["errors_split"].text()
    if ERRORS not in files:
        return
    listed = {
        (row["case_id"], row["error"]) for row in read_csv(files[ERRORS]) if row["error"] != "undecided"
    }
    found = {
        (row.case_id, "false_negative" if row.expected == 1 else "false_positive")
        for row in rows_of_split(rows, split)
        if row.expected is not None
        and row.decided(detector)
        and row.detected(detector) != (row.expected == 1)
    }
    findings.add(ERRORS, "misses and false alarms listed", len(listed), len(found), ok=listed == found)
    shown = {name.split("/")[1] for name in files if name.startswith("stills/")}
    lacking = sorted(case for case, _ in listed if case not in shown)
    if dossier["readiness"]["ready"].value:
        findings.add("stills", "errors without a picture", ", ".join(lacking[:3]) or "none", "none")


def evidence_values(files: Mapping[str, bytes], rows: Sequence[CaseRow], leaking: int) -> dict[str, Json]:
    """The values of the checks that do not come from one detector's figures."""
    everywhere = rows_of_split(rows, "full")
    labeled = [row for row in everywhere if row.expected is not None]
    blind = sum(row.text("label_source") == "blind_human" for row in labeled)
    unknown = {row.split for row in everywhere if not row.text("person")}
    asked = [row for row in rows if row.text("label_source")]
    values: dict[str, Json] = {
        "settled_label_share": share_of(sum(row.expected is not None for row in asked), len(asked)),
        # nothing shows that unknown persons in two splits are not the same
        "leaking_groups": leaking + (len(unknown) > 1),
        "blind_label_share": share_of(blind, len(labeled)),
    }
    if SPLIT_MANIFEST in files:
        scored = _scored_share(json_field(files, SPLIT_MANIFEST))
        values |= {"coverage_rate": scored, "scored_share": scored}
    if REPEATS in files:
        found = repeatability_of(read_csv(files[REPEATS]))
        exact, shifted = found["exact"], found["shifted"]
        values |= {
            "rescore_pairs": exact.videos,
            "rescore_jitter_max_delta": exact.max_delta,
            "shifted_recordings": shifted.videos,
            "shifted_jitter_max_delta": shifted.max_delta,
            "shifted_decision_change_rate": shifted.decision_change_rate,
        }
    if LOOKS in files:
        looks = read_csv(files[LOOKS])
        values["test_looks"] = len({row["inputs_sha256"] for row in looks if row["split"] == "test"})
    return values


def _scored_share(manifest: JsonField) -> float | None:
    """The share of labeled recordings that could be scored, of all that the study labels."""
    scored = sum(len(manifest["case_ids"][split].items()) for split in SPLITS)
    return scored / (scored + len(manifest["unscored"].items())) if scored else None


def check_readiness(files: Mapping[str, bytes], dossier: JsonField, findings: Findings) -> None:
    """A dossier that calls itself ready names no blocker and lacks no file."""
    readiness = dossier["readiness"]
    lacking = [name for name in REQUIRED if name not in files]
    lacking += [] if any(name.startswith("protocol/policies/") for name in files) else ["protocol/policies"]
    stated, found = readiness["ready"].value, not readiness["blockers"].value and not lacking
    why = f"{found}, without {', '.join(lacking[:3])}" if lacking else str(found)
    findings.add("dossier.json", "ready to hand out", str(stated), why, ok=found or not stated)
    if stated:
        for name in ("policy_id", "detector", "label_head"):
            findings.add("dossier.json", f"{name} of a ready dossier", bool(dossier[name].value), True)
    passed = bool(stated and GATES_FILE in files and _gates_passed(files))
    verdict = ("gates_passed" if passed else "gates_failed") if stated else "not_ready"
    findings.add("dossier.json", "verdict", dossier["verdict"].value, verdict)
    if STATEMENT in files:
        _check_predicate(json_field(files, STATEMENT)["predicate"], dossier, verdict, findings)


def _check_predicate(predicate: JsonField, dossier: JsonField, verdict: str, findings: Findings) -> None:
    result = "PASSED" if verdict == "gates_passed" else "FAILED"
    findings.add(STATEMENT, "result", predicate["result"].value, result)
    for name in ("dossier_id", "study_id", "task_id", "verdict"):
        stated = predicate["dossier"][name].value
        findings.add(STATEMENT, f"{name} of the dossier", stated, dossier[name].value)


def _gates_passed(files: Mapping[str, bytes]) -> bool:
    return json_field(files, GATES_FILE)["report"]["overall_pass"].value is True
