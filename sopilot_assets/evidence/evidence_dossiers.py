"""Station of the dossier: everything that a study published, sealed and signed."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any, Final

import pandas as pd

import sopilot_assets
from sopilot_assets.dossier.inputs import DossierInputs
from sopilot_assets.dossier.package import Dossier, build_dossier, publish_dossier
from sopilot_assets.dossier.signing import DEFAULT_KEY, load_key
from sopilot_assets.evidence.gate_reports import relevant_looks
from sopilot_assets.evidence.labels import with_labels
from sopilot_assets.evidence.outcome import StudyOutcome
from sopilot_assets.evidence.split_evaluations import detector_outcomes, study_repeats
from sopilot_assets.evidence.stills import error_stills
from sopilot_assets.evidence.study import (
    AGREEMENT,
    EVALUATIONS,
    FULL,
    GATES,
    LABEL_EVENTS,
    MANIFEST,
    POLICIES,
    SHADOW,
    Study,
)
from sopilot_assets.labels.chain import read_chain
from sopilot_assets.old_rules.detectors import DetectorOutcome
from sopilot_assets.store.home import Home
from sopilot_assets.studies.errors import error_packet
from sopilot_assets.studies.leakage import leakage_table
from sopilot_assets.studies.spec import study_path
from sopilot_assets.tasks import locked_versions

_STILLS_OF: Final = ("false_negative", "false_positive")


def build_study_dossier(home: Home, study_id: str, *, run_id: str, written_at: str) -> StudyOutcome:
    """Build, sign, verify and publish the dossier of a study; missing inputs make it a draft that names them.

    Raises `DossierError` where there is no signing key (``sopilot key create``).
    """
    del run_id, written_at  # a dossier depends on its content only
    study = Study.open(home, study_id)
    dossier, folder, archive = publish_study_dossier(study)
    return StudyOutcome(
        study_id,
        {
            "dossier_id": dossier.dossier_id,
            "verdict": dossier.verdict,
            "ready": dossier.ready,
            "blockers": len(dossier.blockers),
            "files": len(dossier.files),
            "zip": str(archive),
        },
        tables={"missing": [blocker.as_dict() for blocker in dossier.blockers]},
        page=folder / "index.html",
        warnings=[f"{blocker.input}: {blocker.reason}. {blocker.remedy}" for blocker in dossier.blockers],
    )


def publish_study_dossier(study: Study, *, key: str = DEFAULT_KEY) -> tuple[Dossier, Path, Path]:
    """The published dossier of a study, its folder and its zip."""
    dossier = build_dossier(study_inputs(study), load_key(study.home.keys / key))
    folder, archive = publish_dossier(dossier, study.home.dossiers / study.spec.study_id)
    return dossier, folder, archive


def study_inputs(study: Study) -> DossierInputs:
    """What the stations of a study published, as far as they did; every file is checked on the way."""
    found: dict[str, Any] = {"agreement": _published(study, AGREEMENT)}
    events = _published(study, LABEL_EVENTS)
    if events:
        found |= {"label_events": events["events"], "label_head": events["head"]}
    if study.results.has(MANIFEST):
        found |= _of_splits(study)
    if study.results.has(POLICIES):
        found |= _of_policies(study)
    return DossierInputs(
        study_id=study.spec.study_id,
        task_id=study.spec.task,
        title=study.spec.title,
        label_sources=[source.value for source in study.spec.label_sources],
        baseline_detector=study.spec.baseline_detector.value,
        study_yaml=study_path(study.home, study.spec.study_id).read_bytes(),
        registration=study.registration.model_dump(mode="json"),
        **_task_files(study),
        **found,
    )


def _of_splits(study: Study) -> dict[str, Any]:
    repeats = study_repeats(study)
    return {
        "cases": study.cases,
        "split_manifest": study.manifest.model_dump(mode="json"),
        "leakage": leakage_table(study.cases, study.manifest),
        # a look that was taken again told nothing new; the ledger keeps it
        "looks": relevant_looks(study).drop_duplicates(["study_id", "split", "inputs_sha256"]),
        "repeats": repeats,
        "versions": _versions(study.cases),
        "stale": _stale(study),
    }


def _stale(study: Study) -> dict[str, str]:
    """What people say otherwise by now of the study's own recordings; labels of others do not matter."""
    events = read_chain(study.home, study.spec.task)
    now = with_labels(study.cases, events, [source.value for source in study.spec.label_sources])
    before, after = study.cases["expected"], now["expected"]
    changed = list(study.cases["case_id"][(before != after) & ~(before.isna() & after.isna())])
    if not changed:
        return {}
    return {
        "label_events": f"the labels of {len(changed)} recordings are others by now, e.g. of {changed[0]}"
    }


def _of_policies(study: Study) -> dict[str, Any]:
    found: dict[str, Any] = {
        "policies": [policy.model_dump(mode="json") for policy in study.policies],
        "policy_id": study.policy.policy_id if study.policy else None,
        "detectors": [policy.detector for policy in study.policies if policy.feasible],
        "detections": _detections(study),
    }
    gates = _published(study, GATES)
    if gates:
        found |= {"gate_values": gates.pop("values"), "gate_report": gates}
    if study.policy is None:
        return found
    evaluations = _published(study, EVALUATIONS)
    if evaluations:
        found["evaluations"] = evaluations["splits"]
        found["drift"] = evaluations["splits"][FULL][study.policy.detector]["right"]["drift"]
    shadow = _published(study, SHADOW)
    if shadow:
        found["shadow"] = shadow["splits"][FULL]
    return found | _errors(study, study.policy.outcome(study.cases))


def _errors(study: Study, outcome: DetectorOutcome) -> dict[str, Any]:
    chosen = study.split(FULL)
    errors = error_packet(study.cases[chosen].reset_index(drop=True), outcome.of(chosen))
    wrong = errors.loc[errors["error"].isin(_STILLS_OF), "case_id"]
    stills, lacking = error_stills(study.home, list(wrong), processes=os.cpu_count() or 1)
    return {"errors": errors, "stills": stills, "stills_lacking": lacking}


def _detections(study: Study) -> pd.DataFrame:
    columns: dict[str, Any] = {
        "case_id": study.cases["case_id"],
        "split": study.manifest.split_of(study.cases["case_id"]),
        "cluster": study.clusters,
    }
    for name, outcome in detector_outcomes(study).items():
        columns |= {
            f"{name}.score": outcome.score,
            f"{name}.detected": outcome.detected,
            f"{name}.decided": outcome.decided,
        }
    return pd.DataFrame(columns)


def _task_files(study: Study) -> dict[str, Any]:
    """The task file, and the lock of the version that was registered."""
    task = study.home.tasks / f"{study.spec.task}.yaml"
    registered = study.registration.current.task_fingerprint
    locks = [lock.path for lock in locked_versions(task) if registered in (None, lock.spec.fingerprint())]
    return {
        "task_yaml": task.read_bytes() if task.exists() else None,
        "task_lock": locks[-1].read_bytes() if locks else None,
    }


def _versions(cases: pd.DataFrame) -> dict[str, str]:
    def distinct(column: str) -> str:
        return ", ".join(sorted(set(cases[column]) - {""})) or "unknown"

    return {
        "sopilot_assets": sopilot_assets.__version__,
        "python": platform.python_version(),
        "algorithm": distinct("algorithm"),
        "model": distinct("backend"),
        "reference": distinct("reference_id"),
    }


def _published(study: Study, name: str) -> Any:
    """A published JSON file, None where its station did not run; `StudyError` where it is out of date."""
    return study.document(name) if study.results.has(name) else None
