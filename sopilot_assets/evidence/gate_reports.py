"""Station of the gates: the selected policy's figures on test against the study's profile."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Set
from contextlib import suppress
from typing import Final

import pandas as pd

from sopilot_assets.capture.ledgers import videos_ledger
from sopilot_assets.errors import StudyError
from sopilot_assets.evidence import plots
from sopilot_assets.evidence.outcome import StudyOutcome, exact_csv
from sopilot_assets.evidence.results import GATES, MANIFEST, Results, check_rows
from sopilot_assets.evidence.split_evaluations import STATION, study_repeats
from sopilot_assets.evidence.study import AGREEMENT, EVALUATIONS, LEAKAGE, LOOKS, POLICY, Study
from sopilot_assets.labels.events import Source
from sopilot_assets.store.canonical import pretty_json
from sopilot_assets.store.home import Home
from sopilot_assets.studies.claims import claims_carried, claims_of_values
from sopilot_assets.studies.gates import GateReport, StudyGates, check_gates, gate_counts
from sopilot_assets.studies.looks import COLUMNS as LOOK_COLUMNS
from sopilot_assets.studies.looks import distinct_looks, looks_ledger
from sopilot_assets.studies.metrics import gate_values
from sopilot_assets.studies.repeatability import repeatability
from sopilot_assets.studies.spec import load_study
from sopilot_assets.studies.split_manifest import FULL, GATE_SPLIT, parse_manifest


def check_study_gates(home: Home, study_id: str, *, run_id: str, written_at: str) -> StudyOutcome:
    """Hold the figures of the selected policy on test, and what is known of labels, repeats, looks and
    leaks, against the study's gate profile. Without a policy every figure is missing, and missing fails.
    """
    study = Study.open(home, study_id)
    looks = relevant_looks(study)
    report, values = judged(study, looks)
    document = StudyGates(report, GATE_SPLIT, values).document()
    study.results.publish(
        "gate_reports",
        {GATES: pretty_json(document), LOOKS: exact_csv(looks)},
        made_from=(MANIFEST, LEAKAGE, AGREEMENT, POLICY, EVALUATIONS),
        run_id=run_id,
        written_at=written_at,
    )
    failed = report.failed()
    return StudyOutcome(
        study_id,
        {
            "profile": report.profile,
            "overall_pass": report.overall_pass,
            "enough_people": claims_carried(claims_of_values(values)),
            "checks": sum(check.enabled for check in report.checks),
            "failed": len(failed),
            "overrides": len(report.overrides),
            "first_failed": failed[0].name if failed else None,
        },
        tables={"checks": check_rows(document)},
        pictures={"gates": plots.gate_plot(report)},
        warnings=damaged_studies(study),
    )


def judged(study: Study, looks: pd.DataFrame) -> tuple[GateReport, dict[str, float | None]]:
    """The gate report of a study and the values that it was made from; ``looks`` are those that count."""
    values: dict[str, float | None] = {}
    counts = None
    if study.policy is not None:
        figures = study.figures[GATE_SPLIT][study.policy.detector]
        values, counts = gate_values(figures), gate_counts(figures)
    values |= _of_the_study(study, looks)
    report = check_gates(
        study.profile,
        values,
        overrides=study.overrides,
        override_locked=study.spec.override_locked,
        counts=counts,
    )
    return report, values


def _of_the_study(study: Study, looks: pd.DataFrame) -> dict[str, float | None]:
    """The values that are no figure of a detector: labels, repeats, looks, leaks."""
    scored = sum(counts.cases for counts in study.manifest.counts.values())
    scored_share = scored / (scored + len(study.manifest.unscored))
    sources = study.cases["label_source"][study.split(FULL)]
    asked = study.cases["label_source"] != ""
    settled = study.cases["expected"].notna()[asked]
    values: dict[str, float | None] = {
        "settled_label_share": float(settled.mean()) if len(settled) else None,
        # of all that is labeled: what could not be scored is in no split
        "coverage_rate": scored_share,
        "scored_share": scored_share,
        "blind_label_share": float((sources == Source.BLIND_HUMAN.value).mean()),
        "rater_kappa_ci95_low": study.agreement.low,
        "test_looks": float(distinct_looks(looks, GATE_SPLIT)),
        "leaking_groups": float(_leaking(study)),
    }
    repeats = study_repeats(study)
    return values if repeats is None else {**values, **repeat_values(repeats)}


def repeat_values(repeats: pd.DataFrame) -> dict[str, float | None]:
    """The values that gates ask for of repeats (`study_repeats`)."""
    found = repeatability(repeats)
    return {
        # recordings: repeating one of them many times shows nothing about the others
        "rescore_pairs": float(found.exact.videos),
        "rescore_jitter_max_delta": found.exact.max_delta,
        "shifted_recordings": float(found.shifted.videos),
        "shifted_jitter_max_delta": found.shifted.max_delta,
        "shifted_decision_change_rate": found.shifted.decision_change_rate,
    }


def study_looks(study: Study) -> pd.DataFrame:
    """The looks that the study's gates counted. Studies from before they were kept, and those whose gates
    were not judged yet, have those that there are now.
    """
    if not study.results.has(LOOKS):
        return relevant_looks(study)
    return pd.read_csv(io.BytesIO(study.results.read(LOOKS)), dtype="str", keep_default_na=False)


def relevant_looks(study: Study) -> pd.DataFrame:
    """The looks at this study's held-out cases by now, split by split, each kind once, since a look that was
    taken again told nothing new: its own, and those of other studies that split some of its test recordings,
    be it under another task. Registering a study again under another name gives no second first look, and
    what another study was fitted on is no fresh test either. One whose split cannot be read any more counts
    as far as it can have had them.
    """
    mine = set(map(_recording, study.manifest.case_ids[GATE_SPLIT]))
    rows = looks_ledger(study.home).latest()
    counting = {study.spec.study_id} | {
        str(name)
        for name, looked_at in rows.groupby("study_id")["looked_at"].max().items()
        if mine & _had(study.home, str(name), looked_at, mine)
    }
    chosen = rows.loc[rows["study_id"].isin(counting), list(LOOK_COLUMNS)]
    # of two at one moment, the one that opened the split comes first; a killed run may have opened one alone
    opened = chosen["station"].map(lambda name: name != STATION)
    ordered = chosen.assign(opened=opened).sort_values(["split", "looked_at", "opened", "look_id"])
    return ordered[list(LOOK_COLUMNS)].drop_duplicates(
        ["study_id", "split", "inputs_sha256"], ignore_index=True
    )


def damaged_studies(study: Study) -> list[str]:
    """What is wrong with the split of each other study that looked at something, where it cannot be read."""
    found = list[str]()
    for name in sorted(set(looks_ledger(study.home).latest()["study_id"]) - {study.spec.study_id}):
        try:
            _recordings(Results(study.home, name))
        except StudyError as error:
            found.append(f"{error} Until then its looks count wherever it can have had the same recordings.")
    return found


def _had(home: Home, study_id: str, looked_at: str, mine: Set[str]) -> Set[str]:
    """The recordings that a study splits; where that cannot be read any more, all that it can have had when
    it ``looked_at`` something last: of its task, if its file says it, and taken in by then. Those of ``mine``
    that were never taken in can always have been among them.
    """
    try:
        return _recordings(Results(home, study_id))
    except StudyError:
        taken_in = videos_ledger(home).query(_TAKEN_IN)
    there = taken_in["at"] <= looked_at
    with suppress(StudyError):
        there &= taken_in["task_id"] == load_study(home, study_id).task
    return mine - set(map(_recording, taken_in["key"])) | set(map(_recording, taken_in["key"][there]))


def _recordings(results: Results) -> set[str]:
    """The recordings that a study splits; raises `StudyError` where its split is gone or was changed."""
    if not results.has(MANIFEST):
        return set()
    by_split = parse_manifest(results.read(MANIFEST), name=MANIFEST).case_ids
    return {_recording(case) for cases in by_split.values() for case in cases}


def _recording(case_id: str) -> str:
    """What a case shows, without the task that judges it: the hash in a partition key, else the case id."""
    found = _PARTITION.fullmatch(case_id)
    return found[1] if found else case_id


_TAKEN_IN: Final = "select key, task_id, min(written_at) as at from written group by key, task_id"
_PARTITION: Final = re.compile(r"[a-z][a-z0-9_]*-[gt]-([0-9a-f]{12})")


def _leaking(study: Study) -> int:
    """The groups on two sides of the split; unknown persons on two sides count as one, since nothing shows
    that they are not the same.
    """
    table = csv.DictReader(io.StringIO(study.results.read(LEAKAGE).decode(), newline=""))
    places = study.manifest.split_of(study.cases["case_id"])
    unknown = set(places[(study.cases["person"] == "").to_numpy(dtype=bool)]) - {""}
    return sum(str(row["leaks"]) == "True" for row in table) + int(len(unknown) > 1)
