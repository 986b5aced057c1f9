"""Steps of golds taken from the files of other tools, and written for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sopilot_assets.capture.marks import MarkDraft, append_marks, marks_chain, newest_event
from sopilot_assets.capture.registry import Recording, find_recordings, stored_file
from sopilot_assets.errors import ExchangeError
from sopilot_assets.exchange.formats import FileFormat, read_files, written
from sopilot_assets.exchange.said import MarkedInterval, MarkedVideo, PictureTimes, Vocabulary
from sopilot_assets.exchange.steps import FileSteps, steps_in
from sopilot_assets.processes.limited import MEMORY_LIMIT_BYTES, run_limited
from sopilot_assets.reference.annotations import GoldNames, StepInterval, shortest_name
from sopilot_assets.reference.border_agreement import BorderAgreement, border_agreement
from sopilot_assets.reference.step_names import StepNames
from sopilot_assets.stations.gold_inputs import GoldInputs, gold_names, same_steps, step_intervals
from sopilot_assets.stations.gold_marks import SHEET, Proposed, checked_steps, confirmed_of, mark_draft
from sopilot_assets.stations.marking_media import INDEX_LIMIT_S, film_of
from sopilot_assets.store.home import Home
from sopilot_assets.store.shared import at_hand
from sopilot_assets.tasks import TaskSpec, load_task
from sopilot_assets.texts.languages import Text
from sopilot_assets.video.probe import read_index


@dataclass(frozen=True, slots=True)
class GoldSteps:
    """What a file says of one gold: its steps, whether its mark says something else, where they come from,
    and how they agree with the steps that count; None where it has none.
    """

    gold: Recording
    name: str
    steps: tuple[StepInterval, ...]
    new: bool
    came_from: str
    agreement: BorderAgreement | None


@dataclass(frozen=True, slots=True)
class TakenSteps:
    """What a file says of the golds of a task, by name. ``strangers`` are recordings in it that are none of
    them, ``remarks`` what was left out or should be looked at.
    """

    golds: tuple[GoldSteps, ...]
    strangers: tuple[Text, ...]
    remarks: tuple[Text, ...]

    @property
    def taken(self) -> tuple[str, ...]:
        """The names of the golds of which it says something new."""
        return tuple(one.name for one in self.golds if one.new)

    @property
    def same(self) -> tuple[str, ...]:
        """The names of the golds of which it says what their mark says."""
        return tuple(one.name for one in self.golds if not one.new)


def read_steps(
    home: Home,
    task: TaskSpec,
    inputs: GoldInputs,
    data: bytes,
    *,
    source: str,
    form: FileFormat | None = None,
    recording: str | None,
) -> TakenSteps:
    """What a file says of a task's golds, or of the ``recording`` alone; nothing is changed. A file of one
    recording is about that one, whatever it calls it.

    Raises ``ExchangeError`` that names each fault by its place in the file.
    """
    golds = {gold_names(one): one for one in inputs.golds}
    by_id = {called.video_id: gold for called, gold in golds.items()}
    said = steps_in(
        read_files(data, source=source, told=form),
        StepNames.of(task),
        list(golds),
        pictures_of=lambda called: pictures_of(home, by_id[called.video_id]),
        given=None if recording is None else _given(golds, recording),
    )
    return _compared(task, inputs, said, golds)


def _given(golds: dict[GoldNames, Recording], recording: str) -> GoldNames:
    known = {str(gold.key): gold for gold in golds.values()}
    key = find_recordings(known, [recording])[0]
    return next(called for called, gold in golds.items() if str(gold.key) == key)


def _compared(
    task: TaskSpec, inputs: GoldInputs, said: FileSteps, golds: dict[GoldNames, Recording]
) -> TakenSteps:
    every = []
    for called, gold in golds.items():
        found = said.golds.get(called.video_id)
        if found is None:
            continue
        mark = inputs.marks.get(str(gold.key))
        known = () if mark is None else step_intervals(task, mark.steps)
        # a mark with a step that the task has no more is to be made anew, whatever is left of it
        new = mark is None or len(known) < len(mark.steps) or not same_steps(found.steps, known)
        came_from = SHEET if found.format is FileFormat.CSV else f"{found.format.value}: {found.source}"[:200]
        counts = inputs.annotations.steps.get(called.video_id)
        agreement = border_agreement(counts, found.steps) if counts else None
        name = shortest_name(called, list(golds))
        every.append(GoldSteps(gold, name, found.steps, new, came_from, agreement))
    every.sort(key=lambda one: one.name)
    return TakenSteps(tuple(every), said.strangers, said.remarks)


def import_steps(
    home: Home,
    inputs: GoldInputs,
    data: bytes,
    *,
    source: str,
    who: str,
    at: datetime,
    run_id: str,
    form: FileFormat | None = None,
    recording: str | None = None,
) -> TakenSteps:
    """Take the steps of golds from a file: a mark for each gold of which it says something else than the
    mark that counts.

    All of it is taken or none. Raises ``ExchangeError`` that names each fault by its place in the file.
    """
    task = load_task(home.tasks / f"{inputs.task_id}.yaml")
    found = read_steps(home, task, inputs, data, source=source, form=form, recording=recording)
    events = marks_chain(home).read(inputs.task_id)
    drafts: list[MarkDraft] = []
    for one in found.golds:
        if not one.new:
            continue
        steps = confirmed_of(task, one.steps)
        drafts.append(
            mark_draft(
                one.gold.key,
                who=who,
                at=at,
                steps=checked_steps(task, one.gold, steps),
                proposed=Proposed(steps, one.came_from),
                based_on=newest_event(events, str(one.gold.key)),
            )
        )
    append_marks(home, drafts, run_id=run_id, written_at=at.isoformat())
    return found


def export_steps(
    home: Home, task: TaskSpec, inputs: GoldInputs, form: FileFormat, *, recording: str | None = None
) -> tuple[str, bytes]:
    """The steps that count of a task's golds, or of one ``recording``, in a format: the suffix of the file
    (``.zip`` where the format has a file for each recording and there are several), and its bytes.

    Raises ``ExchangeError`` where no gold has steps.
    """
    golds = {gold_names(one): one for one in inputs.golds}
    if recording is not None:
        called = _given(golds, recording)
        chosen = {called: golds[called]}
    else:
        chosen = golds
    videos = [
        _marked(home, task, gold, shortest_name(called, list(golds)), steps)
        for called, gold in sorted(chosen.items(), key=lambda pair: pair[0].path)
        if (steps := inputs.annotations.steps.get(called.video_id))
    ]
    if not videos:
        raise ExchangeError(
            f"{recording or task.task_id}: expected golds with steps, found none; mark them at the desk "
            "first.",
            ja=f"{recording or task.task_id}：手順の時刻があるお手本がありません。先に記録してください。",
        )
    return written(form, videos, Vocabulary(task.name, task.step_ids))


def _marked(
    home: Home, task: TaskSpec, gold: Recording, name: str, steps: Sequence[StepInterval]
) -> MarkedVideo:
    return MarkedVideo(
        name=name,
        sha256=gold.sha256,
        width=int(gold.row["width"] or 0),
        height=int(gold.row["height"] or 0),
        pictures=pictures_of(home, gold),
        intervals=tuple(
            MarkedInterval(
                task.step_ids[one.step], round(one.segment.start_s * 1000), round(one.segment.end_s * 1000)
            )
            for one in steps
        ),
    )


def pictures_of(home: Home, recording: Recording) -> PictureTimes:
    """When the pictures of a recording's own file are shown; raises the reader's `VideoError`."""
    film = film_of(home, recording)
    if film.itself:
        return PictureTimes(film.frames_ms, film.end_ms)
    return run_limited(
        read_pictures,
        (stored_file(home, recording),),
        time_limit_s=INDEX_LIMIT_S,
        memory_limit_bytes=MEMORY_LIMIT_BYTES,
    )


def read_pictures(source: Path) -> PictureTimes:
    """What `pictures_of` gives; runs in a child process."""
    index = read_index(at_hand(source))
    return PictureTimes(
        tuple(round(float(time_s) * 1000) for time_s in index.starts_s), round(index.end_s * 1000)
    )
