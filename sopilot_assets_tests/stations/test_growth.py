"""What is asked again and again does as much with many recordings as with few: counted, not timed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sopilot_assets.capture.registry import Registry, active_keys, file_names
from sopilot_assets.labels.chain import labels_chain
from sopilot_assets.labels.events import Draft, Source
from sopilot_assets.stations.captured_videos import describe_videos
from sopilot_assets.stations.gold_inputs import task_inputs
from sopilot_assets.stations.gold_marks import marked_gold
from sopilot_assets.stations.gold_references import refresh_references
from sopilot_assets.stations.rescoring_plan import plan_scoring
from sopilot_assets.stations.staleness import outdated_by_golds, stale_scores
from sopilot_assets.store.home import Home, PartitionKey
from sopilot_assets.tasks import find_tasks
from sopilot_assets_tests.counted_calls import counted_calls
from sopilot_assets_tests.stations.test_staleness import copied, later
from sopilot_assets_tests.times.conftest import TASK, crowded

MORE = 90
AT = "2026-07-06T00:00:00+00:00"


def _gold(home: Home) -> PartitionKey:
    return next(PartitionKey.parse(key) for key in active_keys(home) if "-g-" in key)


def _outdated(home: Home) -> dict[str, str]:
    tasks = find_tasks(home.root).tasks
    return outdated_by_golds(home, tasks, task_inputs(home, tasks))


def _label(home: Home) -> None:
    critical = not len(labels_chain(home).read(TASK)) % 2  # never what was said last
    label(home, str(_gold(home)), critical=critical)


def label(home: Home, *keys: str, critical: bool) -> None:
    """What somebody says of recordings, in one file."""
    about = {"task_id": TASK, "at": AT, "who": "ann", "source": Source.HUMAN, "critical_expected": critical}
    labels_chain(home).append([Draft(key=key, **about) for key in keys], **later())


ASKED: dict[str, Callable[[Home], object]] = {
    "what is out of date": stale_scores,
    "what golds make out of date": _outdated,
    "one gold": lambda home: marked_gold(home, _gold(home)),
    "the videos of a run": lambda home: describe_videos(home, [_gold(home)]),
    "references that are up to date": lambda home: refresh_references(home, [TASK], **later()),
    "a label": _label,
}


def test_what_is_asked_again_and_again_does_the_same_with_many_recordings(
    original: Home, tmp_path: Path
) -> None:
    home = copied(original, tmp_path)
    crowded(home, 10, seed=1)
    few = {what: counted_calls(lambda ask=ask: ask(home)) for what, ask in ASKED.items()}
    crowded(home, MORE, seed=2)
    label(home, *active_keys(home), critical=True)
    many = {what: counted_calls(lambda ask=ask: ask(home)) for what, ask in ASKED.items()}
    assert stale_scores(home).empty
    for what, made in few.items():
        # what is asked of each file of a ledger may be: there are some files more
        more = {name: count for name, count in (many[what] - made).items() if count > MORE / 2}
        more.pop("_voice", None)  # who said which event is asked of all of them
        assert more == {}, what


class LookedThrough(list[str]):
    """Keys that say how often somebody looked through all of them."""

    times = 0

    def __iter__(self) -> Iterator[str]:
        LookedThrough.times += 1
        return super().__iter__()


def test_what_is_left_out_of_the_work_is_looked_through_once_and_not_for_each_recording(
    original: Home, tmp_path: Path
) -> None:
    home = copied(original, tmp_path)
    crowded(home, 10, seed=1)
    assert plan_scoring(home, leave_out=LookedThrough(active_keys(home))) == []
    assert LookedThrough.times == 1


@pytest.mark.parametrize("wanted", [0, 1, 3])
def test_those_with_these_keys_are_as_the_whole_registry_has_them(original: Home, wanted: int) -> None:
    every = Registry.read(original).recordings
    keys = list(every)[:wanted]
    assert Registry.read_those(original, keys).recordings == {key: every[key] for key in keys}
    assert Registry.read_golds(original, also=keys).recordings == {
        key: one for key, one in every.items() if one.role == "gold" or key in keys
    }


def test_file_names_follow_what_is_registered(original: Home, tmp_path: Path) -> None:
    home = copied(original, tmp_path)
    before = file_names(home)
    assert before == {str(key): one.original_name for key, one in Registry.read(home).recordings.items()}
    crowded(home, 2, seed=3)
    assert len(file_names(home)) == len(before) + 2
