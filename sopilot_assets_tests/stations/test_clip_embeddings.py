"""Every recording of a batch is embedded with its task's model; what is wrong with one is its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sopilot_assets.capture.registry import Registry
from sopilot_assets.errors import ModelError
from sopilot_assets.stations.clip_embeddings import embed_videos, embeddings_ledger, task_model_id
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.store.ledgers import plain_rows

AT = "2026-03-02T00:00:00+00:00"
OTHER = PartitionKey("other", "trainee", "0" * 12)


@pytest.fixture
def two_tasks(embedded_original: Home, tmp_path: Path) -> Home:
    """A home with a second task, whose model was never preloaded."""
    home = Home.at(shutil.copytree(str(embedded_original.root), tmp_path / "home"))
    text = Path(str(home.tasks / "filter_change.yaml")).read_text("utf-8")
    text = text.replace('task_id: "filter_change"', 'task_id: "other"').replace("color_motion", "vjepa2")
    Path(str(home.tasks / "other.yaml")).write_text(text, "utf-8")
    return home


def test_a_task_without_its_model_fails_no_recording_of_another_task(two_tasks: Home) -> None:
    mine = next(iter(Registry.read(two_tasks).recordings))
    seen: list[tuple[int, int]] = []
    outcomes = embed_videos(
        two_tasks,
        [OTHER, mine],
        processes=1,
        run_id="second",
        written_at=AT,
        on_progress=lambda done, of: seen.append((done, of)),
    )
    told = {one.key: one.problem for one in outcomes}
    assert told[mine] is None
    assert "no V-JEPA 2 model there" in str(told[OTHER])
    assert seen == [(2, 2)]
    rows = {str(row["key"]): row for row in plain_rows(embeddings_ledger(two_tasks).latest())}
    assert rows[str(mine)]["model_id"] == task_model_id(two_tasks, "filter_change")
    assert rows[str(OTHER)]["model_id"] is None
    assert str(two_tasks.root) not in str(rows[str(OTHER)]["problem"])


def test_the_id_of_a_missing_model_is_refused_without_loading_torch(two_tasks: Home) -> None:
    with pytest.raises(ModelError, match="no V-JEPA 2 model there"):
        task_model_id(two_tasks, "other")
    code = (
        "import sys; from upath import UPath; from sopilot_assets.embedding.backends import known_model_id\n"
        "try: known_model_id('vjepa2', sys.argv[1])\n"
        "except Exception as error: print(error)\n"
        "print('torch' in sys.modules, 'transformers' in sys.modules)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(two_tasks.models)], capture_output=True, text=True, check=True
    )
    assert "no V-JEPA 2 model there" in ran.stdout
    assert ran.stdout.endswith("False False\n")
