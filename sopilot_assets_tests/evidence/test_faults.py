"""The evidence chain when runs are killed or collide, disks are full, and files are cut, changed or old."""

from __future__ import annotations

import errno
import json
import os
import random
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sopilot_assets.capture.ledgers import videos_ledger
from sopilot_assets.errors import LabelError, LedgerError, SopilotError, StoreError, StudyError
from sopilot_assets.evidence import critical_policies as fitting
from sopilot_assets.evidence.critical_policies import fit_study_policies
from sopilot_assets.evidence.gate_reports import check_study_gates
from sopilot_assets.evidence.results import Results, gate_verdict, results_ledger
from sopilot_assets.evidence.split_manifests import split_study_cases
from sopilot_assets.evidence.study import Study
from sopilot_assets.labels.chain import append_events, labels_ledger, read_chain
from sopilot_assets.local_run import run_study
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.store import publish
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Ledger
from sopilot_assets.store.publish import TEMPORARY_PREFIX
from sopilot_assets.studies import policy_fits
from sopilot_assets.studies.looks import distinct_looks, looks
from sopilot_assets.studies.registration import read_registration
from sopilot_assets_tests.evidence.made_up_study import (
    CHAIN,
    START,
    STATIONS,
    TASK,
    labels_by,
    made_up_home,
    made_up_recordings,
    published,
    run_chain,
    score_of,
)
from sopilot_assets_tests.forkserver import CONTEXT, started

KILLS = int(os.environ.get("SOPILOT_KILLS", "1"))
"""How many runs are killed in each way; SOPILOT_KILLS=50 for the thorough form."""

LATER = (datetime.fromisoformat(START) + timedelta(hours=1)).isoformat()
WRITES = 50
"""About as many as one chain publishes."""
GATED = CHAIN[: CHAIN.index("gate_reports") + 1]
UNSEALED = CHAIN[:-1]
"""The chain as far as the gates, and without the dossier."""


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A home whose study was not run yet, and the same after a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("calm")
    made_up_home(folder / "before")
    shutil.copytree(folder / "before", folder / "after")
    run_chain(at(folder / "after"))
    return folder / "before", folder / "after"


@pytest.fixture
def fresh(calm: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy of the home before the run."""
    return Path(shutil.copytree(calm[0], tmp_path / "home"))


@pytest.fixture
def done(calm: tuple[Path, Path], tmp_path: Path) -> Home:
    """A copy of the home after the run."""
    return at(Path(shutil.copytree(calm[1], tmp_path / "home")))


def at(root: Path) -> Home:
    return Home.at(root)


def temporaries(root: Path) -> list[Path]:
    return [path for path in root.rglob(f"{TEMPORARY_PREFIX}*") if path.is_file()]


def heals(root: Path, calm: tuple[Path, Path]) -> None:
    """The chain, run again, ends like one that nothing disturbed."""
    run_chain(at(root), run_id="again")
    assert published(at(root)) == published(at(calm[1]))
    assert current(at(root)) == current(at(calm[1]))
    (dossier,) = (path for path in (root / "dossiers" / "spring").iterdir() if path.is_dir())
    assert temporaries(dossier) == []  # its verifier would report them
    seen = looks(at(root), "spring")
    assert (distinct_looks(seen, "test"), distinct_looks(seen, "challenge")) == (1, 1)


def current(home: Home) -> dict[str, tuple[str, str]]:
    """What the ledger says of every published file."""
    frame = results_ledger(home).latest()
    return {row["result"]: (row["sha256"], row["made_from"]) for row in frame.to_dict("records")}


def test_a_chain_run_again_gives_the_same_files_and_no_second_look(
    done: Home, calm: tuple[Path, Path]
) -> None:
    heals(Path(str(done.root)), calm)


# --- killed --------------------------------------------------------------------------------------------


def chain(root: Path, run_id: str = "killed") -> None:
    run_chain(at(root), run_id=run_id)


def chain_killed_at_write(root: Path, number: int, *, renamed: bool) -> None:
    """Kill this process right before or after it renames its ``number``-th file into place."""
    count = 0
    rename = Path.replace

    def replace(self: Path, target: Path) -> Path:
        nonlocal count
        count += 1
        if count == number and not renamed:
            os.kill(os.getpid(), signal.SIGKILL)
        moved = rename(self, target)
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return moved

    Path.replace = replace  # type: ignore[method-assign,assignment]
    run_chain(at(root), run_id="killed")


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_chain_killed_at_any_moment_ends_like_an_undisturbed_one(
    seed: int, fresh: Path, calm: tuple[Path, Path]
) -> None:
    process = started(chain, fresh)
    process.join(random.Random(seed).uniform(0.3, 3.0))
    process.kill()
    process.join()
    heals(fresh, calm)


@pytest.mark.parametrize("seed", range(KILLS))
def test_a_chain_killed_between_two_files_ends_like_an_undisturbed_one(
    seed: int, fresh: Path, calm: tuple[Path, Path]
) -> None:
    number = seed + 1 if KILLS >= WRITES else random.Random(f"writes {seed}").randint(1, WRITES)
    process = started(chain_killed_at_write, fresh, number, renamed=bool(seed % 2))
    process.join()
    assert process.exitcode == -signal.SIGKILL or number > WRITES - 10  # it had ended before
    heals(fresh, calm)


def chain_killed_at_row(root: Path, station: str) -> None:
    """Kill this process when the files of a station are there and their rows are not."""
    append = Ledger.append

    def appending(self: Ledger, rows: list[dict[str, object]], **stamps: str) -> list[str]:
        if self.name == "study_results" and rows[0]["station"] == station:
            os.kill(os.getpid(), signal.SIGKILL)
        return append(self, rows, **stamps)  # type: ignore[arg-type]

    Ledger.append = appending  # type: ignore[method-assign,assignment]
    run_chain(at(root), run_id="killed")


@pytest.mark.parametrize("station", UNSEALED if KILLS > 10 else ("split_evaluations",))
def test_files_without_their_rows_are_not_used_and_are_made_again(
    station: str, done: Home, calm: tuple[Path, Path]
) -> None:
    # other labels, so that every station has something else to say than what its row holds
    _, _, truth = made_up_recordings()
    first = next(iter(truth))
    append_events(done, labels_by("ann", {first: not truth[first]}), run_id="more", written_at=LATER)
    process = started(chain_killed_at_row, Path(str(done.root)), station)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    for name in (name for name, maker in {**OF_LABELS, **OF_CASES}.items() if maker == station):
        with pytest.raises(StudyError, match=rf"{name}: was .*Materialize {station} again"):
            Results(done, "spring").read(name)
    run_chain(done, run_id="again", written_at=LATER, only=UNSEALED)
    other = at(Path(shutil.copytree(calm[0], Path(str(done.root)).with_name("other"))))
    append_events(other, labels_by("ann", {first: not truth[first]}), run_id="more", written_at=LATER)
    run_chain(other, only=UNSEALED)
    study = Path("studies/spring")
    mine, theirs = (
        {name: data for name, data in published(home).items() if Path(name).parent == study}
        for home in (done, other)
    )
    del mine[f"{study}/gate_report.json"], theirs[f"{study}/gate_report.json"]  # `done` had looked before
    assert mine == theirs


def test_a_study_whose_run_was_killed_after_its_split_cannot_be_changed_any_more(fresh: Path) -> None:
    process = started(chain_killed_at_row, fresh, "split_manifests")
    process.join()
    registration = read_registration(at(fresh), "spring")
    assert registration is not None
    assert registration.frozen


# --- a full disk ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [2, 9, 30])
def test_a_full_disk_leaves_old_or_new_files_and_says_so(
    number: int, fresh: Path, calm: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0

    def flush(path: Path) -> None:
        nonlocal count
        count += 1
        if count >= number * 2 - 1:  # a file and its folder are flushed
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as patched:
        patched.setattr(publish, "flush", flush)
        with pytest.raises(
            StoreError, match=r"could not be (published|locked) \(No space left.*Free disk space"
        ):
            run_chain(at(fresh), run_id="full")
    assert temporaries(fresh) == []
    new, before = published(at(calm[1])), published(at(calm[0]))
    assert all(data in (new.get(name), before.get(name)) for name, data in published(at(fresh)).items())
    if number == 9:
        heals(fresh, calm)


def chain_on_a_small_disk(root: Path, largest_bytes: int) -> None:
    """Exit with 3 where the chain ends with a `StoreError` that says what to do."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_bytes, largest_bytes))
    try:
        run_chain(at(root), run_id="small")
    except StoreError as error:
        sys.exit(3 if "Free disk space" in str(error) else 4)


@pytest.mark.parametrize("largest_bytes", [100, 3000])
def test_a_file_that_does_not_fit_is_refused_whole(largest_bytes: int, fresh: Path) -> None:
    process = started(chain_on_a_small_disk, fresh, largest_bytes)
    process.join()
    assert process.exitcode == 3
    assert temporaries(fresh) == []


def test_a_folder_that_cannot_be_written_to_is_named(fresh: Path) -> None:
    (fresh / "studies" / "spring").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match=r"studies/spring/cases\.csv: could not be published"):
        run_chain(at(fresh))


# --- two at once ---------------------------------------------------------------------------------------


def chain_beside_another(root: Path, run_id: str, barrier: Barrier) -> None:
    barrier.wait(60)
    run_chain(at(root), run_id=run_id)


def test_two_runs_of_a_study_at_once_end_like_one(fresh: Path, calm: tuple[Path, Path]) -> None:
    barrier = CONTEXT.Barrier(2)
    runs = [started(chain_beside_another, fresh, run_id, barrier) for run_id in ("one", "two")]
    for process in runs:
        process.join()
    assert [process.exitcode for process in runs] == [0, 0]
    assert published(at(fresh)) == published(at(calm[1]))
    assert current(at(fresh)) == current(at(calm[1]))
    assert temporaries(fresh) == []


def test_a_station_whose_input_another_run_replaces_does_not_publish(
    done: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = published(done)["studies/spring/policies.json"]
    fit = policy_fits.fit_policies

    def fit_while_somebody_labels(*arguments: object, **named: object) -> object:
        relabel(done)
        split_study_cases(done, "spring", run_id="other", written_at=LATER)
        return fit(*arguments, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(fitting, "fit_policies", fit_while_somebody_labels)
        with pytest.raises(StudyError, match=r"cases\.csv: was published anew while critical_policies"):
            fit_study_policies(done, "spring", run_id="mine", written_at=LATER)
    assert published(done)["studies/spring/policies.json"] == before


def label_beside_another(root: Path, who: str, barrier: Barrier) -> None:
    _, _, truth = made_up_recordings()
    drafts = labels_by(who, truth)
    barrier.wait(60)
    for first in range(0, len(drafts), 8):
        append_events(at(root), drafts[first : first + 8], run_id=f"{who}-{first}", written_at=LATER)


def test_two_imports_of_labels_at_once_lose_nothing_and_readers_see_a_sound_chain(fresh: Path) -> None:
    barrier = CONTEXT.Barrier(3)
    imports = [started(label_beside_another, fresh, who, barrier) for who in ("cho", "dee")]
    barrier.wait(60)
    while any(process.is_alive() for process in imports):
        read_chain(at(fresh), TASK)
    assert [process.exitcode for process in imports] == [0, 0]
    events = read_chain(at(fresh), TASK)
    assert [event.seq for event in events] == list(range(1, 4 * 48 + 1))
    assert {event.who for event in events} == {"ann", "bob", "cho", "dee"}


def test_an_import_killed_before_it_noted_the_end_of_the_chain_is_healed_by_the_next(fresh: Path) -> None:
    home = at(fresh)
    head = fresh / "ledgers" / f"labels.{TASK}.head"
    older = head.read_text()
    _, _, truth = made_up_recordings()
    append_events(home, labels_by("cho", truth), run_id="cho", written_at=LATER)
    newer = head.read_text()
    head.write_text(older)  # as if killed before this file was published
    assert append_events(home, labels_by("cho", truth), run_id="retried", written_at=LATER) == []
    assert head.read_text() == newer


# --- cut, lost, edited ---------------------------------------------------------------------------------


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


def relabel(home: Home) -> None:
    """Both raters change their minds about one recording."""
    _, _, truth = made_up_recordings()
    key = list(truth)[7]
    for who in ("ann", "bob"):
        append_events(home, labels_by(who, {key: not truth[key]}), run_id=f"{who}-2", written_at=LATER)


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


OF_LABELS = dict.fromkeys(("cases.csv", "split_manifest.json", "label_events.json"), "split_manifests")
OF_CASES = {
    "policies.json": "critical_policies",
    "policy.json": "critical_policies",
    "split_evaluations.json": "split_evaluations",
    "gate_report.json": "gate_reports",
    "shadow_report.json": "shadow_reports",
    "error_packet.csv": "error_packets",
    "error_breakdown.csv": "error_packets",
    "leave_group_out.csv": "error_packets",
    "labeling_plan.csv": "labeling_plans",
    "labeling_forecast.csv": "labeling_plans",
}
OF_RATERS = {name: OF_CASES[name] for name in ("gate_report.json", "labeling_plan.csv")}
"""The files that change with the cases, whatever they are made of, and with what raters say of each other."""


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
    home = at(tmp_path_factory.mktemp("law"))
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
    home = at(Path(shutil.copytree(calm[0], tmp_path_factory.mktemp("spread") / "home")))
    for ledger in IN:
        redistribute(ledger(home), random.Random(seed))
    run_chain(home, only=GATED)
    found, expected = published(home), published(at(calm[1]))
    assert "studies/spring/gate_report.json" in found
    assert found == {name: expected[name] for name in found}
