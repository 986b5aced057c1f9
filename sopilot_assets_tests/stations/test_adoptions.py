"""An adopted policy in use: rows name it, scores made without it are stale, and taking it back undoes it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopilot_assets.capture.registry import Registry
from sopilot_assets.reference.ledger import reference_rows
from sopilot_assets.scoring.ledger import COLUMNS, algorithm_version, scores_ledger
from sopilot_assets.stations.gold_inputs import task_inputs
from sopilot_assets.stations.staleness import outdated_by_golds, stale_scores
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Cell, plain_rows
from sopilot_assets.store.publish import local_path
from sopilot_assets.studies.adoptions import AdoptionEvent, AdoptionHappening, adoptions, ended, say_adoption
from sopilot_assets.tasks import find_tasks, load_task
from sopilot_assets_tests.cli.running import rows, sopilot
from sopilot_assets_tests.stations.test_staleness import TASK, bring_up_to_date, later

POLICY = "critical-policy-0123456789ab"


@pytest.fixture
def home(original: Home, tmp_path: Path) -> Home:
    return Home.at(shutil.copytree(str(original.root), tmp_path / "home"))


def adopt(home: Home, *, review: float = 0.0, policy_id: str = POLICY) -> AdoptionEvent:
    """The event that adopting a policy of this limit would make."""
    task, writer = load_task(home.tasks / f"{TASK}.yaml"), later()
    said = {
        "happened": AdoptionHappening.ADOPTED.value,
        "who": "sato",
        "at": writer["written_at"],
        "reason": "a test",
        "study_id": "spring",
        "policy_id": policy_id,
        "detector": "calibrated_v1",
        "review": review,
        "dossier_id": "0123456789ab",
        "dossier_sha256": "0" * 64,
        "signer": "SHA256:x",
        "task_version": task.version,
        "task_fingerprint": task.fingerprint(),
        "model_id": str(reference_rows(home)[TASK]["model_id"]),
        "algorithm": algorithm_version(),
    }
    return say_adoption(home, TASK, said, **writer)


def withdraw(home: Home) -> None:
    said, writer = adoptions(home).read(TASK)[-1], later()
    ended(home, said, AdoptionHappening.WITHDRAWN, who="sato", reason="a test", **writer)


def content(home: Home) -> list[dict[str, Cell]]:
    """The newest rows of scores without when and by which run they were written."""
    return [
        {name: row[name] for name in (*COLUMNS, "row_id")} for row in plain_rows(scores_ledger(home).latest())
    ]


def decided_by(home: Home) -> set[Cell]:
    return {row["decided_by"] for row in content(home)}


def why(home: Home) -> set[str]:
    return set(stale_scores(home)["why"])


def test_scores_made_without_an_adopted_policy_are_stale_until_it_decided_them(home: Home) -> None:
    bring_up_to_date(home)
    before = content(home)
    assert decided_by(home) == {"golds"}
    adopt(home)
    assert why(home) == {"policy"}
    assert set(stale_scores(home)["current"]) == {f"policy {POLICY}"}
    tasks, registry = find_tasks(home.root).tasks, Registry.read(home)
    inputs = task_inputs(home, tasks, registry)
    assert outdated_by_golds(home, tasks, inputs).keys() == {TASK}
    bring_up_to_date(home)
    assert stale_scores(home).empty
    assert decided_by(home) == {f"policy {POLICY}"}
    # at a limit of 0 a person has to look at everything
    assert not {row["decision"] for row in content(home)} & {"pass", "retrain"}
    assert [row["critical_probability"] for row in content(home)] == [
        row["critical_probability"] for row in before
    ]
    withdraw(home)
    assert why(home) == {"policy"}
    bring_up_to_date(home)
    assert stale_scores(home).empty
    assert content(home) == before


def test_a_policy_that_replaces_another_makes_scores_stale(home: Home) -> None:
    adopt(home)
    bring_up_to_date(home)
    adopt(home, policy_id="critical-policy-ba9876543210", review=0.3)
    assert set(stale_scores(home)["scored_with"]) == {f"policy {POLICY}"}
    bring_up_to_date(home)
    assert decided_by(home) == {"policy critical-policy-ba9876543210"}


def test_rows_from_before_limits_were_kept_were_decided_by_the_golds(home: Home) -> None:
    ledger = scores_ledger(home)
    older = [
        {name: row[name] for name in COLUMNS} | {"decided_by": None, "shows_task": None}
        for row in plain_rows(ledger.latest())
    ]
    ledger.append(older, **later())
    assert stale_scores(home).empty
    assert {row["decided_by"] for row in rows(home, "score", "list")} == {"golds"}


def test_a_changed_task_gives_the_decisions_back_to_the_golds(home: Home) -> None:
    adopt(home)
    bring_up_to_date(home)
    path = local_path(home.tasks) / f"{TASK}.yaml"
    lines = [
        "pass_score: 83" if line.startswith("pass_score") else line for line in path.read_text().splitlines()
    ]
    path.write_text("\n".join(lines) + "\n")
    bring_up_to_date(home)
    assert stale_scores(home).empty
    assert decided_by(home) == {"golds"}


def test_people_see_what_decided(home: Home) -> None:
    adopt(home)
    bring_up_to_date(home)
    key = str(content(home)[-1]["key"])
    assert f"Decided by adopted policy {POLICY}" in sopilot(home, "recording", "show", key).stdout
    japanese = sopilot(home, "recording", "show", key, "--lang", "ja").stdout
    assert f"判定の基準：採用したポリシー {POLICY}" in japanese
    assert "decided by" in sopilot(home, "score", "list").stdout
    assert f"policy {POLICY}" in sopilot(home, "score", "list", "--csv").stdout
    assert f"policy {POLICY}" in local_path(home.review(key)).read_text("utf-8")
    withdraw(home)
    bring_up_to_date(home)
    assert "Decided by the golds' own rule" in sopilot(home, "recording", "show", key).stdout
    assert (
        json.loads(sopilot(home, "recording", "show", key, "--json").stdout)["score"]["decided_by"] == "golds"
    )


_CHANGES = st.lists(st.sampled_from(["adopt", "replace", "withdraw", "rescore"]), min_size=1, max_size=3)


@given(_CHANGES)
@settings(max_examples=3, deadline=None)
def test_whatever_is_adopted_and_withdrawn_one_rescoring_brings_all_to_rest(
    original: Home, changes: list[str]
) -> None:
    scratch = Path(str(original.root)).with_name("adopted")
    shutil.rmtree(scratch, ignore_errors=True)
    home = Home.at(shutil.copytree(str(original.root), scratch))
    bring_up_to_date(home)
    before = content(home)
    for change in changes:
        if change == "adopt":
            adopt(home)
        elif change == "replace":
            adopt(home, review=0.4, policy_id="critical-policy-ba9876543210")
        elif change == "withdraw" and adoptions(home).read(TASK):
            withdraw(home)
        elif change == "rescore":
            bring_up_to_date(home)
    bring_up_to_date(home)
    assert stale_scores(home).empty
    if adoptions(home).read(TASK):
        withdraw(home)
    bring_up_to_date(home)
    assert content(home) == before
