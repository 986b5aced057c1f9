"""`sopilot sample simulate` and `sopilot sample damage`."""

from __future__ import annotations

import json
from pathlib import Path

from sopilot_assets.capture.simulate import MODES
from sopilot_assets.capture.variants import Damage
from sopilot_assets.cli.sample import damage, simulate
from sopilot_assets_tests.cli.running import sopilot

SMALL = ("--size", "96x64", "--step-seconds", "0.5", "--fps", "10", "--golds", "1", "--trainees", "1")


def test_a_set_is_simulated_with_labels(tmp_path: Path) -> None:
    sopilot(tmp_path, "sample", "simulate", "--out", tmp_path / "set", *SMALL, "--variants", "freeze:resumes")
    labels = [
        json.loads(line) for line in (tmp_path / "set" / "labels.jsonl").read_text("utf-8").splitlines()
    ]
    assert [(label["role"], label["variant"], label["size"]) for label in labels] == [
        ("gold", "correct", [96, 64]),
        ("trainee", "freeze", [96, 64]),
    ]


def test_a_size_that_is_none_is_refused(tmp_path: Path) -> None:
    refused = sopilot(tmp_path, "sample", "simulate", "--out", tmp_path / "set", "--size", "big", exit_code=1)
    assert "--size big: expected width and height" in refused.stderr
    assert not (tmp_path / "set").exists()


def test_variants_are_the_same_files_again(tmp_path: Path, tiny_video: object) -> None:
    assert callable(tiny_video)
    tiny_video(tmp_path / "take.mp4", seconds=2.0)
    made = []
    for _ in range(2):
        sopilot(
            tmp_path,
            "sample",
            "damage",
            tmp_path / "take.mp4",
            "--out",
            tmp_path / "bad",
            "--kinds",
            "freeze,swap",
        )
        made.append({path.name: path.read_bytes() for path in (tmp_path / "bad").iterdir()})
    assert sorted(made[0]) == [
        "take_bad_freeze.mp4",
        "take_bad_freeze.mp4.json",
        "take_bad_swap.mp4",
        "take_bad_swap.mp4.json",
    ]
    assert made[0] == made[1]


def test_an_unknown_kind_and_a_missing_source_are_refused(tmp_path: Path) -> None:
    unknown = sopilot(tmp_path, "sample", "damage", tmp_path, "--kinds", "melt", exit_code=1)
    assert "--kinds melt: expected some of freeze" in unknown.stderr
    assert "No such file" in sopilot(tmp_path, "sample", "damage", tmp_path / "none.mp4", exit_code=1).stdout


def test_the_help_names_every_variant_and_kind() -> None:
    told = str(simulate.__annotations__["variants"])
    assert [variant for variant in MODES if variant not in told] == []
    assert damage.__kwdefaults__["kinds"].split(",") == [kind.value for kind in Damage]
