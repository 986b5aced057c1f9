"""The fields in which two versions of a task differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sopilot_assets.tasks.spec import TaskSpec


@dataclass(frozen=True, order=True, slots=True)
class FieldDifference:
    """One field that is not what it was; a field that is absent on one side reads ``nothing`` there."""

    field: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.field} changed {self.before} -> {self.after}"


def differences(before: TaskSpec, after: TaskSpec) -> tuple[FieldDifference, ...]:
    """The differing fields in the order of the file; steps go by their id, and their order is a field. What
    no lock holds (see `TaskSpec.agreed`) is none of them.
    """
    old, new = dict(fields_of(before.agreed())), dict(fields_of(after.agreed()))
    return tuple(
        FieldDifference(field, _shown(old.get(field)), _shown(new.get(field)))
        for field in dict.fromkeys([*old, *new])
        if old.get(field) != new.get(field)
    )


def fields_of(content: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """The fields of a task, as plain data, by their dotted names, those of a step after its id."""
    steps = content["steps"]
    assert isinstance(steps, list)
    yield from _flat("", {name: value for name, value in content.items() if name != "steps"})
    yield "steps", [step["id"] for step in steps]
    for step in steps:
        yield from _flat(
            f"steps.{step['id']}.", {name: value for name, value in step.items() if name != "id"}
        )


def _flat(prefix: str, content: dict[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _flat(f"{prefix}{name}.", value)
        else:
            yield prefix + name, value


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return ", ".join(map(str, value)) or "[]" if isinstance(value, list) else str(value)
