"""Labels taken from the files of other tools, and written for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sopilot_assets.capture.registry import Recording, Registry
from sopilot_assets.errors import ExchangeError
from sopilot_assets.exchange.formats import FileFormat, read_files, written
from sopilot_assets.exchange.labels import SaidLabels, labels_in, marked_labels, names_of
from sopilot_assets.exchange.said import MarkedVideo, Vocabulary
from sopilot_assets.labels.events import LabelEvent
from sopilot_assets.reference.annotations import GoldNames
from sopilot_assets.reference.step_names import StepNames
from sopilot_assets.stations.exchanged_steps import pictures_of
from sopilot_assets.store.home import Home
from sopilot_assets.tasks import TaskSpec
from sopilot_assets.texts.names import composed


def read_labels(
    home: Home, task: TaskSpec, data: bytes, *, source: str, form: FileFormat | None = None
) -> SaidLabels:
    """What a file says of a task's recordings, as rows of a blind sheet; nothing is changed.

    Raises ``ExchangeError`` that names each fault by its place in the file.
    """
    recordings = {str(one.key): one for one in _to_label(home, task)}
    return labels_in(
        read_files(data, source=source, told=form),
        StepNames.of(task),
        [
            GoldNames(one.key.video_id, one.original_name, one.duration_s, (key, one.sha256))
            for key, one in recordings.items()
        ],
        pictures_of=lambda called: pictures_of(home, recordings[called.others[0]]),
    )


def export_labels(
    home: Home, task: TaskSpec, events: Sequence[LabelEvent], form: FileFormat, *, who: str
) -> tuple[str, bytes]:
    """The newest labels of one person in a format: the suffix of the file (``.zip`` where the format has a
    file for each recording and there are several), and its bytes. ``events`` are those of the task. Where
    several recordings have one file name, they are called by their keys.

    Raises ``ExchangeError`` where they labeled nothing.
    """
    newest = {event.key: event for event in events if event.who == who and not event.adjudicates}
    every = _to_label(home, task)
    called = Counter(composed(one.original_name) for one in every)
    videos = [
        _marked(home, one, newest[str(one.key)], alone=called[composed(one.original_name)] == 1)
        for one in every
        if str(one.key) in newest
    ]
    if not videos:
        raise ExchangeError(
            f"{task.task_id}: expected labels by {who}, found none. "
            f"`sopilot label list {task.task_id} --events` shows whose there are.",
            ja=f"{task.task_id}：{who} の評価がありません。",
        )
    if form is FileFormat.CSV:
        raise ExchangeError(
            "csv: labels as a sheet are written by `sopilot label list --csv`; name another format.",
            ja="評価の表は sopilot label list --csv で書き出せます。ほかの形式を指定してください。",
        )
    return written(form, videos, Vocabulary(task.name, names_of(task.step_ids, videos)))


def _to_label(home: Home, task: TaskSpec) -> list[Recording]:
    active = Registry.read(home).active(task.task_id)
    return [one for _, one in sorted(active.items()) if one.key.role == "trainee"]


def _marked(home: Home, recording: Recording, event: LabelEvent, *, alone: bool) -> MarkedVideo:
    pictures = pictures_of(home, recording)
    return MarkedVideo(
        name=recording.original_name if alone else str(recording.key),
        sha256=recording.sha256,
        width=int(recording.row["width"] or 0),
        height=int(recording.row["height"] or 0),
        pictures=pictures,
        intervals=tuple(marked_labels(event, pictures.end_ms)),
    )
