"""A task file changed where its content changes, and left as it is elsewhere: comments, order, layout.

What is written above a step, or behind one of its values, belongs to the step: it moves with it, and goes
with it when the step is removed. What stands in one line (``weights: {miss: 1, ...}``) is written anew as a
whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import yaml
from upath import UPath

from sopilot_assets.errors import TaskError
from sopilot_assets.tasks.files import parse_task
from sopilot_assets.tasks.spec import Step, TaskSpec

_Edit: TypeAlias = tuple[int, int, str]
"""Characters from where to where are replaced by what."""
_Section: TypeAlias = Mapping[str, object]
_MARK: Final = "\ufeff"


def rewritten(data: bytes, after: TaskSpec, *, source: UPath) -> bytes:
    """The task file ``data`` as it has to be to say ``after``; the same bytes where it says so already.

    Raises `TaskError` for a file that is not a task, or that cannot be changed without losing something.
    """
    before = parse_task(data, source=source)
    text = data.decode("utf-8-sig")
    if not text.endswith("\n"):
        text += "\n"
    file = _File(text, "\r\n" if "\r\n" in text else "\n")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    old, new = (spec.model_dump(mode="json") for spec in (before, after))
    edits = list(file.section(root, {**old, "steps": None}, {**new, "steps": None}, TaskSpec.model_fields))
    edits += file.steps(root, before.steps, after.steps)
    changed = (_MARK if data.startswith(_MARK.encode()) else "") + _spliced(text, 0, len(text), edits)
    result = changed.encode("utf-8") if edits else data
    try:
        told = parse_task(result, source=source)
    except TaskError:
        told = before
    if told != after:
        raise TaskError(
            f"{source}: expected a file whose layout the desk understands, found one that it would damage. "
            f"Edit the file itself, then run `sopilot task show {source.stem}`. Nothing was changed."
        )
    return result


@dataclass(frozen=True, slots=True)
class _File:
    """The text of a task file, in which lines end with ``end``."""

    text: str
    end: str

    def section(
        self,
        node: yaml.MappingNode,
        old: _Section,
        new: _Section,
        order: Sequence[str] | Mapping[str, object],
    ) -> Iterator[_Edit]:
        """The edits by which a mapping in block style says ``new`` instead of ``old``; fields that have to be
        added go where ``order`` has them.
        """
        found = {str(key.value): (key, value) for key, value in node.value}
        for name in order:
            if old.get(name) == new.get(name):
                continue
            was, will = old.get(name), new.get(name)
            if name not in found:
                yield self._added(node, name, will, [str(one) for one in order])
            elif will is None:
                yield self._line_of(found[name][0].start_mark.index), self.past(found[name][1]), ""
            elif isinstance(will, dict) and _in_block(found[name][1]):
                yield from self.section(
                    found[name][1], was if isinstance(was, dict) else {}, will, list(will)
                )
            else:
                value = found[name][1]
                yield value.start_mark.index, self._until(value), _flow(will)

    def steps(self, root: yaml.MappingNode, old: Sequence[Step], new: Sequence[Step]) -> list[_Edit]:
        """The edits by which the list of steps says ``new``."""
        if list(old) == list(new):
            return []
        key, node = next((key, value) for key, value in root.value if key.value == "steps")
        if node.flow_style:
            lines = f",{self.end}  ".join(_flow(_said(step)) for step in new)
            return [(node.start_mark.index, self._until(node), f"[{self.end}  {lines}{self.end}]")]
        begin = self._next_line(key.end_mark.index)
        chunks, start = dict[str, str](), begin
        by_id = {step.id: step for step in new}
        indent = "  "
        for step, item in zip(old, node.value, strict=True):
            until = self.past(item)
            indent = " " * self._dash(item)
            if step.id in by_id:
                edits = self._step(item, _said(step), _said(by_id[step.id]))
                chunks[step.id] = _spliced(self.text, start, until, edits)
            start = until
        written = (chunks.get(step.id) or self._new_step(step, indent) for step in new)
        return [(begin, start, "".join(written))]

    def _step(self, item: yaml.MappingNode, old: _Section, new: _Section) -> list[_Edit]:
        if _in_block(item):
            return list(self.section(item, old, new, Step.model_fields))
        return [] if old == new else [(item.start_mark.index, self._until(item), _flow(new))]

    def past(self, node: yaml.Node) -> int:
        """Where the line after a value begins; what is written behind the value belongs to it."""
        return self._next_line(self._until(node))

    def _until(self, node: yaml.Node) -> int:
        """Where a value ends, without space and comments after it."""
        if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
            last = node.value[-1]
            return self._until(last[1] if isinstance(last, tuple) else last)
        start, end = node.start_mark.index, node.end_mark.index
        return start + len(self.text[start:end].rstrip())

    def _added(self, node: yaml.MappingNode, name: str, value: object, order: list[str]) -> _Edit:
        """The new field after the nearest of those before it, with the indentation of the others."""
        indent = " " * node.start_mark.column
        place = self._line_of(node.value[0][0].start_mark.index)
        for key, its in node.value:
            if str(key.value) in order[: order.index(name)]:
                place = max(place, self.past(its))
        lines = [f"{indent}{name}: {_flow(value)}"]
        if isinstance(value, dict):
            lines = [f"{indent}{name}:", *(f"{indent}  {one}: {_flow(its)}" for one, its in value.items())]
        return place, place, "".join(line + self.end for line in lines)

    def _new_step(self, step: Step, indent: str) -> str:
        said = [f"{name}: {_flow(value)}" for name, value in _said(step).items()]
        return f"{indent}- " + f"{self.end}{indent}  ".join(said) + self.end

    def _dash(self, item: yaml.Node) -> int:
        """The column of the dash of a step."""
        at = self.text.rindex("-", 0, item.start_mark.index)
        return at - self._line_of(at)

    def _line_of(self, at: int) -> int:
        return self.text.rfind("\n", 0, at) + 1

    def _next_line(self, at: int) -> int:
        return self.text.index("\n", at) + 1


def _in_block(node: yaml.Node) -> bool:
    return isinstance(node, yaml.MappingNode) and not node.flow_style


def _said(step: Step) -> dict[str, object]:
    """What the file has to say of a step: fields that are what they are without being said are left out."""
    fields = step.model_dump(mode="json", exclude_none=True)
    return {name: value for name, value in fields.items() if (name, value) != ("critical", True)}


def _flow(value: object) -> str:
    """A value within one line: whatever is JSON is YAML too."""
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return json.dumps(value, ensure_ascii=False)


def _spliced(text: str, start: int, end: int, edits: Sequence[_Edit]) -> str:
    """The part of a text with its edits made."""
    for begin, until, instead in sorted(edits, reverse=True):
        text = text[:begin] + instead + text[until:]
        end += len(instead) - (until - begin)
    return text[start:end]
