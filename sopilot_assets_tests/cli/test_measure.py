"""`sopilot measure compare` on a small simulated set with other people's ways of labeling."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sopilot_assets.bench import run
from sopilot_assets.capture.simulate.dataset import SimulatedSet
from sopilot_assets_tests.cli.running import sopilot

pytestmark = pytest.mark.whole


@dataclass(frozen=True)
class Ran:
    """A labeled folder, the home that was kept, and what the command printed and wrote."""

    root: Path
    home: Path
    printed: str
    warned: str
    figures: dict[str, Any]
    rows: list[dict[str, str]]


def strange(lines: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The labels with unknown fields, without some known ones, a second name of the task and more files."""
    for line in lines:
        line |= {"task": "Filter change", "weather": {"rain": True}}
        if line["variant"] == "missing_step":
            line["deviations"].append({"type": "dropped_tool", "weight_g": 300})
            del line["critical_expected"]
        if line["variant"] == "order_swap":  # judged as something else than the task
            line |= {"variant": "other_task", "deviations": [{"type": "other_task"}]}
        yield line
    trainee = lines[-1] | {"variant": "correct", "deviations": []}
    yield trainee | {"file": "videos/broken.mp4"}
    yield trainee | {"file": "videos/missing.mp4"}


@pytest.fixture(scope="module")
def ran(tiny_set: SimulatedSet, lite0_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """One run of the command, with everything that it can write."""
    folder = tmp_path_factory.mktemp("bench")
    root, home = folder / "labelled", folder / "home"
    shutil.copytree(tiny_set.folder / "videos", root / "videos")
    shutil.copytree(lite0_models, home / "models")
    lines = [json.loads(line) for line in tiny_set.labels.read_text("utf-8").splitlines()]
    (root / "labels.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in strange(lines)), "utf-8")
    (root / "videos" / "broken.mp4").write_bytes(b"no video at all")
    files = ("--json", folder / "out" / "figures.json", "--dump", folder / "rows.csv", "--home", home)
    result = sopilot(folder, "measure", "compare", "--root", root, "--processes", "2", *files)
    figures = json.loads((folder / "out" / "figures.json").read_text("utf-8"))
    with (folder / "rows.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    return Ran(root, home, result.stdout, result.stderr, figures, rows)


def test_every_figure_is_there_for_task_site_and_pool_with_the_baseline_beside(ran: Ran) -> None:
    task = ran.figures["tasks"]["Filter change"]
    for block in (
        task,
        task["sites"]["site_a"],
        ran.figures["pooled"],
        task["baseline"],
        ran.figures["pooled"]["baseline"],
    ):
        assert {
            "miss",
            "held_back",
            "miss_strict",
            "passed",
            "fpr",
            "ci95",
            "ci95_method",
            "n_critical",
        } <= set(block["critical"])
        assert set(block["critical"]["ci95"]) == {"miss", "miss_strict", "passed", "fpr", "held_back"}
        assert {"share", "counts", "n"} == set(block["decided"])
        assert {"share", "right_moment", "right_moment_placed", "counts"} == set(block["review"])
        assert {"n", "aurc", "risk", "calibration_error", "reliability"} == set(block["selective"])
        assert set(block["auc"]) == {"score", "score_n", "critical", "critical_n"}
        assert {"precision", "recall", "f1", "f1_exact"} <= set(block["types"]["missing_step"])
        assert {"all", "same_site", "other_site", "n"} <= set(block["false_alarms"])
        assert {"correct", "other_task", "n"} <= set(block["passes"])
        assert {"iou", "moment_error_s", "abstained", "abstained_other_task", "seconds"} <= set(block)
    assert task["seconds"] > 0
    assert (task["n"], task["golds"]["n"], task["golds"]["annotated"]) == (3, 3, 3)
    assert task["golds"]["sites"] == ["site_a"]


def test_labels_are_joined_with_their_results(ran: Ran) -> None:
    task = ran.figures["tasks"]["Filter change"]
    assert (task["critical"]["n_critical"], task["critical"]["n_not_critical"]) == (1, 1)
    assert task["passes"]["n"] == {"correct": 1, "other_task": 1}
    assert task["types_not_scored"] == {"dropped_tool": 1}
    assert [(row["variant"], row["critical"]) for row in ran.rows] == [
        ("correct", "False"),
        ("missing_step", "True"),
        ("other_task", "True"),
    ]
    assert {row["task"] for row in ran.rows} == {"filter_change"}
    assert all(row["decision"] and row["baseline_decision"] and row["baseline_score"] for row in ran.rows)
    assert any("missing_step" in row["wanted"] for row in ran.rows)


def test_what_could_not_be_scored_is_named(ran: Ran) -> None:
    why = {one["file"]: one["why"] for one in ran.figures["not_scored"]}
    assert set(why) == {"videos/broken.mp4", "videos/missing.mp4"}
    assert why["videos/broken.mp4"].startswith("refused by intake: ")
    assert why["videos/missing.mp4"] == "the file is missing"
    assert "not scored: videos/missing.mp4" in ran.warned
    assert "1 labels without critical_expected: it is derived from the deviations" in ran.printed


def test_a_task_whose_golds_are_all_refused_is_in_no_figure(ran: Ran, tmp_path: Path) -> None:
    root = tmp_path / "labelled"
    shutil.copytree(ran.root, root)
    for gold in (root / "videos").rglob("gold_*.mp4"):
        gold.write_bytes(gold.name.encode())
    words = ("--root", root, "--processes", "1", "--json", tmp_path / "figures.json")
    result = sopilot(tmp_path, "measure", "compare", *words)
    found = json.loads((tmp_path / "figures.json").read_text("utf-8"))
    assert (found["pooled"]["n"], found["tasks"]["Filter change"]["golds"]["n"]) == (0, 0)
    assert found["pooled"]["critical"]["miss"] is None
    refused = [one for one in found["not_scored"] if one["why"] == "intake refused all golds of its task"]
    assert len(refused) == ran.figures["pooled"]["n"]
    assert "intake refused all golds of its task" in result.stderr


def test_the_tables_fit_a_page(ran: Ran) -> None:
    tables = [line for line in ran.printed.splitlines() if not line.startswith(("Figures", "Rows", "Review"))]
    assert max(len(line.rstrip()) for line in tables) <= 120
    assert [
        title
        for title in (
            "Critical deviations",
            "Decided, and left to a person",
            "Errors by coverage",
            "Critical probability, reliability",
            "Everything else",
            "Types of deviations",
        )
        if title not in ran.printed
    ] == []
    assert sum("baseline" in line for line in tables) >= 2


def test_a_kept_home_has_the_review_pages_and_is_used_again(ran: Ran) -> None:
    assert len(list((ran.home / "reviews").glob("filter_change-t-*.html"))) == 3
    again = ran.home.parent / "again.json"
    words = ("--root", ran.root, "--home", ran.home, "--no-baseline", "--processes", "1")
    sopilot(ran.home, "measure", "compare", *words, "--json", again)
    found, before = json.loads(again.read_text("utf-8")), ran.figures
    assert found["pooled"]["baseline"] is None
    for name in ("critical", "types", "auc", "passes"):
        assert found["pooled"][name] == before["pooled"][name]


def test_a_home_with_other_golds_is_refused(ran: Ran) -> None:
    words = ("--root", ran.root, "--home", ran.home, "--no-baseline", "--golds", "1")
    refused = sopilot(ran.home, "measure", "compare", *words, exit_code=1)
    assert "Choose an empty folder for --home" in refused.stderr


def test_a_folder_that_is_none_ends_with_2(tmp_path: Path) -> None:
    refused = sopilot(tmp_path, "measure", "compare", "--root", tmp_path / "none", exit_code=2)
    assert "expected a folder with labels.jsonl" in refused.stderr
    (tmp_path / "labels.jsonl").write_text('{"task": "tea"}\n', "utf-8")
    refused = sopilot(tmp_path, "measure", "compare", "--root", tmp_path, exit_code=2)
    assert "line 1: field file: Field required" in refused.stderr


def test_what_scores_knows_nothing_of_labels() -> None:
    source = Path(run.__file__).read_text("utf-8")
    assert [name for name in ("bench.folder", "bench.lines", "bench.truth") if name in source] == []


def test_promoted_trainees_are_golds_and_judged_no_more(ran: Ran, tmp_path: Path) -> None:
    words = ("--root", ran.root, "--no-baseline", "--processes", "2", "--promote", "1")
    result = sopilot(tmp_path, "measure", "compare", *words, "--json", tmp_path / "figures.json")
    found = json.loads((tmp_path / "figures.json").read_text("utf-8"))
    task = found["tasks"]["Filter change"]
    assert (found["promotions_asked_for"], task["n"]) == (1, 2)
    assert (task["golds"]["n"], task["golds"]["promoted"], task["golds"]["annotated"]) == (4, 1, 4)
    assert "4 (1)" in result.stdout
    assert ran.figures["tasks"]["Filter change"]["golds"]["promoted"] == 0
