"""A new task file is valid, commented and spells out the defaults."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sopilot_assets.errors import TaskError
from sopilot_assets.tasks import (
    NEW_TASKS_USE,
    EmbedderName,
    QualityGate,
    Step,
    TaskSpec,
    load_task,
    new_task,
    parse_task,
)
from sopilot_assets.tasks.starter import render_task
from sopilot_assets_tests.tasks.task_files import contents

STEPS = (
    Step(id="open_cover", name="Open the cover", name_ja="カバーを開ける"),
    Step(id="no", name='Say "no": # twice', critical=False, after=()),
    Step(id="close", name="Close", after=("open_cover",)),
)


def test_a_new_task_loads_as_it_was_asked_for(tmp_path: Path) -> None:
    path = new_task(tmp_path, "filter_change", name="Filter change", name_ja="フィルタ交換", steps=STEPS)
    assert str(path) == str(tmp_path / "tasks" / "filter_change.yaml")
    spec = load_task(path)
    assert spec == TaskSpec(
        task_id="filter_change",
        name="Filter change",
        name_ja="フィルタ交換",
        version=1,
        steps=STEPS,
        embedder=NEW_TASKS_USE,
        quality_gate=QualityGate(enabled=True),
    )


OLD = "task_id: t\nname: T\nversion: 1\nsteps: [{id: a, name: A}]\n"


def test_a_task_file_that_names_no_embedder_means_what_it_meant_when_it_was_written() -> None:
    assert parse_task(OLD, source="t.yaml").embedder is EmbedderName.LITE0_FLOW


def test_a_new_task_spells_out_every_field_but_the_optional_ones() -> None:
    written = yaml.safe_load(render_task("t", name="T"))
    assert set(TaskSpec.model_fields) - set(written) == {"name_ja"}
    assert set(written["quality_gate"]) == set(QualityGate.model_fields)


def test_an_existing_task_file_is_never_overwritten(tmp_path: Path) -> None:
    new_task(tmp_path, "filter_change", name="Filter change")
    before = contents(tmp_path)
    with pytest.raises(TaskError, match=r"filter_change\.yaml: this task file exists already"):
        new_task(tmp_path, "filter_change", name="Another")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("task_id", ["Filter", "../up", "a b", "", "x" * 49, "t\nname: x"])
def test_an_id_that_cannot_name_a_folder_is_refused(tmp_path: Path, task_id: str) -> None:
    with pytest.raises(TaskError):
        new_task(tmp_path / "home", task_id, name="T")
    assert contents(tmp_path) == {}


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40).filter(str.strip))
def test_any_printable_name_survives_the_template(name: str) -> None:
    assert parse_task(render_task("t", name=name), source="t.yaml").name == name.strip()
