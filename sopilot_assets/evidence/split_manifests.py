"""Station of the splits: cases from scores and labels, their split, and the proof that nothing leaks."""

from __future__ import annotations

import csv
import hashlib
import io

import pandas as pd

from sopilot_assets.capture.registry import Registry
from sopilot_assets.evidence.duplicates import near_duplicate_names
from sopilot_assets.evidence.labels import labels_outcome, with_labels
from sopilot_assets.evidence.outcome import StudyOutcome, exact_csv, rows_of
from sopilot_assets.evidence.results import MANIFEST, Results
from sopilot_assets.evidence.scored import scored_cases
from sopilot_assets.evidence.study import AGREEMENT, CASES, LABEL_EVENTS, LEAKAGE
from sopilot_assets.labels.agreement import rater_agreement
from sopilot_assets.labels.chain import read_chain
from sopilot_assets.legacy.importing import imported_cases
from sopilot_assets.store.canonical import pretty_json
from sopilot_assets.store.chain import chain_head
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell
from sopilot_assets.studies.cases import cases_csv
from sopilot_assets.studies.leakage import leakage_table, leaking_groups, unknown_links
from sopilot_assets.studies.registration import GoldsOfStudy, freeze, registered_study
from sopilot_assets.studies.spec import ScoreOrigin, StudySpec
from sopilot_assets.studies.split_manifest import SplitManifest
from sopilot_assets.studies.splits import held_out_persons, study_split


def split_study_cases(home: Home, study_id: str, *, run_id: str, written_at: str) -> StudyOutcome:
    """Split the study's cases as it was registered, and freeze the study.

    Raises `StudyError` where the study is not registered or a split would be empty or hold one class only,
    and `LabelError` where the chain of labels is broken.
    """
    spec, registration = registered_study(home, study_id)
    events = read_chain(home, spec.task)
    golds = registration.golds if registration.frozen else _golds(home, spec)
    cases = with_labels(
        _unlabeled(home, spec, registration.current.task_fingerprint, golds),
        events,
        [source.value for source in spec.label_sources],
    )
    manifest = study_split(cases, spec, seen=golds.persons)
    leakage = leakage_table(cases, manifest)
    # what raters agree on elsewhere says nothing about these recordings
    own = set(cases["case_id"])
    agreement = rater_agreement([event for event in events if event.key in own], spec.label_sources)
    document = pretty_json(manifest)
    # before the files: a run killed between them must not leave results of a study that can be changed
    freeze(home, study_id, hashlib.sha256(document).hexdigest(), golds=golds)
    Results(home, study_id).publish(
        "split_manifests",
        {
            CASES: cases_csv(cases),
            MANIFEST: document,
            LEAKAGE: exact_csv(leakage),
            LABEL_EVENTS: pretty_json(
                {
                    "head": chain_head(events).event_id,
                    "events": [event.as_dict() for event in events],
                }
            ),
            AGREEMENT: pretty_json(agreement.as_dict()),
        },
        made_from=(),
        run_id=run_id,
        written_at=written_at,
    )
    return StudyOutcome(
        study_id,
        _metadata(cases, manifest, leakage),
        tables={
            "splits": _split_rows(manifest),
            "leaks": rows_of(leakage[leakage["leaks"]]),
            "groups": rows_of(leakage),
        },
        warnings=_warnings(cases, manifest, golds),
        labels=labels_outcome(home, spec.task, events),
    )


def study_leaks(home: Home, study_id: str) -> list[dict[str, Cell]]:
    """The groups of a study that are in more than one split, as they were published."""
    document = Results(home, study_id).read(LEAKAGE).decode()
    return [dict(row) for row in csv.DictReader(io.StringIO(document, newline="")) if row["leaks"] == "True"]


def _golds(home: Home, spec: StudySpec) -> GoldsOfStudy:
    """What counts as golds of the study's task now; imported scores have none that we know of."""
    if spec.scores is ScoreOrigin.IMPORTED:
        return GoldsOfStudy()
    golds = Registry.read(home).golds(spec.task)
    return GoldsOfStudy(
        promoted=tuple(str(one.key) for one in golds if one.promotion is not None),
        persons=tuple(sorted({one.person for one in golds if one.person is not None})),
    )


def _unlabeled(
    home: Home, spec: StudySpec, task_fingerprint: str | None, golds: GoldsOfStudy
) -> pd.DataFrame:
    if spec.scores is ScoreOrigin.IMPORTED:
        return imported_cases(home, spec.task)
    cases = scored_cases(home, spec.task, task_fingerprint=task_fingerprint, promoted=golds.promoted)
    return cases.assign(near_duplicate=near_duplicate_names(home, cases))


def _metadata(cases: pd.DataFrame, manifest: SplitManifest, leakage: pd.DataFrame) -> dict[str, Cell]:
    counted: dict[str, Cell] = {
        f"{split}_{name}": getattr(counts, name)
        for split, counts in manifest.counts.items()
        for name in ("positives", "negatives", "groups")
    }
    return {
        "manifest_id": manifest.manifest_id,
        "strategy": manifest.strategy.value,
        "cases": len(cases),
        "unlabelled": int(cases["expected"].isna().sum()),
        "unscored": len(manifest.unscored),
        **counted,
        "leaking_groups": leaking_groups(leakage),
    }


def _split_rows(manifest: SplitManifest) -> list[dict[str, Cell]]:
    return [{"split": split, **counts.model_dump()} for split, counts in manifest.counts.items()]


def _warnings(cases: pd.DataFrame, manifest: SplitManifest, golds: GoldsOfStudy) -> list[str]:
    said = []
    if persons := unknown_links(cases, manifest)["person"]:
        advice = "Write the person into each recording's sidecar."
        said.append(
            f"{persons} cases have no person: nothing shows that they are not in two splits. {advice}"
        )
    if seen := held_out_persons(cases, manifest, golds.persons):
        said.append(
            f"Held-out cases show {', '.join(seen)}, whom the golds show too: they say nothing about people "
            "whom nothing was learnt from. The split strategy group_person keeps them in dev."
        )
    return said
