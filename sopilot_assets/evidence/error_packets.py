"""Station of the errors: every miss and false alarm of the selected policy, and where they come from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import pandas as pd

from sopilot_assets.dossier.inputs import BASELINE
from sopilot_assets.errors import StudyError
from sopilot_assets.evidence.outcome import StudyOutcome, csv_of, rows_of
from sopilot_assets.evidence.results import MANIFEST
from sopilot_assets.evidence.study import BREAKDOWN, CASES, ERRORS, EVALUATIONS, LEFT_OUT, POLICY, Study
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.studies.errors import error_breakdown, error_packet
from sopilot_assets.studies.leave_group_out import leave_group_out
from sopilot_assets.studies.policy_fits import refit
from sopilot_assets.studies.split_manifest import FULL

GROUPINGS: Final = ("site", "person", "gold_id")


def collect_study_errors(home: Home, study_id: str, *, run_id: str, written_at: str) -> StudyOutcome:
    """List what the selected policy gets wrong, broken down by what may explain it, and how each site,
    person and gold fares by a policy that was fitted without it (on dev alone).

    Without a policy the errors are those of the baseline on dev: held-out recordings stay closed.
    """
    study = Study.open(home, study_id)
    chosen = study.split(FULL if study.policy else "dev")
    cases = study.cases[chosen].reset_index(drop=True)
    outcome = (study.policy.outcome(study.cases) if study.policy else study.baseline).of(chosen)
    packet = error_packet(cases, outcome, review_pages=_review_pages(home, cases["case_id"]))
    packet.insert(1, "split", study.manifest.split_of(packet["case_id"]))
    breakdown = error_breakdown(cases, outcome)
    left_out = _left_out(study)
    study.results.publish(
        "error_packets",
        {ERRORS: csv_of(packet), BREAKDOWN: csv_of(breakdown), LEFT_OUT: csv_of(left_out)},
        made_from=(CASES, MANIFEST, POLICY, EVALUATIONS),
        run_id=run_id,
        written_at=written_at,
    )
    counts = packet["error"].value_counts()
    return StudyOutcome(
        study_id,
        {
            "detector": study.policy.detector if study.policy else BASELINE,
            **{name: int(counts.get(name, 0)) for name in ("false_negative", "false_positive", "undecided")},
        },
        tables={
            "errors": rows_of(packet),
            "breakdown": rows_of(breakdown),
            "left_out": rows_of(left_out),
        },
    )


def _left_out(study: Study) -> pd.DataFrame:
    """Leave-one-group-out on dev by site, person and gold, where there are two groups or more."""
    dev = study.split("dev")
    cases = study.cases[dev].reset_index(drop=True)
    detector = study.policy.detector if study.policy else study.spec.detectors[0].value
    fit = refit(study.spec, study.profile, detectors=[detector])
    tables = []
    for grouping in GROUPINGS:
        try:
            table = leave_group_out(cases, cases[grouping].to_numpy(), fit, clusters=study.clusters[dev])
        except StudyError as error:
            table = pd.DataFrame([{"group": "", "problem": str(error)}])
        table.insert(0, "grouping", grouping)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def _review_pages(home: Home, case_ids: Iterable[str]) -> dict[str, str]:
    """The review page of each case that has one, or gets it when somebody looks, relative to the home."""
    scored = set(scores_ledger(home).query("select key from latest where problem is null")["key"])
    return {case_id: f"reviews/{home.review(case_id).name}" for case_id in case_ids if case_id in scored}
