"""Station of the labeling plan: what to label next, by what it does for the gates."""

from __future__ import annotations

import csv
import io

from sopilot_assets.errors import StudyError
from sopilot_assets.evidence.gate_reports import judged, study_looks
from sopilot_assets.evidence.outcome import StudyOutcome, csv_of, rows_of
from sopilot_assets.evidence.results import Results, results_ledger
from sopilot_assets.evidence.study import (
    CASES,
    ERRORS,
    EVALUATIONS,
    FORECAST,
    LABEL_EVENTS,
    PLAN,
    POLICY,
    Study,
)
from sopilot_assets.labels.queues import AskedFor
from sopilot_assets.labels.state import label_state
from sopilot_assets.settings import load_settings
from sopilot_assets.store.home import Home
from sopilot_assets.studies.audit import plan_with_audit
from sopilot_assets.studies.planning import ADJUDICATE, SECOND_RATER, labeling_plan


def plan_study_labeling(home: Home, study_id: str, *, run_id: str, written_at: str) -> StudyOutcome:
    """What to label next, in the order of what it does for the checks that fail.

    The plan does not look at what the detector says: choosing by it what gets a label would make the miss
    rate too low (verification bias). What chance picks for the audit of passes is in it too.
    """
    study = Study.open(home, study_id)
    report, _ = judged(study, study_looks(study))
    events, _ = study.label_events
    state = label_state(events, [source.value for source in study.spec.label_sources]).set_index("key")
    plan = labeling_plan(
        study.cases,
        report,
        clusters=study.clusters,
        raters={str(key): int(count) for key, count in state["raters"].items()},
        disputed=set(state.index[state["disagree"]]),
    )
    rows = plan_with_audit(plan.rows, study.cases, load_settings(home).audit)
    study.results.publish(
        "labeling_plans",
        {PLAN: csv_of(rows), FORECAST: csv_of(plan.forecast)},
        made_from=(CASES, LABEL_EVENTS, POLICY, EVALUATIONS, ERRORS),
        run_id=run_id,
        written_at=written_at,
    )
    return StudyOutcome(
        study_id,
        {"to_label": len(rows), "failed_checks": len(report.failed())},
        tables={
            "plan": rows_of(rows),
            "forecast": rows_of(plan.forecast),
            "groups": rows_of(plan.groups),
        },
    )


def asked_by_plans(home: Home) -> dict[str, AskedFor]:
    """How many people are to label a recording blind by the plans of all studies, and its lowest rank in any
    of them, by key. What raters disagree on is not among it, nor are plans that are not as they were
    published.
    """
    found: dict[str, AskedFor] = {}
    published = results_ledger(home).query("select study_id, file from latest")
    for study_id in sorted(published["study_id"][published["file"] == PLAN]):
        try:
            text = Results(home, str(study_id)).read(PLAN).decode("utf-8")
        except StudyError:  # the study's own pages say so
            continue
        rows = [row for row in csv.DictReader(io.StringIO(text)) if row["action"] != ADJUDICATE]
        second = min((int(row["rank"]) for row in rows if row["action"] == SECOND_RATER), default=0)
        for row in rows:
            twice = row["action"] == SECOND_RATER
            rank = second if twice else int(row["rank"])
            before = found.get(row["case_id"], AskedFor(1, rank))
            found[row["case_id"]] = AskedFor(max(1 + twice, before.raters), min(rank, before.rank))
    return found
