"""The first version of a task file: commented text for people to edit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from upath import UPath

from sopilot_assets.documents.templates import render_yaml
from sopilot_assets.errors import TaskError
from sopilot_assets.store.publish import publish_bytes
from sopilot_assets.tasks.files import parse_task
from sopilot_assets.tasks.spec import NEW_TASKS_USE, QualityGate, Step, TaskSpec

EXAMPLE_STEPS: Final = (
    Step(id="first_step", name="The first step, in the words of the shop floor"),
    Step(id="second_step", name="The second step"),
    Step(id="tidy_up", name="Tidy up", critical=False),
)


def new_task(
    home_root: str | Path | UPath,
    task_id: str,
    *,
    name: str,
    name_ja: str | None = None,
    steps: Sequence[Step] = EXAMPLE_STEPS,
) -> UPath:
    """The path of a new, commented ``<home_root>/tasks/<task_id>.yaml`` with all defaults spelt out.

    ``TaskError`` when the file exists already or an argument is not valid; nothing is written then.
    """
    path = UPath(home_root) / "tasks" / f"{task_id}.yaml"
    if path.exists():
        raise TaskError(f"{path}: this task file exists already. Edit it, or choose another id.")
    text = render_task(task_id, name=name, name_ja=name_ja, steps=steps)
    parse_task(text, source=path)
    publish_bytes(path, text.encode("utf-8"))
    return path


def render_task(
    task_id: str, *, name: str, name_ja: str | None = None, steps: Sequence[Step] = EXAMPLE_STEPS
) -> str:
    """The text of a commented task file with every default; what it holds is not checked."""
    return render_yaml(
        "sopilot_assets.tasks",
        "task.yaml.j2",
        task_id=task_id,
        name=name,
        name_ja=name_ja,
        steps=steps,
        defaults=TaskSpec(task_id="any", name="any", version=1, steps=EXAMPLE_STEPS, embedder=NEW_TASKS_USE),
        gate=QualityGate(enabled=True),
    )
