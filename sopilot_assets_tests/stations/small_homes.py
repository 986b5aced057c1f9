"""Homes with three golds and three trainees, as the stations leave them, made without Dagster."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from sopilot_assets.capture.drain import drain_capture
from sopilot_assets.capture.registry import Registry
from sopilot_assets.capture.simulate.dataset import SimulatedSet
from sopilot_assets.stations.alignments import align_videos
from sopilot_assets.stations.clip_embeddings import embed_videos
from sopilot_assets.stations.gold_references import refresh_references
from sopilot_assets.stations.scores import score_videos
from sopilot_assets.store.home import Home

AT = "2025-06-02T08:00:00+00:00"


def put_in_place(home: Home, tiny_set: SimulatedSet) -> None:
    """The set's task (with the embedder that needs no model, and no gate for small pictures), its steps and
    its recordings.
    """
    text = tiny_set.task_file.read_text(encoding="utf-8")
    text = text.replace("lite0_box", "color_motion").replace("enabled: true", "enabled: false")
    places = {"gold": tiny_set.golds, "trainee": tiny_set.trainees}
    folders = {role: Path(str(home.capture)) / "filter_change" / role / "site_a" for role in places}
    for folder in (Path(str(home.tasks)), *folders.values()):
        folder.mkdir(parents=True)
    (Path(str(home.tasks)) / tiny_set.task_file.name).write_text(text, encoding="utf-8")
    shutil.copy(tiny_set.steps_csv, str(home.steps_csv("filter_change")))
    for role, videos in places.items():
        for video in videos:
            shutil.copy(video, folders[role])
            shutil.copy(f"{video}.json", folders[role])


def embedded_home(folder: Path, tiny_set: SimulatedSet) -> Path:
    """The root of a home below ``folder`` whose recordings are taken in and embedded, with a reference."""
    home = Home.at(folder / "home")
    put_in_place(home, tiny_set)
    drain_capture(
        home,
        run_id="intake",
        now=lambda: datetime.fromisoformat(AT).astimezone(UTC),
        wait=lambda _: None,
        settle_s=0.0,
    )
    embed_videos(home, list(Registry.read(home).recordings), processes=1, run_id="first", written_at=AT)
    refresh_references(home, ["filter_change"], run_id="first", written_at=AT)
    return folder / "home"


def scored_home(folder: Path, embedded: Home) -> Path:
    """The root of a copy of an embedded home below ``folder``, with the scores of all its recordings."""
    home = Home.at(shutil.copytree(str(embedded.root), folder / "home"))
    keys = list(Registry.read(home).recordings)
    align_videos(home, keys)
    score_videos(home, keys, run_id="first", written_at=AT)
    return folder / "home"
