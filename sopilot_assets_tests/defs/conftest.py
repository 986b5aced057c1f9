"""One small drop of simulated recordings, taken in and scored once, for all tests of the Dagster side."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluation

from sopilot_assets.capture.simulate.dataset import SimulatedSet
from sopilot_assets.definitions import build_defs
from sopilot_assets.defs.recordings.capture_sensor import capture_sensor
from sopilot_assets.defs.resources import ClockResource, HomeResource, LimitsResource
from sopilot_assets.store.home import Home
from sopilot_assets_tests.made_once import MadeOnce

START = "2025-06-02T08:00:00+00:00"
NEXT_DAY = "2025-06-03T08:00:00+00:00"


def resources(home: Home, *, now: str = START, **limits: float) -> dict[str, object]:
    """The resources of one home at one time."""
    return {
        "home": HomeResource(root=str(home.root)),
        # a busy machine takes its time over a drop, and a file that could take longer than a look is left
        "limits": LimitsResource(**{"processes": 1, "tick_s": 600.0, **limits}),
        "clock": ClockResource(fixed=now),
    }


def add_task(home: Home, tiny_set: SimulatedSet, *, embedder: str = "color_motion") -> None:
    """The set's task without a gate for small pictures, by default with the embedder that needs no model."""
    text = tiny_set.task_file.read_text(encoding="utf-8")
    text = text.replace("lite0_box", embedder).replace("enabled: true", "enabled: false")
    target = Path(str(home.tasks)) / tiny_set.task_file.name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


def drop(home: Home, videos: tuple[Path, ...], role: str) -> list[Path]:
    """Copies of the videos and their sidecars in the capture folder."""
    folder = Path(str(home.capture)) / "filter_change" / role / "site_a"
    folder.mkdir(parents=True, exist_ok=True)
    copies = []
    for video in videos:
        copies.append(Path(shutil.copy(video, folder)))
        shutil.copy(f"{video}.json", folder)
    return copies


def drop_steps(home: Home, tiny_set: SimulatedSet) -> None:
    """The set's step annotations."""
    target = Path(str(home.steps_csv("filter_change")))
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(tiny_set.steps_csv, target)


@dataclass(frozen=True)
class Shop:
    """A home with a Dagster instance and definitions that use it."""

    home: Home
    instance: dg.DagsterInstance
    defs: dg.Definitions

    def run(self, job: str, *, start: str, end: str) -> dg.ExecuteInProcessResult:
        """One run of a job over a range of keys."""
        tags = {"dagster/asset_partition_range_start": start, "dagster/asset_partition_range_end": end}
        return self.defs.resolve_job_def(job).execute_in_process(
            instance=self.instance, tags=tags, raise_on_error=False
        )

    def tick(self, *, now: str = START, cursor: str | None = None, **limits: float) -> dg.SensorResult:
        """One tick of the capture sensor."""
        context = dg.build_sensor_context(
            instance=self.instance,
            cursor=cursor,
            resources=resources(self.home, now=now, **limits),
        )
        result = capture_sensor(context)
        assert isinstance(result, dg.SensorResult)
        return result

    @contextmanager
    def copy(self, folder: Path) -> Iterator[Shop]:
        """The same home and keys in another folder, a day later, with an instance that knows of no run."""
        home = Home.at(shutil.copytree(str(self.home.root), folder / "copy"))
        with dg.DagsterInstance.ephemeral() as instance:
            instance.add_dynamic_partitions("video", self.keys)
            instance.add_dynamic_partitions("task", ["filter_change"])
            yield Shop(home, instance, build_defs(**resources(home, now=NEXT_DAY)))

    @property
    def keys(self) -> list[str]:
        """The registered recordings, in the order of registration."""
        return list(self.instance.get_dynamic_partitions("video"))


def open_shop(home: Home, tiny_set: SimulatedSet, *, embedder: str = "color_motion") -> Iterator[Shop]:
    """A shop with the set's task and its annotations, and nothing dropped yet."""
    add_task(home, tiny_set, embedder=embedder)
    drop_steps(home, tiny_set)
    with dg.DagsterInstance.ephemeral() as instance:
        yield Shop(home, instance, build_defs(**resources(home)))


@pytest.fixture
def shop(home: Home, tiny_set: SimulatedSet) -> Iterator[Shop]:
    """An empty shop of this test's own."""
    yield from open_shop(home, tiny_set)


@dataclass(frozen=True)
class RecordedRun:
    """A run as an instance recorded it."""

    run_id: str
    success: bool
    all_events: list[dg.DagsterEvent]

    @classmethod
    def of(cls, instance: dg.DagsterInstance, run_id: str) -> RecordedRun:
        """The run of that id."""
        run = instance.get_run_by_id(run_id)
        assert run is not None
        logged = (entry.dagster_event for entry in instance.all_logs(run_id))
        return cls(run_id, run.is_success, [event for event in logged if event is not None])

    def get_asset_check_evaluations(self) -> list[AssetCheckEvaluation]:
        """What the checks of the run found."""
        return [
            event.asset_check_evaluation_data
            for event in self.all_events
            if event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION
        ]


@dataclass(frozen=True)
class Scored:
    """A shop whose drop went from the capture folder to scores, and the run that did it."""

    shop: Shop
    run: RecordedRun


def take_and_score(shop: Shop, made: SimulatedSet) -> dg.ExecuteInProcessResult:
    """Drop a whole set, take it in with two ticks, and score it in the one run that the sensor asks for."""
    drop(shop.home, made.golds, "gold")
    drop(shop.home, made.trainees, "trainee")
    first = shop.tick()
    second = shop.tick(now="2025-06-02T08:00:10+00:00", cursor=first.cursor)
    (request,) = second.run_requests or []
    job = shop.defs.resolve_job_def("score_new_recordings")
    return job.execute_in_process(instance=shop.instance, tags=dict(request.tags))


def score_a_drop(folder: Path, made: SimulatedSet) -> tuple[Path, str]:
    """The folder with a home and the instance that scored it, and the id of the run that did it."""
    home = Home.at(folder / "home")
    add_task(home, made)
    drop_steps(home, made)
    (folder / "instance").mkdir()
    with dg.DagsterInstance.local_temp(str(folder / "instance")) as instance:
        run = take_and_score(Shop(home, instance, build_defs(**resources(home))), made)
    return folder, run.run_id


@pytest.fixture(scope="session")
def scored(
    made_once: MadeOnce, tiny_set: SimulatedSet, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scored]:
    """Three golds and three trainees, dropped together and scored in one run."""
    folder, run_id = made_once.get("scored_by_dagster", lambda place: score_a_drop(place, tiny_set))
    own = Path(shutil.copytree(folder, tmp_path_factory.mktemp("scored") / "own"))
    home = Home.at(own / "home")
    with dg.DagsterInstance.local_temp(str(own / "instance")) as instance:
        yield Scored(Shop(home, instance, build_defs(**resources(home))), RecordedRun.of(instance, run_id))
