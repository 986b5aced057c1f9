"""A chain that is run again, after whatever disturbed it or with other labels, and what it makes then."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from sopilot_assets.evidence.results import results_ledger
from sopilot_assets.labels.chain import append_events
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import TEMPORARY_PREFIX
from sopilot_assets.studies.looks import distinct_looks, looks
from sopilot_assets_tests.evidence.made_up_study import (
    START,
    labels_by,
    made_up_recordings,
    published,
    run_chain,
)

LATER = (datetime.fromisoformat(START) + timedelta(hours=1)).isoformat()
"""When what was labeled before is labeled anew."""

OF_LABELS = dict.fromkeys(("cases.csv", "split_manifest.json", "label_events.json"), "split_manifests")
"""The files made of labels alone, each with the asset that makes it."""
OF_CASES = {
    "policies.json": "critical_policies",
    "policy.json": "critical_policies",
    "split_evaluations.json": "split_evaluations",
    "gate_report.json": "gate_reports",
    "looks.csv": "gate_reports",
    "shadow_report.json": "shadow_reports",
    "error_packet.csv": "error_packets",
    "error_breakdown.csv": "error_packets",
    "leave_group_out.csv": "error_packets",
    "labeling_plan.csv": "labeling_plans",
    "labeling_forecast.csv": "labeling_plans",
}
"""The files that change with the cases, whatever these are made of."""


def temporaries(root: Path) -> list[Path]:
    """Files that a killed run left unfinished."""
    return [path for path in root.rglob(f"{TEMPORARY_PREFIX}*") if path.is_file()]


def heals(root: Path, calm: tuple[Path, Path]) -> None:
    """The chain, run again, ends like one that nothing disturbed."""
    home, undisturbed = Home.at(root), Home.at(calm[1])
    run_chain(home, run_id="again")
    assert published(home) == published(undisturbed)
    assert current(home) == current(undisturbed)
    (dossier,) = (path for path in (root / "dossiers" / "spring").iterdir() if path.is_dir())
    assert temporaries(dossier) == []  # its verifier would report them
    seen = looks(home, "spring")
    assert (distinct_looks(seen, "test"), distinct_looks(seen, "challenge")) == (1, 1)


def current(home: Home) -> dict[str, tuple[str, str]]:
    """What the ledger says of every published file."""
    frame = results_ledger(home).latest()
    return {row["result"]: (row["sha256"], row["made_from"]) for row in frame.to_dict("records")}


def relabel(home: Home) -> None:
    """Both raters change their minds about one recording."""
    _, _, truth = made_up_recordings()
    key = list(truth)[7]
    for who in ("ann", "bob"):
        append_events(home, labels_by(who, {key: not truth[key]}), run_id=f"{who}-2", written_at=LATER)
