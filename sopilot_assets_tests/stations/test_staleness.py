"""Whatever people change, one update of what is stale brings everything to rest."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Callable, Sequence
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopilot_assets.capture.ledgers import VIDEO_COLUMNS, videos_ledger
from sopilot_assets.reference.ledger import reference_states
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.stations.gold_inputs import reference_problems, task_inputs
from sopilot_assets.stations.outcome import Progress
from sopilot_assets.stations.rescoring_plan import plan_scoring
from sopilot_assets.stations.score_updates import update_scores
from sopilot_assets.stations.scores import score_videos
from sopilot_assets.stations.staleness import outdated_by_golds, stale_scores
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import plain_rows
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks import find_tasks

TASK = "filter_change"
_moments = itertools.count(1)


def steps_csv(home: Home) -> Path:
    return local_path(home.steps_csv(TASK))


def later() -> dict[str, str]:
    """Who writes a row, a minute after the one before."""
    number = next(_moments)
    return {
        "run_id": f"r{number}",
        "written_at": f"2026-01-{1 + number // 1440:02}T{number // 60 % 24:02}:{number % 60:02}:00+00:00",
    }


def correct(home: Home, key: str, **facts: str | None) -> None:
    """Another person or place of a recording, as a correction enters it."""
    ledger = videos_ledger(home)
    (row,) = (row for row in plain_rows(ledger.latest()) if row["key"] == key)
    ledger.append([{name: row[name] for name in VIDEO_COLUMNS} | facts], **later())


def keys(home: Home, role: str) -> list[str]:
    frame = videos_ledger(home).query(f"select key from latest where role = '{role}' order by key")
    return list(frame["key"])


def bring_up_to_date(home: Home) -> None:
    """What `sopilot score run --stale` does, without Dagster."""

    def says(doing: str, *, before: int, total: int) -> Progress:
        return lambda _done, _of: None

    writer = later()
    work = plan_scoring(home, stale=True)
    updates = update_scores(
        home,
        work,
        at_once=8,
        processes=1,
        run_id=writer["run_id"],
        written_at=lambda: writer["written_at"],
        says=says,
    )
    list(updates)


def edited(home: Home, change: Callable[[str], str]) -> None:
    path = steps_csv(home)
    path.write_text(change(path.read_text("utf-8", "replace") if path.exists() else ""), "utf-8")


def retimed(home: Home, number: int) -> None:
    edited(home, lambda text: text.replace(",0.000,", f",0.{number % 7}00,", 1 + number % 3))


def without_a_row(home: Home, number: int) -> None:
    def change(text: str) -> str:
        lines = text.splitlines()
        del lines[1 + number % max(1, len(lines) - 1) :][:1]
        return "\n".join(line for place, line in enumerate(lines) if place != 1 + number % 20) + "\n"

    edited(home, change)


EDITS: dict[str, Callable[[Home, int], None]] = {
    "other times": retimed,
    "a row less": without_a_row,
    "two steps exchanged": lambda home, _: edited(
        home,
        lambda text: (
            text.replace("wipe_seat", "@").replace("oil_gasket", "wipe_seat").replace("@", "oil_gasket")
        ),
    ),
    "a misspelt step": lambda home, _: edited(home, lambda text: text.replace("wipe_seat", "wipe_set", 1)),
    "a misspelt video": lambda home, _: edited(home, lambda text: text.replace("gold_001", "gold_01")),
    "another encoding": lambda home, _: steps_csv(home).write_bytes("ビデオ,手順".encode("cp932")),
    "no file": lambda home, _: steps_csv(home).unlink(missing_ok=True),
    "no step long enough": lambda home, _: edited(
        home, lambda text: "\n".join(line for line in text.splitlines() if "oil_gasket" not in line) + "\n"
    ),
    "the file as it was": lambda home, _: (
        shutil.copy(local_path(home.root) / "steps_at_first.csv", steps_csv(home)),
        None,
    )[1],
    "another person of a gold": lambda home, number: correct(
        home, keys(home, "gold")[number % 3], person=[None, "ann", "ben"][number % 3]
    ),
    "another person of a trainee": lambda home, number: correct(
        home, keys(home, "trainee")[number % 3], person=f"new{number}", site=f"line{number % 2}"
    ),
    "another pass score": lambda home, number: _task(home, "pass_score: ", 81 + number % 10),
}


def _task(home: Home, field: str, value: int) -> None:
    path = local_path(home.tasks) / f"{TASK}.yaml"
    lines = path.read_text("utf-8").splitlines()
    path.write_text(
        "\n".join(f"{field}{value}" if line.startswith(field) else line for line in lines) + "\n", "utf-8"
    )


def copied(original: Home, folder: Path) -> Home:
    home = Home.at(shutil.copytree(str(original.root), folder / "home"))
    shutil.copy(steps_csv(home), local_path(home.root) / "steps_at_first.csv")
    return home


def test_a_page_says_that_it_rests_on_steps_of_before_where_the_file_has_a_fault(
    original: Home, tmp_path: Path
) -> None:
    home = copied(original, tmp_path)
    key = PartitionKey.parse(keys(home, "trainee")[0])

    def judged_again() -> str:
        (outcome,) = score_videos(home, [key], **later())
        assert outcome.problem is None
        return local_path(home.review(key)).read_text("utf-8")

    assert 'id="steps-file"' not in judged_again()
    text = steps_csv(home).read_text("utf-8")
    EDITS["a misspelt step"](home, 0)
    section = unescape(judged_again()).split('<section id="steps-file"')[1].split("</section>")[0]
    assert "Judged by the golds' steps of before" in section
    assert "以前のお手本の手順で判定しました" in section
    assert "line 5, column step: expected one of the task's steps, found 'wipe_set'" in section
    assert "5 行目 step 列" in section
    steps_csv(home).write_text(text, "utf-8")
    assert 'id="steps-file"' not in judged_again()


@settings(max_examples=4)
@given(edits=st.lists(st.tuples(st.sampled_from(sorted(EDITS)), st.integers(0, 40)), min_size=1, max_size=4))
def test_one_update_brings_everything_to_rest_whatever_was_edited(
    original: Home, edits: Sequence[tuple[str, int]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = copied(original, Path(folder))
        for name, number in edits:
            EDITS[name](home, number)
        bring_up_to_date(home)
        assert stale_scores(home).empty, edits
        tasks = find_tasks(home.root).tasks
        assert outdated_by_golds(home, tasks, task_inputs(home, tasks)) == {}


ALL_OF_IT = {"reference"}


@pytest.mark.parametrize(
    ("edit", "stale"),
    [
        ("other times", ALL_OF_IT),
        ("two steps exchanged", ALL_OF_IT),
        ("a misspelt video", ALL_OF_IT),
        ("no file", ALL_OF_IT),
        ("another person of a gold", ALL_OF_IT),
        ("another pass score", {"task"}),
        ("a misspelt step", set()),
        ("another encoding", set()),
    ],
)
def test_an_edit_makes_scores_stale_unless_nothing_of_it_can_be_taken(
    original: Home, tmp_path: Path, edit: str, stale: set[str]
) -> None:
    home = copied(original, tmp_path)
    assert stale_scores(home).empty
    EDITS[edit](home, 1)
    assert set(stale_scores(home)["why"]) == stale


def test_golds_that_give_no_reference_leave_the_one_before_and_the_reason_is_kept(
    original: Home, tmp_path: Path
) -> None:
    home = copied(original, tmp_path)
    before = reference_states(home)[TASK].reference_id
    EDITS["no step long enough"](home, 1)
    assert set(stale_scores(home)["why"]) == ALL_OF_IT
    bring_up_to_date(home)
    assert stale_scores(home).empty
    (told,) = reference_problems(home, task_inputs(home, find_tasks(home.root).tasks)).values()
    assert "no row of steps.csv says when oil_gasket is done" in told.en
    assert "oil_gasket" in told.ja
    assert reference_states(home)[TASK].reference_id == before


def test_a_correction_of_who_is_seen_is_stale_for_that_recording_alone(
    original: Home, tmp_path: Path
) -> None:
    home = copied(original, tmp_path)
    key = keys(home, "trainee")[0]
    correct(home, key, person="somebody else")
    (row,) = plain_rows(stale_scores(home))
    assert (row["key"], row["why"], row["also"]) == (key, "recording", "")
    bring_up_to_date(home)
    assert stale_scores(home).empty
    latest = scores_ledger(home).latest().set_index("key")
    assert latest.loc[key, "person"] == "somebody else"


def test_a_gold_that_alone_shows_a_step_says_why_it_has_no_score(original: Home, tmp_path: Path) -> None:
    home = copied(original, tmp_path)

    def change(text: str) -> str:
        lines = text.splitlines()
        kept = [line for line in lines if ",wipe_seat," not in line or line.startswith("gold_001")]
        return "\n".join(kept) + "\n"

    edited(home, change)
    bring_up_to_date(home)
    rows = [row for row in plain_rows(scores_ledger(home).latest()) if row["problem"] is not None]
    assert [row["original_name"] for row in rows] == ["gold_001.mp4"]
    assert "a gold is judged by the other golds, and these alone do not do" in str(rows[0]["reason_en"])
    assert "no row of steps.csv says when wipe_seat is done" in str(rows[0]["reason_en"])
    assert "wipe_seat" in str(rows[0]["reason_ja"])
    assert stale_scores(home).empty
