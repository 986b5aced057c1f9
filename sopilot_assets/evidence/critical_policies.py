"""Station of the policies: every candidate detector fitted on dev."""

from __future__ import annotations

from collections.abc import Sequence

from sopilot_assets.evidence import plots
from sopilot_assets.evidence.outcome import StudyOutcome, rows_of
from sopilot_assets.evidence.results import MANIFEST
from sopilot_assets.evidence.study import CASES, POLICIES, POLICY, Study
from sopilot_assets.store.canonical import pretty_json
from sopilot_assets.store.home import Home
from sopilot_assets.studies.policies import Policy, fit_table, select
from sopilot_assets.studies.policy_fits import fit_policies


def fit_study_policies(home: Home, study_id: str, *, run_id: str, written_at: str) -> StudyOutcome:
    """Fit the candidate detectors of a study on its dev split, and select the best that is feasible."""
    study = Study.open(home, study_id)
    fits = fit_policies(study.cases, study.manifest, study.spec, study.profile, clusters=study.clusters)
    chosen = select(fits)
    study.results.publish(
        "critical_policies",
        {
            POLICIES: pretty_json(fits),
            POLICY: pretty_json(chosen if chosen else {"policy_id": None, "reason": "no fit is feasible"}),
        },
        made_from=(CASES, MANIFEST),
        run_id=run_id,
        written_at=written_at,
    )
    dev = study.split("dev")
    return StudyOutcome(
        study_id,
        {
            "policy_id": chosen.policy_id if chosen else None,
            "detector": chosen.detector if chosen else None,
            "threshold": chosen.threshold if chosen else None,
            "feasible_fits": sum(fit.feasible for fit in fits),
            "fits": len(fits),
        },
        tables={"fits": rows_of(fit_table(fits))},
        pictures={} if chosen is None else {"scores_on_dev": plots.score_plot(study.cases[dev], chosen)},
        warnings=[] if chosen else [_no_policy(study_id, fits)],
    )


def _no_policy(study_id: str, fits: Sequence[Policy]) -> str:
    return (
        f"study {study_id}: no fit keeps the limits of the gate profile on dev, so there is no policy:\n"
        + "\n".join(f"  {fit.detector}: {fit.reason}" for fit in fits)
    )
