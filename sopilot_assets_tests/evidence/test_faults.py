"""The evidence chain when runs are killed or collide and disks are full."""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import signal
import sys
from datetime import datetime, timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from sopilot_assets.errors import StoreError, StudyError
from sopilot_assets.evidence import critical_policies as fitting
from sopilot_assets.evidence.critical_policies import fit_study_policies
from sopilot_assets.evidence.gate_reports import relevant_looks
from sopilot_assets.evidence.results import Results
from sopilot_assets.evidence.split_manifests import split_study_cases
from sopilot_assets.evidence.study import Study
from sopilot_assets.labels.chain import append_events, read_chain
from sopilot_assets.store import publish
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import Ledger
from sopilot_assets.studies import policy_fits
from sopilot_assets.studies.looks import looks, record_look
from sopilot_assets.studies.registration import read_registration
from sopilot_assets_tests.evidence.made_up_study import (
    CHAIN,
    TASK,
    labels_by,
    made_up_recordings,
    published,
    run_chain,
)
from sopilot_assets_tests.evidence.run_again import (
    LATER,
    OF_CASES,
    OF_LABELS,
    current,
    heals,
    relabel,
    temporaries,
)
from sopilot_assets_tests.forkserver import CONTEXT, started

pytestmark = pytest.mark.whole

KILLS = int(os.environ.get("SOPILOT_KILLS", "1"))
"""How many runs are killed in each way; SOPILOT_KILLS=50 for the thorough form."""

WRITES = 50
"""About as many as one chain publishes."""
UNSEALED = CHAIN[:-1]
"""The chain without the dossier."""


def test_a_chain_run_again_gives_the_same_files_and_no_second_look(
    done: Home, calm: tuple[Path, Path]
) -> None:
    heals(Path(str(done.root)), calm)


# --- killed --------------------------------------------------------------------------------------------


def chain(root: Path, run_id: str = "killed") -> None:
    run_chain(Home.at(root), run_id=run_id)


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
    run_chain(Home.at(root), run_id="killed")


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
    run_chain(Home.at(root), run_id="killed")


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
    other = Home.at(Path(shutil.copytree(calm[0], Path(str(done.root)).with_name("other"))))
    append_events(other, labels_by("ann", {first: not truth[first]}), run_id="more", written_at=LATER)
    run_chain(other, only=UNSEALED)
    study = Path("studies/spring")
    mine, theirs = (
        {name: data for name, data in published(home).items() if Path(name).parent == study}
        for home in (done, other)
    )
    for file in ("gate_report.json", "looks.csv"):  # `done` had looked before
        del mine[f"{study}/{file}"], theirs[f"{study}/{file}"]
    assert mine == theirs


def test_a_study_whose_run_was_killed_after_its_split_cannot_be_changed_any_more(fresh: Path) -> None:
    process = started(chain_killed_at_row, fresh, "split_manifests")
    process.join()
    registration = read_registration(Home.at(fresh), "spring")
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
            run_chain(Home.at(fresh), run_id="full")
    assert temporaries(fresh) == []
    new, before = published(Home.at(calm[1])), published(Home.at(calm[0]))
    assert all(data in (new.get(name), before.get(name)) for name, data in published(Home.at(fresh)).items())
    if number == 9:
        heals(fresh, calm)


def chain_on_a_small_disk(root: Path, largest_bytes: int) -> None:
    """Exit with 3 where the chain ends with a `StoreError` that says what to do."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_bytes, largest_bytes))
    try:
        run_chain(Home.at(root), run_id="small")
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
        run_chain(Home.at(fresh))


def test_looks_are_listed_alike_where_a_killed_run_had_opened_one_split_alone(done: Home) -> None:
    def listed() -> list[tuple[str, str]]:
        rows = relevant_looks(Study.open(done, "spring"))
        return list(zip(rows["split"], rows["inputs_sha256"], strict=True))

    before, seen = listed(), looks(done, "spring")
    assert {split for split, _ in before} == {"test", "challenge"}
    for one in seen.loc[seen["split"] == "test"].to_dict("records"):
        del one["look_id"]
        earlier = datetime.fromisoformat(one["looked_at"]) - timedelta(minutes=1)
        record_look(done, **{**one, "looked_at": earlier, "run_id": "killed"})
    assert listed() == before


# --- two at once ---------------------------------------------------------------------------------------


def chain_beside_another(root: Path, run_id: str, barrier: Barrier) -> None:
    barrier.wait(60)
    run_chain(Home.at(root), run_id=run_id)


def test_two_runs_of_a_study_at_once_end_like_one(fresh: Path, calm: tuple[Path, Path]) -> None:
    barrier = CONTEXT.Barrier(2)
    runs = [started(chain_beside_another, fresh, run_id, barrier) for run_id in ("one", "two")]
    for process in runs:
        process.join()
    assert [process.exitcode for process in runs] == [0, 0]
    assert published(Home.at(fresh)) == published(Home.at(calm[1]))
    assert current(Home.at(fresh)) == current(Home.at(calm[1]))
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
        append_events(Home.at(root), drafts[first : first + 8], run_id=f"{who}-{first}", written_at=LATER)


def test_two_imports_of_labels_at_once_lose_nothing_and_readers_see_a_sound_chain(fresh: Path) -> None:
    barrier = CONTEXT.Barrier(3)
    imports = [started(label_beside_another, fresh, who, barrier) for who in ("cho", "dee")]
    barrier.wait(60)
    while any(process.is_alive() for process in imports):
        read_chain(Home.at(fresh), TASK)
    assert [process.exitcode for process in imports] == [0, 0]
    events = read_chain(Home.at(fresh), TASK)
    assert [event.seq for event in events] == list(range(1, 4 * 48 + 1))
    assert {event.who for event in events} == {"ann", "bob", "cho", "dee"}


def test_an_import_killed_before_it_noted_the_end_of_the_chain_is_healed_by_the_next(fresh: Path) -> None:
    home = Home.at(fresh)
    head = fresh / "ledgers" / f"labels.{TASK}.head"
    older = head.read_text()
    _, _, truth = made_up_recordings()
    append_events(home, labels_by("cho", truth), run_id="cho", written_at=LATER)
    newer = head.read_text()
    head.write_text(older)  # as if killed before this file was published
    assert append_events(home, labels_by("cho", truth), run_id="retried", written_at=LATER) == []
    assert head.read_text() == newer


# --- cut, lost, edited ---------------------------------------------------------------------------------
