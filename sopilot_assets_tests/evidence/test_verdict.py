"""Gates that pass on a few people: what the study's verdict, its outcome and the list of dossiers say."""

from __future__ import annotations

from pathlib import Path

from sopilot_assets.evidence.evidence_dossiers import build_study_dossier
from sopilot_assets.evidence.gate_reports import check_study_gates
from sopilot_assets.evidence.results import gate_verdict
from sopilot_assets_tests.cli.running import rows, sopilot
from sopilot_assets_tests.evidence.made_up_study import CHAIN, START, made_up_home, run_chain


def test_a_lax_profile_that_passes_on_two_people_makes_no_headline(tmp_path: Path) -> None:
    home = made_up_home(tmp_path / "home")
    run_chain(home, only=CHAIN[:3])
    gates = check_study_gates(home, "spring", run_id="run", written_at=START)
    assert (gates.metadata["overall_pass"], gates.metadata["enough_people"]) == (True, False)
    verdict = gate_verdict(home, "spring")
    assert verdict.passed
    assert not verdict.carried
    assert "by too few people for a statement" in verdict.summary
    assert "Missed: 0 of 2 critical recordings, by 2 people; up to 66 % is possible" in verdict.sentence
    run_chain(home, only=CHAIN[4:7])
    dossier = build_study_dossier(home, "spring", run_id="run", written_at=START)
    assert dossier.metadata["enough_people"] is False
    assert "up to 66 % is possible" in str(dossier.metadata["miss_rate"])
    assert [row["people"] for row in rows(home, "dossier", "list")] == ["too few for a statement"]
    assert "up to 66 % is possible" in sopilot(home, "dossier", "build", "spring").stdout
