"""The evidence chain when files are cut, lost, edited or old, and rows lie in other files than before."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sopilot_assets.capture.ledgers import videos_ledger
from sopilot_assets.errors import LabelError, LedgerError, SopilotError, StudyError
from sopilot_assets.evidence.gate_reports import check_study_gates
from sopilot_assets.evidence.results import Results, gate_verdict, results_ledger
from sopilot_assets.evidence.split_manifests import split_study_cases
from sopilot_assets.evidence.study import Study
from sopilot_assets.labels.chain import append_events, labels_ledger
from sopilot_assets.local_run import run_study
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Ledger
from sopilot_assets_tests.evidence.made_up_study import (
    CHAIN,
    START,
    STATIONS,
    labels_by,
    made_up_recordings,
    published,
    run_chain,
    score_of,
)
from sopilot_assets_tests.evidence.run_again import LATER, OF_CASES, heals, relabel

GATED = CHAIN[: CHAIN.index("gate_reports") + 1]
"""The chain as far as the gates."""


def cut(path: Path) -> str:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path.name


@pytest.mark.parametrize(
    ("ledger", "error"),
    [(labels_ledger, LabelError), (scores_ledger, LedgerError), (videos_ledger, LedgerError)],
)
def test_a_ledger_file_cut_short_is_named(
    ledger: Callable[[Home], Ledger], error: type[SopilotError], done: Home
) -> None:
    before = published(done)
    name = cut(Path(ledger(done).files()[0]))
    with pytest.raises(error, match=rf"{name}: expected a whole Parquet file.*Restore"):
        split_study_cases(done, "spring", run_id="r", written_at=LATER)
    assert published(done) == before


def test_a_lost_file_of_results_rows_is_healed_and_a_cut_one_is_named(
    done: Home, calm: tuple[Path, Path]
) -> None:
    files = [Path(name) for name in results_ledger(done).files()]
    for path in files[1:]:
        path.unlink()
    with pytest.raises(StudyError, match=r"not made yet.*sopilot study run spring"):
        check_study_gates(done, "spring", run_id="r", written_at=LATER)
    name = cut(files[0])
    with pytest.raises(LedgerError, match=rf"{name}: expected a whole Parquet file"):
        run_chain(done)
    files[0].unlink()
    study = Path(str(done.study("spring")))
    flip_byte(study / "cases.csv")
    flip_byte(study / "policy.json")
    (study / "split_evaluations.json").unlink()
    heals(Path(str(done.root)), calm)


def test_a_run_says_what_to_do_about_a_cut_file(done: Home) -> None:
    name = cut(Path(scores_ledger(done).files()[0]))
    run = run_study(done, "spring")
    assert not run.succeeded
    assert run.failed_at == "split_manifests"
    assert run.error is not None
    assert f"{name}: expected a whole Parquet file" in run.error
    assert run.error.endswith("Restore it from a backup.")


def drop_rows(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:-3]), encoding="utf-8")


def lose(path: Path) -> None:
    path.unlink()


def flip_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("file", "maker", "user"),
    [
        ("cases.csv", "split_manifests", "critical_policies"),
        ("split_manifest.json", "split_manifests", "split_evaluations"),
        ("leakage.csv", "split_manifests", "gate_reports"),
        ("agreement.json", "split_manifests", "gate_reports"),
        ("label_events.json", "split_manifests", "labeling_plans"),
        ("policies.json", "critical_policies", "split_evaluations"),
        ("policy.json", "critical_policies", "shadow_reports"),
        ("split_evaluations.json", "split_evaluations", "gate_reports"),
        ("gate_report.json", "gate_reports", "evidence_dossiers"),
        ("shadow_report.json", "shadow_reports", "evidence_dossiers"),
    ],
)
def test_a_changed_or_lost_result_is_refused_by_name(file: str, maker: str, user: str, done: Home) -> None:
    path = Path(str(done.study("spring"))) / file
    kept = path.read_bytes()
    for damage, says in (
        (flip_byte, "was changed after"),
        (drop_rows, "was changed after"),
        (lose, "is gone"),
    ):
        damage(path)
        with pytest.raises(StudyError, match=rf"spring/{file}: .*{says}.* Materialize {maker} again"):
            STATIONS[user](done, "spring", run_id="r", written_at=LATER)
        path.write_bytes(kept)


# --- older inputs --------------------------------------------------------------------------------------


def rescore(home: Home) -> None:
    """One recording gets another score."""
    videos, _, truth = made_up_recordings()
    names = ("key", "video_id", "task_id", "role", "person", "site", "session", "original_name")
    key = list(truth)[7]
    named = {name: video[name] for video in videos if video["key"] == key for name in names}
    row = score_of(named, -0.5 if truth[key] else 0.5, np.random.default_rng(1))
    scores_ledger(home).append([row], run_id="rescored", written_at=LATER)


def label_again(home: Home) -> None:
    """A third person says what the others say: no case changes, what is known of the raters does."""
    _, _, truth = made_up_recordings()
    some = dict(list(truth.items())[:10])
    append_events(home, labels_by("cho", some), run_id="cho", written_at=LATER)


OF_RATERS = {name: OF_CASES[name] for name in ("gate_report.json", "labeling_plan.csv")}
"""Of these, what changes also with what raters say of each other."""


@pytest.mark.parametrize(
    ("change", "stale"), [(relabel, OF_CASES), (rescore, OF_CASES), (label_again, OF_RATERS)]
)
def test_results_of_older_scores_or_labels_are_refused_by_name(
    change: Callable[[Home], None], stale: dict[str, str], done: Home
) -> None:
    change(done)
    split_study_cases(done, "spring", run_id="r2", written_at=LATER)
    for name, station in OF_CASES.items():
        if name in stale:
            with pytest.raises(StudyError, match=rf"{name}: was made from another version of .*{station}"):
                Results(done, "spring").read(name)
    if change is label_again:
        Results(done, "spring").read("policy.json")
        return
    for station in CHAIN[2:]:
        with pytest.raises(StudyError, match=r"was made from another version of .* Materialize \w+ again"):
            STATIONS[station](done, "spring", run_id="r2", written_at=LATER)
    with pytest.raises(StudyError, match=r"gate_report\.json: was made from another version"):
        gate_verdict(done, "spring")


def test_a_new_round_of_labels_counts_as_another_look(done: Home) -> None:
    relabel(done)
    run_chain(done, run_id="r2", written_at=LATER, only=GATED)
    values = json.loads(Study.open(done, "spring").results.read("gate_report.json"))["values"]
    assert values["test_looks"] == 2.0


def test_a_clock_that_goes_back_does_not_bring_back_what_was_replaced(done: Home) -> None:
    relabel(done)
    run_chain(done, run_id="a", written_at="2020-01-01T00:00:00+00:00", only=GATED)
    assert gate_verdict(done, "spring").rows


FILES = ("a", "b", "c", "d")


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(FILES), st.sets(st.sampled_from(FILES)), st.booleans()), max_size=8
    )
)
def test_a_file_can_be_read_exactly_while_everything_it_goes_back_to_counts(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, set[str], bool]]
) -> None:
    home = Home.at(tmp_path_factory.mktemp("law"))
    content: dict[str, int] = dict.fromkeys(FILES, 0)
    sources: dict[str, dict[str, int]] = {name: {} for name in FILES}

    def counts(name: str) -> bool:
        return all(content[one] == version and counts(one) for one, version in sources[name].items())

    for name in FILES:
        Results(home, "s").publish("x", {name: b"0"}, made_from=(), run_id="r", written_at=START)
    for name, wanted, changed in steps:
        made_from = {one for one in wanted if one < name}
        data = content[name] + changed
        results = Results(home, "s")
        if not all(counts(one) for one in made_from):
            with pytest.raises(StudyError, match="was made from another version"):
                results.publish(
                    "x", {name: b"%d" % data}, made_from=sorted(made_from), run_id="r", written_at=START
                )
            continue
        results.publish("x", {name: b"%d" % data}, made_from=sorted(made_from), run_id="r", written_at=START)
        content[name], sources[name] = data, {one: content[one] for one in made_from}
    for name in FILES:
        if counts(name):
            assert Results(home, "s").read(name) == b"%d" % content[name]
        else:
            # the file that is named is the first on the way back that is older than what it was made from
            with pytest.raises(StudyError, match=r"[a-d]: was made from another version of [a-d]"):
                Results(home, "s").read(name)


# --- the order of files --------------------------------------------------------------------------------

IN = (videos_ledger, scores_ledger, labels_ledger)


def redistribute(ledger: Ledger, chance: random.Random) -> None:
    """The same rows in other files, by other names, in another order, some of them twice."""
    rows = pd.concat([pq.read_table(name).to_pandas() for name in ledger.files()], ignore_index=True)
    for name in ledger.files():
        Path(name).unlink()
    places = [chance.randrange(4) for _ in range(len(rows))]
    again = chance.sample(range(len(rows)), 3)
    for place in range(4):
        chosen = [row for row, there in enumerate(places) if there == place] + again
        chance.shuffle(chosen)
        table = pa.Table.from_pandas(rows.iloc[chosen], schema=ledger.schema, preserve_index=False)
        pq.write_table(table, Path(str(ledger.folder)) / ledger.name / f"{chance.random():.12f}.parquet")


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
def test_results_do_not_depend_on_how_rows_are_spread_over_files(
    calm: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    home = Home.at(Path(shutil.copytree(calm[0], tmp_path_factory.mktemp("spread") / "home")))
    for ledger in IN:
        redistribute(ledger(home), random.Random(seed))
    run_chain(home, only=GATED)
    found, expected = published(home), published(Home.at(calm[1]))
    assert "studies/spring/gate_report.json" in found
    assert found == {name: expected[name] for name in found}
