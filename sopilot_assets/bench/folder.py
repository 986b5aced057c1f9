"""A folder of labeled recordings: ``labels.jsonl``, ``tasks.json`` (may be absent) and the videos."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from sopilot_assets.bench.lines import Line, TaskEntry, TaskStep, read_lines, read_task_entries
from sopilot_assets.bench.recordings import BenchRecording, BenchTask, FileKey, NotScored
from sopilot_assets.errors import ConfigError
from sopilot_assets.reference.annotations import StepInterval
from sopilot_assets.segments import Segment
from sopilot_assets.tasks import Step, load_task
from sopilot_assets.texts.names import safe_name

LABELS: Final = "labels.jsonl"
TASKS: Final = "tasks.json"
UNKNOWN_SITE: Final = "unknown"
_ID_LENGTH: Final = 48
_NAME_LENGTH: Final = 120


@dataclass(frozen=True, slots=True)
class LabeledFolder:
    """What a labeled folder holds: tasks with their recordings, what cannot be scored, remarks on what had
    to be derived, and the labels, which are for afterwards.
    """

    root: Path
    tasks: tuple[BenchTask, ...]
    not_scored: tuple[NotScored, ...]
    notes: tuple[str, ...]
    labels: Mapping[FileKey, Line]


def open_folder(root: Path) -> LabeledFolder:
    """The labeled folder at ``root``; ``ConfigError`` when it is none, or nothing in it can be scored."""
    path = root / LABELS
    if not path.is_file():
        raise ConfigError(
            f"{root}: expected a folder with {LABELS} and the videos it names, found "
            f"{'no such file in it' if root.is_dir() else 'no folder'}. `sopilot sample simulate` makes one."
        )
    lines = read_lines(path)
    if not lines:
        raise ConfigError(f"{path}: expected one JSON object a line, found an empty file.")
    entries = {entry.task: entry for entry in read_task_entries(root / TASKS)}
    reader = _Reader(root, lines, entries)
    tasks = tuple(task for title in reader.titles() if (task := reader.task(title)) is not None)
    if not any(task.trainees for task in tasks):
        problems = (
            "; ".join(f"{one.file}: {one.why}" for one in reader.not_scored[:3]) or "no trainee recordings"
        )
        raise ConfigError(
            f"{path}: expected trainee recordings and golds of their tasks, found none that can be scored "
            f"({problems}). Add them, or mend their `file` and `role`."
        )
    return LabeledFolder(root, tasks, tuple(reader.not_scored), tuple(_notes(reader)), reader.labels)


@dataclass(slots=True)
class _Reader:
    """Turns lines into tasks; collects what cannot be scored on the way."""

    root: Path
    lines: Mapping[int, Line]
    entries: Mapping[str, TaskEntry]
    not_scored: list[NotScored] = field(default_factory=list)
    labels: dict[FileKey, Line] = field(default_factory=dict)
    derived: Counter[str] = field(default_factory=Counter)
    ids: dict[str, str] = field(default_factory=dict)

    def titles(self) -> list[str]:
        """The names of the tasks that have labels, ascending; each gets its legal id."""
        found = sorted({line.task for line in self.lines.values()})
        self.ids = legal_ids(found)
        return found

    def task(self, title: str) -> BenchTask | None:
        """One task; None when it has no golds."""
        lines = {number: line for number, line in self.lines.items() if line.task == title}
        task_id, entry = self.ids[title], self.entries.get(title)
        task_file = self.root / "tasks" / f"{title}.yaml"
        sop = self._sop(title, lines, entry)
        gold_files = _gold_files(lines.values(), entry)
        only_there = sorted(gold_files - {line.file for line in lines.values()})
        lines |= {-n: Line(file=file, task=title, role="gold") for n, file in enumerate(only_there, start=1)}
        known, golds, trainees, steps = set[str](), [], [], {}
        for number, line in lines.items():
            where = f"{self.root / LABELS}, line {number}" if number > 0 else f"{self.root / TASKS}"
            path = self._path(line, where)
            is_gold = line.file in gold_files
            if why := self._unusable(line, path, known, is_gold=is_gold):
                self.not_scored.append(NotScored(task_id, line.file, why))
                continue
            known.add(line.file)
            if is_gold:
                golds.append(_recording(line, path))
                steps[line.file] = tuple(_intervals(line, [step.name for step in sop], where))
            else:
                trainees.append(_recording(line, path))
                self._remember(task_id, line, sop, where)
        if not golds:
            why = "its task has no golds"
            self.not_scored += [NotScored(task_id, one.file, why) for one in trainees]
            return None
        return BenchTask(
            task_id=task_id,
            title=title,
            steps=_steps(sop, task_file),
            golds=tuple(sorted(golds, key=lambda one: one.file)),
            trainees=tuple(sorted(trainees, key=lambda one: one.file)),
            gold_steps={file: some for file, some in steps.items() if some},
            task_file=task_file if task_file.is_file() else None,
        )

    def _sop(self, title: str, lines: Mapping[int, Line], entry: TaskEntry | None) -> tuple[TaskStep, ...]:
        """The steps of a task: from tasks.json, else from the labels, else as a gold shows them."""
        listed = {line.sop_steps: number for number, line in reversed([*lines.items()]) if line.sop_steps}
        if entry and entry.steps:
            listed = {tuple(step.name for step in entry.steps): 0} | listed
        if len(listed) > 1:
            (one, first), (_, other) = sorted(listed.items(), key=lambda item: item[1])[:2]
            raise ConfigError(
                f"{self.root / LABELS}, line {other}, field sop_steps: expected the same steps in all labels "
                f"of task {title!r}, found others than {', '.join(one)} "
                f"({f'line {first}' if first else TASKS}). Give each procedure a task of its own."
            )
        if entry and entry.steps:
            return entry.steps
        if listed:
            return tuple(TaskStep(name=name) for name in next(iter(listed)))
        shown = next((line.steps for line in lines.values() if line.role == "gold" and line.steps), ())
        if not shown:
            raise ConfigError(
                f"{self.root / LABELS}: task {title!r}: expected its steps in {TASKS} (`steps`) or in its "
                "labels (`sop_steps`), found neither. Add them."
            )
        self.derived["task without sop_steps: they are taken from its first gold"] += 1
        return tuple(TaskStep(name=step.label or f"step {index + 1}") for index, step in enumerate(shown))

    def _path(self, line: Line, where: str) -> Path:
        parts = PurePosixPath(line.file)
        if parts.is_absolute() or ".." in parts.parts:
            raise ConfigError(
                f"{where}, field file: expected a path below {self.root}, found {line.file!r}. Move it."
            )
        return (self.root / parts).resolve()

    def _unusable(self, line: Line, path: Path, known: set[str], *, is_gold: bool) -> str | None:
        if line.file in known:
            return "it is labelled twice; the first label counts"
        if not path.is_file():
            return "the file is missing"
        if line.role == "gold" and not is_gold:
            return f"a gold that {TASKS} does not name"
        return None

    def _remember(self, task_id: str, line: Line, sop: Sequence[TaskStep], where: str) -> None:
        """Keep a trainee's label for afterwards, and count what has to be derived for it."""
        for edit in line.deviations or ():
            named = (*edit.steps, *edit.missing_gold_steps, *edit.partial_gold_steps)
            for step in (*named, *line.physically_missing_gold_steps):
                _check_step(step, len(sop), f"{where}, field deviations ({edit.type})")
        self.labels[task_id, line.file] = line
        missing = {
            "site": line.site is None,
            "subject_ids": line.performer is None,
            "variant": line.variant is None,
            "deviations": line.deviations is None,
            "critical_expected": line.critical_expected is None,
        }
        self.derived.update(name for name, absent in missing.items() if absent)


_DERIVED: Final[Mapping[str, str]] = {
    "site": f"their site is {UNKNOWN_SITE!r}",
    "subject_ids": "each counts as a performer of its own",
    "variant": "it is named after the deviations",
    "deviations": "they are taken from the variant",
    "critical_expected": "it is derived from the deviations",
}


def _notes(reader: _Reader) -> Iterator[str]:
    for name, count in sorted(reader.derived.items()):
        yield f"{count} labels without {name}: {_DERIVED[name]}" if name in _DERIVED else f"{count} {name}"
    for title, task_id in sorted(reader.ids.items()):
        if title != task_id:
            yield f"task {title!r} is called {task_id} here"


def legal_ids(names: Sequence[str]) -> dict[str, str]:
    """An id of a-z, 0-9 and _ for each name, legal for tasks and steps and all different; a legal name keeps
    itself.

    >>> legal_ids(["Öl 2", "oel", "ol_2", "作業"])
    {'Öl 2': 'ol_2_2', 'oel': 'oel', 'ol_2': 'ol_2', '作業': 'x'}
    """
    slugs = {name: _slug(name) for name in names}
    taken = {name for name in names if slugs[name] == name}
    ids = {}
    for name, slug in slugs.items():
        candidate, number = slug, 1
        while name != candidate and candidate in taken:
            number += 1
            candidate = f"{slug[: _ID_LENGTH - 4]}_{number}"
        taken.add(candidate)
        ids[name] = candidate
    return ids


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9_]+", "_", plain)
    if not re.match(r"[a-z]", slug):
        slug = f"x{slug}" if slug and slug != "_" else "x"
    return slug[:_ID_LENGTH]


def _gold_files(lines: Iterable[Line], entry: TaskEntry | None) -> set[str]:
    """The golds that tasks.json names, by the paths of the labels where they have one; else those whose role
    says so.
    """
    files = {line.file: line for line in lines}
    if entry is None or not entry.gold_files:
        return {file for file, line in files.items() if line.role == "gold"}
    by_name = {PurePosixPath(file).name: file for file in files}  # some lists name files without their folder
    return {file if file in files else by_name.get(file, file) for file in entry.gold_files}


def _recording(line: Line, path: Path) -> BenchRecording:
    site = safe_name(line.site) if line.site else UNKNOWN_SITE
    return BenchRecording(file=line.file, path=path, site=site, person=line.performer)


def labeled_steps(folder: LabeledFolder, task: BenchTask, file: str) -> tuple[StepInterval, ...]:
    """When a trainee's steps begin and end, by its label; ``ConfigError`` for steps that cannot be."""
    names = [step.name for step in task.steps]
    return tuple(_intervals(folder.labels[task.task_id, file], names, f"{folder.root / LABELS}, {file}"))


def _check_step(step: int, count: int, where: str) -> None:
    if step >= count:
        raise ConfigError(
            f"{where}: expected steps from 0 to {count - 1}, found {step}. Steps are counted from 0 in "
            "sop_steps."
        )


def _intervals(line: Line, names: Sequence[str], where: str) -> Iterator[StepInterval]:
    """When a recording's steps begin and end; by their index, or by their name where no index is given."""
    shown = line.steps or ()
    by_name = all(one.gold_step is None for one in shown) and len(set(names)) == len(names)
    for number, one in enumerate(shown):
        step = names.index(one.label) if by_name and one.label in names else one.gold_step
        if step is None:
            continue
        _check_step(step, len(names), f"{where}, field steps[{number}].gold_step")
        if not 0 <= one.start_sec < one.end_sec:
            raise ConfigError(
                f"{where}, field steps[{number}]: expected 0 <= start_sec < end_sec, found "
                f"{one.start_sec:g} and {one.end_sec:g}. Mend the times."
            )
        yield StepInterval(step, Segment(one.start_sec, one.end_sec))


def _steps(sop: Sequence[TaskStep], task_file: Path) -> tuple[Step, ...]:
    """The task's steps with legal ids; as the folder's own task file has them, where there is one."""
    ids = _step_ids([step.name for step in sop])
    if not task_file.is_file():
        return tuple(
            Step(id=step_id, name=_one_line(step.name), critical=step.critical)
            for step_id, step in zip(ids, sop, strict=True)
        )
    steps = load_task(task_file).steps
    if tuple(step.id for step in steps) != ids:
        raise ConfigError(
            f"{task_file}: expected the steps of the labels, {', '.join(ids)}, found "
            f"{', '.join(step.id for step in steps)}. Make them agree, or remove the task file."
        )
    return steps


def _step_ids(names: Sequence[str]) -> tuple[str, ...]:
    """Legal ids in the order of the names; a name that comes twice is numbered."""
    seen: Counter[str] = Counter()
    numbered = []
    for name in names:
        seen[name] += 1
        numbered.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    ids = legal_ids(numbered)
    return tuple(ids[name] for name in numbered)


def _one_line(name: str) -> str:
    return " ".join(name.split())[:_NAME_LENGTH].strip() or "step"
