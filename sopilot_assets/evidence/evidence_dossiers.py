"""Station of the dossier: everything that a study published, sealed and signed."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd

import sopilot_assets
from sopilot_assets.capture.erasures import erasures
from sopilot_assets.dossier.inputs import DossierInputs, LabelChain, Pictures, Protocol, StudyResults, Tables
from sopilot_assets.dossier.package import Dossier, build_dossier, publish_dossier
from sopilot_assets.dossier.signing import DEFAULT_KEY, load_key
from sopilot_assets.evidence.gate_reports import study_looks
from sopilot_assets.evidence.labels import with_labels
from sopilot_assets.evidence.outcome import StudyOutcome
from sopilot_assets.evidence.results import GATES, MANIFEST
from sopilot_assets.evidence.split_evaluations import detector_outcomes, study_repeats
from sopilot_assets.evidence.stills import error_stills
from sopilot_assets.evidence.study import AGREEMENT, EVALUATIONS, LABEL_EVENTS, POLICIES, SHADOW, Study
from sopilot_assets.labels.chain import read_chain
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.scoring.limits import GOLDS
from sopilot_assets.store.home import Home
from sopilot_assets.studies.errors import error_packet
from sopilot_assets.studies.leakage import leakage_table
from sopilot_assets.studies.spec import study_path
from sopilot_assets.studies.split_manifest import FULL
from sopilot_assets.tasks import find_tasks, locked_versions, notice_of
from sopilot_assets.texts.languages import Text

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
            "enough_people": dossier.summary.carried,
            **{one.figure: one.text.en for one in dossier.summary.claims},
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
    split = study.results.has(MANIFEST)
    errors, pictures = _errors(study) if split else (None, Pictures())
    return DossierInputs(
        protocol=_protocol(study),
        tables=_tables(study, errors) if split else Tables(),
        results=_results(study) if split else StudyResults(),
        labels=_labels(study),
        pictures=pictures,
        stale=_stale(study) if split else {},
        privacy=_privacy(study),
        versions=_versions(study.cases) if split else {},
    )


def _privacy(study: Study) -> Sequence[tuple[Text, Text]]:
    """Why people are filmed; nothing where the task's file cannot be used any more."""
    task = find_tasks(study.home.root).tasks.get(study.spec.task)
    return () if task is None else notice_of(study.home, task.privacy).lines


def _protocol(study: Study) -> Protocol:
    """The registered files; the lock is that of the version of the task that was registered."""
    spec, registered = study.spec, study.registration.current.task_fingerprint
    task = study.home.tasks / f"{spec.task}.yaml"
    locks = [lock.path for lock in locked_versions(task) if registered in (None, lock.spec.fingerprint())]
    return Protocol(
        study_id=spec.study_id,
        task_id=spec.task,
        title=spec.title,
        baseline_detector=spec.baseline_detector.value,
        label_sources=[source.value for source in spec.label_sources],
        study_yaml=study_path(study.home, spec.study_id).read_bytes(),
        task_yaml=task.read_bytes() if task.exists() else None,
        task_lock=locks[-1].read_bytes() if locks else None,
        registration=study.registration,
    )


def _tables(study: Study, errors: pd.DataFrame | None) -> Tables:
    return Tables(
        cases=study.cases,
        detections=_detections(study) if study.results.has(POLICIES) else None,
        leakage=leakage_table(study.cases, study.manifest),
        errors=errors,
        looks=study_looks(study),
        repeats=study_repeats(study),
    )


def _results(study: Study) -> StudyResults:
    if not study.results.has(POLICIES):
        return StudyResults(manifest=study.manifest)
    policy, has = study.policy, study.results.has
    figures = study.figures if policy and has(EVALUATIONS) else None
    return StudyResults(
        manifest=study.manifest,
        policies=study.policies,
        policy_id=policy.policy_id if policy else None,
        figures=figures,
        gates=study.gates if has(GATES) else None,
        shadow=study.shadow[FULL] if policy and has(SHADOW) else None,
        drift=figures[FULL][policy.detector].drift if policy and figures else None,
    )


def _labels(study: Study) -> LabelChain:
    has = study.results.has
    events, label_head = study.label_events if has(LABEL_EVENTS) else ((), None)
    return LabelChain(events, label_head, study.agreement if has(AGREEMENT) else None)


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


def _errors(study: Study) -> tuple[pd.DataFrame | None, Pictures]:
    """The misses and false alarms of the selected policy, with their pictures."""
    if not study.results.has(POLICIES) or study.policy is None:
        return None, Pictures()
    chosen = study.split(FULL)
    outcome = study.policy.outcome(study.cases)
    errors = error_packet(study.cases[chosen].reset_index(drop=True), outcome.of(chosen))
    wrong = errors.loc[errors["error"].isin(_STILLS_OF), "case_id"]
    gone = frozenset(erasures(study.home))
    shown = [one for one in wrong if one not in gone]
    stills, lacking = error_stills(study.home, _reported(study, shown), processes=os.cpu_count() or 1)
    return errors, Pictures(stills, lacking, gone)


def _reported(study: Study, case_ids: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The deviations that each of these cases was split with, whatever was scored since."""
    names = {"case_id": "key", "backend": "model_id"}
    split = study.cases.rename(columns=names)[["key", "model_id", "reference_id", "algorithm"]]
    found = scores_ledger(study.home).query(
        "select key, deviations from all_rows join split using (key, model_id, reference_id, algorithm) "
        "where task_fingerprint = version qualify row_number() over "
        "(partition by key order by all_rows.written_at desc, all_rows.run_id desc, row_id) = 1",
        split=split.assign(version=study.registration.current.task_fingerprint),
    )
    deviations = dict(zip(found["key"], found["deviations"], strict=True))
    return {case_id: json.loads(deviations.get(case_id) or "[]") for case_id in case_ids}


def _detections(study: Study) -> pd.DataFrame:
    columns: dict[str, object] = {
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


def _versions(cases: pd.DataFrame) -> dict[str, str]:
    def distinct(column: str) -> str:
        return ", ".join(sorted(set(cases[column]) - {""})) or "unknown"

    return {
        "sopilot_assets": sopilot_assets.__version__,
        "python": platform.python_version(),
        "algorithm": distinct("algorithm"),
        "model": distinct("backend"),
        "reference": distinct("reference_id"),
        **({"decided by": _decided_by(cases)} if (cases["origin"] == "scored").any() else {}),
    }


def _decided_by(cases: pd.DataFrame) -> str:
    return ", ".join(sorted(set(cases["decided_by"]))) if "decided_by" in cases else GOLDS
