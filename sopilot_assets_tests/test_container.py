"""What the image and the compose files promise: nobody is root, nothing can be written but the home, and
all of it is looked after; and what they name exists. `benchmarks/container.py` starts and kills it for real.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from sopilot_assets import __version__
from sopilot_assets_tests.cli.test_documented import parse

ROOT = Path(__file__).parents[1]
CONTAINERFILE = (ROOT / "Containerfile").read_text(encoding="utf-8")
OURS = ("daemon", "desk", "web", "main", "worker")
ENGINES = ("postgres", "queue", "store")


def compose(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    return found


ONE_MACHINE = compose("compose.yaml")
SCALE = compose("compose.scale.yaml")
TLS = compose("compose.tls.yaml")
SERVICES = {**ONE_MACHINE["services"], **{name: SCALE["services"][name] for name in ENGINES}}


def instructions(word: str) -> list[str]:
    """What follows a word at the beginning of a line of the Containerfile, with the lines that go on."""
    joined = CONTAINERFILE.replace("\\\n", " ")
    return re.findall(rf"^{word} +(.+)$", joined, re.MULTILINE)


def variables() -> dict[str, str]:
    (told,) = instructions("ENV")
    return dict(word.split("=", 1) for word in shlex.split(told))


def filled(text: str) -> str:
    """A text of a compose file with the defaults of its variables."""
    return re.sub(r"\$\{\w+(?::[-?]([^}]*))?\}", lambda found: found[1] or "word", text)


def commands(services: dict[str, Any]) -> Iterator[str]:
    """Every call of `sopilot` in some services, as a line."""
    for name, service in services.items():
        command = service.get("command")
        if isinstance(command, str):
            yield f"sopilot {filled(command)}"
        elif name in OURS and command is not None:
            yield from (line for text in command for line in text.splitlines() if line.startswith("sopilot "))


@pytest.mark.parametrize(
    "line", [line for file in (ONE_MACHINE, SCALE, TLS) for line in commands(file["services"])]
)
def test_every_command_exists_with_its_options(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    parse(shlex.split(line)[1:])


def test_all_versions_are_the_project_s() -> None:
    assert [one for one in instructions("ARG") if one.startswith("VERSION=")] == [f"VERSION={__version__}"]
    assert f"localhost/sopilot:{__version__} FOLDER" in CONTAINERFILE
    assert {filled(service["image"]) for name, service in SERVICES.items() if name in OURS} == {
        f"localhost/sopilot:{__version__}"
    }


def test_the_base_is_an_argument_whose_default_has_the_python_that_is_tested() -> None:
    (base,) = [one for one in instructions("ARG") if one.startswith("BASE=")]
    assert instructions("FROM")[0] == "${BASE} AS base"
    assert re.fullmatch(r"BASE=docker\.io/library/python:3\.\d+-slim-\w+", base)


def test_the_image_runs_as_a_user_by_number_who_owns_the_two_places_that_are_written() -> None:
    assert instructions("USER") == ["10001:10001"]
    (volumes,) = instructions("VOLUME")
    assert set(yaml.safe_load(volumes)) == {"/data", "/var/cache/sopilot"}
    assert "install -d -o 10001 -g 10001 -m 0750 /data /var/cache/sopilot" in CONTAINERFILE
    told = variables()
    assert told["SOPILOT_HOME"] == "/data"
    assert told["DAGSTER_HOME"] == "/data/dagster"
    caches = ("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR")
    assert all(told[name].startswith("/var/cache/sopilot") for name in caches)


def test_bytecode_is_made_once_and_holds_whatever_times_files_get() -> None:
    assert "--invalidation-mode unchecked-hash" in CONTAINERFILE
    assert variables()["PYTHONDONTWRITEBYTECODE"] == "1"


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_is_root_or_can_become_it_or_write_its_own_files(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert str(service["user"]).split(":")[0] not in ("", "0", "root")
    assert not service.keys() & {"privileged", "cap_add", "devices", "pid", "ipc"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_comes_again_and_says_whether_it_is_well(name: str) -> None:
    assert SERVICES[name]["restart"] == "unless-stopped"
    test = SERVICES[name]["healthcheck"]["test"]
    assert test[0] in ("CMD", "CMD-SHELL")
    if test[:3] == ["CMD", "python", "-c"]:
        compile(filled(test[3]), name, "exec")


@pytest.mark.parametrize("name", OURS)
def test_ours_have_an_init_time_to_end_and_the_same_home(name: str) -> None:
    service = ONE_MACHINE["services"][name]
    assert service["init"] is True
    assert int(re.sub(r"m$", "0", service["stop_grace_period"]).rstrip("s")) > 0
    assert service["network_mode"] == "host"
    where = [volume.rpartition(":")[2] for volume in service["volumes"]]
    assert where == ["/data", "/var/cache/sopilot", "/data/capture", "/backup"]
    assert "ports" not in service


def test_what_listens_beyond_this_machine_is_asked_for_by_name() -> None:
    assert "0.0.0.0" not in (ROOT / "compose.yaml").read_text(encoding="utf-8")
    published = [port for name in ENGINES for port in SCALE["services"][name]["ports"]]
    assert published
    assert all(port.startswith("${SOPILOT_MAIN:-127.0.0.1}:") for port in published)


def test_secrets_have_no_default() -> None:
    for name in ("compose.yaml", "compose.scale.yaml", "compose.tls.yaml"):
        text = (ROOT / name).read_text(encoding="utf-8")
        secret = re.findall(r"\$\{(\w*(?:PASSWORD|SECRET|STORE_KEY)\w*)([^}]*)\}", text)
        assert {rest for _, rest in secret} <= {":?"}, name


def test_the_images_of_others_are_pinned_and_can_be_named() -> None:
    for name in ENGINES:
        assert re.fullmatch(
            r"\$\{SOPILOT_\w+_IMAGE:-docker\.io/[\w/]+:[\w.-]*\d[\w.-]*\}", SERVICES[name]["image"]
        )


def shown(page: str, first: str) -> Iterator[list[str]]:
    """The words of every line of a page's code blocks that begins with a program's name."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for line in re.findall(rf"^\$ ({first} .*)$", text, re.MULTILINE):
        yield shlex.split(line, comments=True)


@pytest.mark.parametrize("words", list(shown("container.md", "podman-compose")), ids=" ".join)
def test_a_line_of_the_page_names_services_and_commands_that_exist(words: list[str]) -> None:
    files = [words[at + 1] for at, word in enumerate(words) if word == "-f"]
    assert all((ROOT / file).is_file() for file in files)
    rest = [word for word in words[1:] if word not in ("-f", *files)]
    verb, names = rest[0], [word for word in rest[1:] if not word.startswith("-")]
    assert verb in {"up", "ps", "exec", "run", "stop", "down", "restart"}
    if verb == "exec":
        assert names[0] in SERVICES
        if names[1] == "sopilot":
            parse(rest[rest.index("sopilot") + 1 :])
    elif verb == "run" and "--entrypoint" not in rest:
        assert names[0] in OURS
        parse(rest[rest.index(names[0]) + 1 :])
    elif verb != "run":
        assert set(names) <= set(SERVICES)


def test_the_page_names_every_variable_of_the_compose_files() -> None:
    page = (ROOT / "docs" / "container.md").read_text(encoding="utf-8")
    files = ("compose.yaml", "compose.scale.yaml", "compose.tls.yaml")
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in files)
    told = page + (ROOT / "compose.tls.yaml").read_text(encoding="utf-8").partition("services:")[0]
    assert {name for name in re.findall(r"\$\{(\w+)", text) if name not in told} == set()


def test_the_task_of_windows_keeps_linux_switched_on_without_a_limit() -> None:
    page = (ROOT / "docs" / "windows.md").read_text(encoding="utf-8")
    text = page.partition("```xml\n")[2].partition("```")[0]
    task = ET.fromstring(text.replace('encoding="UTF-16"', ""))
    of = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
    assert task.findtext(f"{of}Settings/{of}ExecutionTimeLimit") == "PT0S"
    assert task.find(f"{of}Triggers/{of}BootTrigger") is not None
    assert "sleep infinity" in str(task.findtext(f"{of}Actions/{of}Exec/{of}Arguments"))
