"""The install is pinned, and what the package needs at run time is shipped with it."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from importlib.resources import files
from pathlib import Path

import dagster as dg
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import sopilot_assets

pytestmark = pytest.mark.whole

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = dict(
    line.split("==")
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
)


def asked_for() -> list[Requirement]:
    """The requirements of the base install and of all extras, our own extras left out."""
    extras = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    return [
        req
        for line in PROJECT["dependencies"] + extras
        if (req := Requirement(line)).name != "sopilot-assets"
    ]


def needed(name: str, *, seen: set[str]) -> set[str]:
    """The installed distributions that ``name`` needs here, itself included."""
    if name in seen:
        return seen
    try:
        requires = distribution(name).requires or []
    except PackageNotFoundError:
        return seen
    seen.add(name)
    for line in requires:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            needed(canonicalize_name(requirement.name), seen=seen)
    return seen


def test_pins_are_exact_sorted_and_name_each_package_once() -> None:
    names = list(PINS)
    assert names == sorted(names)
    assert names == [canonicalize_name(name) for name in names]
    assert all(re.fullmatch(r"[0-9][0-9a-z.]*", version) for version in PINS.values())
    assert len(names) == len(set(names)) > 100


def test_every_requirement_is_pinned_to_a_version_it_allows() -> None:
    for requirement in asked_for():
        pin = PINS[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(pin), f"{requirement} against the pin {pin}"


def test_every_installed_package_that_the_project_needs_is_pinned() -> None:
    seen: set[str] = set()
    for requirement in asked_for():
        needed(canonicalize_name(requirement.name), seen=seen)
    by_torch = {name for name in seen if name.startswith("nvidia-") or name in {"triton", "cuda-bindings"}}
    assert seen - by_torch <= set(PINS)


@pytest.mark.parametrize("name", ["py.typed", "dagster.yaml", "tasks/templates/task.yaml.j2"])
def test_the_package_holds_its_data(name: str) -> None:
    assert files("sopilot_assets").joinpath(name).is_file()


def test_the_instance_settings_load_and_mean_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dagster.yaml").write_bytes((ROOT / "dagster.yaml").read_bytes())
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with dg.DagsterInstance.get() as instance:
        assert instance.run_monitoring_enabled
        assert not instance.telemetry_enabled
        assert (instance.run_retries_enabled, instance.run_retries_max_retries) == (True, 3)
        queue = instance.get_concurrency_config().run_queue_config
        assert queue
        assert queue.max_concurrent_runs == 2
    assert (tmp_path / "history").is_dir()


def test_the_workspace_names_the_module_that_pyproject_names() -> None:
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text(encoding="utf-8"))
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["dagster"]
    assert workspace["load_from"][0]["python_module"]["module_name"] == tool["module_name"]


def test_the_version_is_in_the_changelog() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {sopilot_assets.__version__}" in changelog


@pytest.mark.parametrize("target", ["setup", "demo", "test", "check", "dev", "bench", "clean"])
def test_make_help_names_every_target(target: str) -> None:
    shown = subprocess.run(
        ["make", "-C", str(ROOT), "help"], capture_output=True, text=True, check=True
    ).stdout
    assert f"make {target} " in shown


def third_party(folder: Path) -> set[str]:
    """The top-level modules from elsewhere that the files of a folder import."""
    modules: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.split(".")[0])
    return modules - set(sys.stdlib_module_names) - {"installer", "sopilot_assets", "sopilot_assets_tests"}


@pytest.mark.parametrize(
    ("folder", "extras"),
    [("sopilot_assets", ["scale", "vjepa2"]), ("sopilot_assets_tests", ["dev", "scale", "vjepa2"])],
)
def test_every_package_that_is_imported_is_declared(folder: str, extras: list[str]) -> None:
    extras_of = PROJECT["optional-dependencies"]
    lines = PROJECT["dependencies"] + [line for extra in extras for line in extras_of[extra]]
    declared = {canonicalize_name(Requirement(line).name) for line in lines}
    providers = packages_distributions()
    undeclared = {
        module
        for module in third_party(ROOT / folder)
        if not {canonicalize_name(name) for name in providers.get(module, [module])} & declared
    }
    assert undeclared == set()


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py")))
def test_every_benchmark_can_be_imported(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    importlib.import_module(f"benchmarks.{name}")


def test_what_variations_replace_exists_and_can_be_called_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    for variation in importlib.import_module("benchmarks._variations").VARIATIONS:
        with variation.applied():
            pass
        for name, after in variation.settings:
            before = pkgutil.resolve_name(f"sopilot_assets.{name}")
            assert callable(before) == callable(after), name
            if inspect.isfunction(before):
                taken = inspect.signature(before).parameters.values()
                positional = [None for one in taken if one.kind is not one.KEYWORD_ONLY]
                named = [
                    one.name for one in taken if one.kind is one.KEYWORD_ONLY and one.default is one.empty
                ]
                inspect.signature(after).bind_partial(*positional, **dict.fromkeys(named))
