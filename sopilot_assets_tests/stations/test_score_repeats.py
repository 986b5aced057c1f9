"""Scores measured again: recorded beside the scores, which stay as they are."""

from __future__ import annotations

from math import nan
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sopilot_assets.capture.registry import Registry
from sopilot_assets.cli import app
from sopilot_assets.errors import ConfigError
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.stations.score_repeats import (
    PHASES_S,
    current_repeats,
    measure_repeats,
    repeatable,
    repeats_ledger,
)
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.studies.repeatability import repeatability

AT = "2025-06-02T08:00:00+00:00"


def parsed(keys: list[str]) -> list[PartitionKey]:
    return [PartitionKey.parse(key) for key in keys]


def files(home: Home, *folders: str) -> dict[str, bytes]:
    root = Path(str(home.root))
    paths = (path for folder in folders for path in (root / folder).rglob("*") if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def test_an_exact_repeat_gives_the_score_again_and_a_shift_is_recorded_beside_it(scored: Home) -> None:
    before = files(scored, "embeddings", "references", "alignments", "reviews", "ledgers/scores")
    keys = repeatable(scored)
    assert len(keys) == 3
    assert all(key.startswith("filter_change-t-") for key in keys)
    progress: list[tuple[int, int]] = []
    outcomes = measure_repeats(
        scored,
        parsed(keys),
        processes=1,
        run_id="r",
        written_at=AT,
        on_progress=lambda done, total: progress.append((done, total)),
    )
    assert [outcome.problem for outcome in outcomes] == [None] * 9
    assert progress[-1] == (9, 9)
    assert before == files(scored, "embeddings", "references", "alignments", "reviews", "ledgers/scores")

    rows = current_repeats(scored, "filter_change")
    assert sorted(rows["phase_s"].unique()) == sorted(PHASES_S)
    exact = rows[rows["kind"] == "exact"]
    for name in ("score", "critical_probability", "decision"):
        assert exact[name].equals(exact[f"base_{name}"])
    scores = scores_ledger(scored).latest().set_index("key")
    for name in ("score", "critical_probability", "decision"):
        assert exact.set_index("key")[f"base_{name}"].equals(scores.loc[exact["key"], name])
    figures = repeatability(rows)
    # a recording that has no score, before and after, shows nothing
    with_score = int(exact["score"].notna().sum())
    assert with_score >= 1
    assert (figures.exact.pairs, figures.exact.max_delta) == (with_score, 0.0)
    assert figures.exact.decision_changes == 0
    assert figures.shifted.pairs >= 2 * with_score
    # every picture is another one, so that at least the probabilities move
    shifted = rows[rows["kind"] == "shifted"]
    assert (shifted["critical_probability"] != shifted["base_critical_probability"]).any()


def test_a_repeat_is_measured_once(scored: Home) -> None:
    keys = repeatable(scored, phases_s=[0.0])
    key = keys[0]
    first = measure_repeats(scored, parsed([key]), phases_s=[0.0], processes=1, run_id="a", written_at=AT)
    assert len(first) == 1
    assert repeatable(scored, phases_s=[0.0]) == [one for one in keys if one != key]
    assert not measure_repeats(scored, parsed([key]), phases_s=[0.0], processes=1, run_id="b", written_at=AT)
    assert len(repeats_ledger(scored).all_rows()) == 1


def test_a_gold_is_repeated_against_the_other_golds(scored: Home) -> None:
    golds = [key for key in scores_ledger(scored).latest()["key"] if "-g-" in key]
    (outcome,) = measure_repeats(
        scored, parsed(golds[:1]), phases_s=[0.0], processes=1, run_id="r", written_at=AT
    )
    assert outcome.metadata["score"] == outcome.metadata["base_score"]


def test_only_scores_that_are_up_to_date_are_repeated(scored: Home) -> None:
    keys = repeatable(scored)
    task = Path(str(scored.tasks / "filter_change.yaml"))
    task.write_text(task.read_text(encoding="utf-8").replace("pass_score: 90", "pass_score: 91"), "utf-8")
    assert repeatable(scored) == []
    unknown = "filter_change-t-000000000000"
    outcomes = measure_repeats(
        scored, parsed([keys[0], unknown]), phases_s=[0.0], processes=1, run_id="r", written_at=AT
    )
    problems = [str(outcome.problem) for outcome in outcomes]
    assert "out of date (task); run `sopilot score run --stale` first" in problems[0]
    assert "no score to repeat" in problems[1]
    assert repeats_ledger(scored).files() == []


def test_a_repeat_that_fails_where_the_score_did_not_is_a_changed_decision(scored: Home) -> None:
    (key, *_) = repeatable(scored)
    Registry.read(scored).path(PartitionKey.parse(key)).write_bytes(b"no video any more")
    (outcome,) = measure_repeats(
        scored, parsed([key]), phases_s=[0.25], processes=1, run_id="r", written_at=AT
    )
    assert "expected a video file" in str(outcome.problem)
    (row,) = repeats_ledger(scored).latest().to_dict("records")
    assert (row["decision"], row["kind"]) == ("not_verifiable", "shifted")


@pytest.mark.parametrize("phases_s", [[], [0.0, 0.0], [-0.1], [0.0, 2.0], [nan]])
def test_phases_that_cannot_be_are_refused(home: Home, phases_s: list[float]) -> None:
    with pytest.raises(ConfigError, match="sampling phases"):
        measure_repeats(home, [], phases_s=phases_s, processes=1, run_id="r", written_at=AT)


def test_the_command_repeats_what_has_no_repeat_yet_and_shows_what_is_known(scored: Home) -> None:
    def said(*words: str) -> str:
        result = CliRunner().invoke(
            app, ["measure", "repeat", "--home", str(scored.root), "--phase", "0", *words]
        )
        assert result.exit_code == 0, result.output
        return result.output

    scores = scores_ledger(scored).latest()
    key = scores.loc[scores["score"].notna() & (scores["role"] == "trainee"), "key"].iloc[0]
    shown = said(str(key), "--json")
    assert '"kind": "exact",\n  "pairs": 1' in shown
    assert "Repeats of scores that are up to date" in said(str(key))
    assert list(repeats_ledger(scored).all_rows()["key"]) == [key]
    said("--task", "filter_change", "--most", "1")
    assert len(set(repeats_ledger(scored).all_rows()["key"])) == 2
