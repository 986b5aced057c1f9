"""The evidence chain as its users run it: registered studies of simulated recordings, one run each."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from sopilot_assets.capture.simulate.dataset import SimulatedSet, simulate
from sopilot_assets.capture.simulate.raters import Rater, rated, read_truth
from sopilot_assets.dossier.signing import new_key
from sopilot_assets.labels.chain import append_events
from sopilot_assets.labels.events import Draft, Source
from sopilot_assets.labels.recordings import recordings_to_label
from sopilot_assets.operations.evidence import stations
from sopilot_assets.store.home import Home
from sopilot_assets.studies.registration import read_registration, register
from sopilot_assets.tasks import lock_task
from sopilot_assets_tests.defs.conftest import START, Shop, open_shop, take_and_score

TASK = "filter_change"
STATIONS = (
    "split_manifests",
    "critical_policies",
    "split_evaluations",
    "gate_reports",
    "shadow_reports",
    "error_packets",
    "labeling_plans",
    "evidence_dossiers",
)
NOW = datetime.fromisoformat(START)


@pytest.fixture(scope="session")
def people_set(tmp_path_factory: pytest.TempPathFactory) -> SimulatedSet:
    """Four golds and thirty trainee recordings by fifteen people at two sites."""
    return simulate(
        tmp_path_factory.mktemp("people"),
        seed=5,
        golds=4,
        trainees=30,
        persons=["p01-p25"],
        variants=["correct", "missing_step:two"],
        size=(160, 120),
        fps=8,
        step_seconds=2.5,
    )


@pytest.fixture(scope="session")
def judged(people_set: SimulatedSet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The set scored, and labelled by two people who err now and then; the task is locked, a key is there."""
    for shop in open_shop(
        Home.at(tmp_path_factory.mktemp("judged") / "home"), people_set, embedder="lite0_flow"
    ):
        assert take_and_score(shop, people_set).success
        label(shop.home, people_set, source=Source.BLIND_HUMAN)
        task_file = Path(str(shop.home.tasks)) / f"{TASK}.yaml"
        lock_task(task_file, locked_at=NOW)
        new_key(shop.home.keys)
        yield shop


@pytest.fixture
def shop(judged: Shop, tmp_path: Path) -> Iterator[Shop]:
    """A copy of the labelled shop, of this test's own."""
    with judged.copy(tmp_path) as copy:
        yield copy


def label(
    home: Home, made: SimulatedSet, *, source: Source, raters: tuple[str, ...] = ("ann", "bob")
) -> None:
    """Labels of every trainee recording by these people."""
    truth = read_truth(made.labels)
    drafts = [
        Draft(
            task_id=TASK,
            key=recording.key,
            who=who,
            at=START,
            source=source,
            critical_expected=said[recording.name],
        )
        for who in raters
        for said in [rated(truth, Rater(who, miss_rate=0.1, false_alarm_rate=0.05), seed=1)]
        for recording in recordings_to_label(home, TASK)
    ]
    append_events(home, drafts, run_id="labels", written_at=START)


def write_study(home: Home, study_id: str, **settings: object) -> None:
    """Write and register a study; ``settings`` replace those of one that old detectors can pass."""
    wanted: dict[str, object] = {
        "study_id": study_id,
        "title": "A study of simulated people",
        "task": TASK,
        "gate_profile": "legacy_poc",
        "gate_overrides": [
            {"check": "rescore_jitter_max_delta", "threshold": None, "reason": "nothing was scored again"},
            {"check": "dtw_normalized_cost_p90", "threshold": 2.0, "reason": "people differ a lot"},
        ],
        "use_intervals": False,
        **settings,
    }
    path = Path(str(home.studies)) / f"{study_id}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(wanted), encoding="utf-8")  # JSON is YAML
    register(home, study_id, registered_at=NOW, by="tests")


def run_chain(shop: Shop, study_id: str) -> dg.ExecuteInProcessResult:
    """The job over one study."""
    shop.instance.add_dynamic_partitions("study", [study_id])
    job = shop.defs.resolve_job_def("evidence_chain")
    return job.execute_in_process(instance=shop.instance, partition_key=study_id, raise_on_error=False)


def made(run: dg.ExecuteInProcessResult) -> set[str]:
    """The assets that a run materialized."""
    return {
        event.asset_key.to_user_string()
        for event in run.get_asset_materialization_events()
        if event.asset_key is not None
    }


def metadata(run: dg.ExecuteInProcessResult, asset: str) -> dict[str, object]:
    """What an asset said of itself in a run."""
    (event,) = run.asset_materializations_for_node(asset)
    return {name: value.value for name, value in event.metadata.items()}


def test_one_run_leads_from_labels_to_a_dossier_that_a_stranger_can_verify(
    shop: Shop, tmp_path: Path
) -> None:
    write_study(shop.home, "spring")
    run = run_chain(shop, "spring")
    assert run.success
    assert made(run) == {*STATIONS, "labels"}
    gates = metadata(run, "gate_reports")
    assert gates["overall_pass"] is True
    assert {"checks", "gates"} <= gates.keys()
    assert "scores_on_dev" in metadata(run, "critical_policies")
    said = metadata(run, "evidence_dossiers")

    elsewhere = tmp_path / "elsewhere"
    with zipfile.ZipFile(str(said["zip"])) as archive:
        archive.extractall(elsewhere)
    (folder,) = elsewhere.iterdir()
    checked = subprocess.run(
        [sys.executable, "-I", "verify.py", "--json"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout[-2000:] + checked.stderr
    events = [json.loads(line) for line in (folder / "rows/label_events.jsonl").read_text().splitlines()]
    assert len(events) == 60


def test_running_a_study_again_gives_the_same_files_and_no_second_look(shop: Shop) -> None:
    write_study(shop.home, "spring")
    assert run_chain(shop, "spring").success
    folder = Path(str(shop.home.study("spring")))
    archives = Path(str(shop.home.dossiers)) / "spring"
    before = {path: path.read_bytes() for path in [*folder.iterdir(), *archives.glob("*.zip")]}
    assert run_chain(shop, "spring").success
    assert {path: path.read_bytes() for path in [*folder.iterdir(), *archives.glob("*.zip")]} == before
    document = json.loads((folder / "gate_report.json").read_text())
    assert document["values"]["test_looks"] == 1.0


def test_a_research_gate_that_fails_blocks_the_dossier_and_leaves_a_plan(shop: Shop) -> None:
    write_study(shop.home, "research", gate_profile="research_v3", gate_overrides=[], use_intervals=True)
    run = run_chain(shop, "research")
    assert not run.success
    assert made(run) == {*STATIONS, "labels"} - {"evidence_dossiers"}
    assert metadata(run, "gate_reports")["overall_pass"] is False
    checks = {event.check_name: event for event in run.get_asset_check_evaluations()}
    assert not checks["gates_pass"].passed
    assert checks["gates_pass"].severity == dg.AssetCheckSeverity.ERROR
    assert checks["nothing_leaks"].passed
    needed = (Path(str(shop.home.study("research"))) / "labeling_forecast.csv").read_text()
    assert "independent_positives" in needed


def test_without_a_feasible_policy_held_out_recordings_stay_closed(shop: Shop) -> None:
    write_study(shop.home, "research", gate_profile="research_v3", gate_overrides=[], use_intervals=True)
    run_chain(shop, "research")
    folder = Path(str(shop.home.study("research")))
    evaluations = json.loads((folder / "split_evaluations.json").read_text())
    assert set(evaluations["splits"]) == {"dev"}
    assert json.loads((folder / "policy.json").read_text())["policy_id"] is None
    assert json.loads((folder / "gate_report.json").read_text())["values"]["test_looks"] == 0.0


def test_registering_the_same_study_under_another_name_gives_no_second_first_look(shop: Shop) -> None:
    write_study(shop.home, "spring")
    write_study(shop.home, "again")
    assert run_chain(shop, "spring").success
    assert run_chain(shop, "again").success
    document = json.loads((Path(str(shop.home.study("again"))) / "gate_report.json").read_text())
    assert document["values"]["test_looks"] == 2.0


def test_labels_guessed_from_file_names_do_not_count_for_research(
    people_set: SimulatedSet, judged: Shop, tmp_path: Path
) -> None:
    with judged.copy(tmp_path) as shop:
        shutil.rmtree(str(shop.home.ledgers / "labels"))
        Path(str(shop.home.ledgers / f"labels.{TASK}.head")).unlink()
        label(shop.home, people_set, source=Source.PREFILL, raters=("names",))
        write_study(
            shop.home,
            "circular",
            gate_profile="research_v2",
            gate_overrides=[],
            label_sources=["prefill"],
            detectors=["legacy_binary"],
        )
        run = run_chain(shop, "circular")
        assert not run.success
        document = json.loads((Path(str(shop.home.study("circular"))) / "gate_report.json").read_text())
        (blind,) = [check for check in document["checks"] if check["name"] == "blind_label_share"]
        assert (blind["passed"], blind["value"]) == (False, 0.0)


def test_a_study_that_is_not_registered_or_was_changed_is_refused(shop: Shop) -> None:
    write_study(shop.home, "spring")
    path = Path(str(shop.home.studies)) / "spring.yaml"
    registration = path.with_name("spring.registration.json")
    assert run_chain(shop, "spring").success
    kept = registration.read_bytes()
    path.write_text(path.read_text().replace("legacy_poc", "ops_v1"))
    assert not run_chain(shop, "spring").success
    path.write_text(path.read_text().replace("ops_v1", "legacy_poc"))
    registration.unlink()
    assert not run_chain(shop, "spring").success
    registration.write_bytes(kept)
    assert run_chain(shop, "spring").success
    frozen = read_registration(shop.home, "spring")
    assert frozen is not None
    assert frozen.frozen


def test_a_result_that_was_changed_by_hand_is_not_used(shop: Shop) -> None:
    write_study(shop.home, "spring")
    assert run_chain(shop, "spring").success
    manifest = Path(str(shop.home.study("spring"))) / "split_manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"seed": 20260223', b'"seed": 20260224'))
    with pytest.raises(Exception, match=r"split_manifest\.json: was changed after split_manifests published"):
        stations.critical_policies(shop.home, "spring", run_id="r", written_at=datetime.now(UTC).isoformat())


def test_the_sensor_gives_registered_studies_their_partition(shop: Shop) -> None:
    write_study(shop.home, "spring")
    shop.tick(now="2025-06-05T08:00:00+00:00")
    assert shop.instance.get_dynamic_partitions("study") == ["spring"]


def test_labels_are_described_for_each_task(shop: Shop) -> None:
    job = shop.defs.resolve_implicit_global_asset_job_def()
    run = job.execute_in_process(
        instance=shop.instance, partition_key=TASK, asset_selection=[dg.AssetKey("labels")]
    )
    said = metadata(run, "labels")
    assert said["label_events"] == 60
    assert said["recordings"] == 30
    assert said["two_raters"] == 30
    assert 0 < float(str(said["kappa"])) < 1
