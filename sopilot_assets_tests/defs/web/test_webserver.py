"""The web page: viewers change nothing, and no page of another site can make a browser do anything."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import quote

import pytest
import uvicorn

from sopilot_assets.defs.web.own_pages import LOOPBACK, refusal
from sopilot_assets.defs.web.webserver import HOST, web_app
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.setting_up import dagster_home, prepare_home

pytestmark = pytest.mark.whole

JSON = {"Content-Type": "application/json"}
PLAIN_DEFINITIONS = """
import dagster as dg

@dg.asset
def thing():
    return 1

@dg.asset(partitions_def=dg.DynamicPartitionsDefinition(name="to come"))
def to_come():
    return 1

@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["one"]))
def missing():
    return 1

defs = dg.Definitions(assets=[thing, to_come, missing], jobs=[dg.define_asset_job("work", selection="thing")])
"""
LAUNCH = """mutation { launchPipelineExecution(executionParams: {
    selector: {repositoryLocationName: "plain.py", repositoryName: "__repository__", pipelineName: "work"},
    runConfigData: {}, mode: "default"}) { __typename } }"""
CHANGES = {
    "launch": LAUNCH,
    "wipe": 'mutation { wipeAssets(assetPartitionRanges: [{assetKey: {path: ["thing"]}}]) { __typename } }',
    "backfill": """mutation { launchPartitionBackfill(backfillParams: {
        allPartitions: true, assetSelection: [{path: ["thing"]}]}) { __typename } }""",
    "stop": 'mutation { terminateRun(runId: "x") { __typename } }',
    "delete": 'mutation { deletePipelineRun(runId: "x") { __typename } }',
    "reload": 'mutation { reloadRepositoryLocation(repositoryLocationName: "plain.py") { __typename } }',
}


@contextmanager
def page(folder: Path, *, read_only: bool) -> Iterator[int]:
    """The port of a running page for an instance with one small asset."""
    home = Home.at(folder / "home")
    prepare_home(home)
    (folder / "plain.py").write_text(PLAIN_DEFINITIONS, "utf-8")
    workspace = (
        f"load_from:\n  - python_file: {{relative_path: {folder / 'plain.py'}, location_name: plain.py}}\n"
    )
    (dagster_home(home) / "workspace.yaml").write_text(workspace, "utf-8")
    with web_app(home, read_only=read_only) as app, socket.create_server((HOST, 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def viewers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with page(tmp_path_factory.mktemp("viewers"), read_only=True) as port:
        yield port


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with page(tmp_path_factory.mktemp("workers"), read_only=False) as port:
        yield port


def ask(
    port: int, method: str, path: str, body: str = "", headers: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Status and text of an answer."""
    connection = HTTPConnection(HOST, port, timeout=60)
    connection.request(method, path, body or None, dict(headers or {}))
    answer = connection.getresponse()
    text = answer.read().decode("utf-8", "replace")
    connection.close()
    return answer.status, text


def query(port: int, text: str, **headers: str) -> tuple[int, str]:
    return ask(port, "POST", "/graphql", json.dumps({"query": text}), {**JSON, **headers})


def count_of_runs(port: int) -> int:
    _, text = query(port, "{ runsOrError { ... on Runs { count } } }")
    return int(json.loads(text)["data"]["runsOrError"]["count"])


@pytest.mark.parametrize("change", CHANGES)
def test_a_viewer_can_change_nothing(viewers: int, change: str) -> None:
    status, text = query(viewers, CHANGES[change])
    assert status == 200
    (answer,) = json.loads(text)["data"].values()
    assert answer["__typename"] == "UnauthorizedError"


@pytest.mark.parametrize("path", ["/report_asset_materialization/thing", "/report_asset_check/thing"])
def test_a_viewer_can_report_nothing(viewers: int, path: str) -> None:
    status, text = ask(viewers, "POST", path, '{"check_name": "x", "passed": true}', JSON)
    assert (status, "Not authorized" in text) == (401, True)


def test_a_viewer_sees_what_is_there(viewers: int) -> None:
    status, text = query(viewers, "{ assetNodes { assetKey { path } } }")
    assert status == 200
    assert {"assetKey": {"path": ["thing"]}} in json.loads(text)["data"]["assetNodes"]
    assert ask(viewers, "GET", "/assets")[0] == 200


def test_a_viewer_sees_the_pages_of_the_home(viewers: int) -> None:
    status, text = ask(viewers, "GET", "/reviews/")
    assert (status, "Nothing has been scored yet." in text) == (200, True)
    assert ask(viewers, "GET", "/reports/")[0] == 200
    assert ask(viewers, "GET", "/reviews/", headers={"Host": "evil.example"})[0] == 403
    assert ask(viewers, "GET", "/settings.yaml")[0] == ask(viewers, "GET", "/any/page/of/dagster")[0]


@pytest.mark.parametrize(
    "path",
    [
        "/logs/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/logs/../../../../../../etc/passwd",
        "/..%2f..%2f..%2fetc/passwd",
        "/reviews/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/videos/../../../../../../etc/passwd",
        "/notebook?path=/etc/passwd.ipynb&repoLocName=plain.py",
    ],
)
def test_no_path_leads_out_of_the_page(viewers: int, path: str) -> None:
    _, text = ask(viewers, "GET", path)
    assert "root:" not in text


def test_a_page_of_the_server_launches_a_run(workers: int) -> None:
    before = count_of_runs(workers)
    status, text = query(workers, LAUNCH, Origin=f"http://127.0.0.1:{workers}")
    assert (status, "LaunchRunSuccess" in text) == (200, True)
    assert count_of_runs(workers) == before + 1


FOREIGN = {
    "a picture": ("GET", f"/graphql?query={quote(LAUNCH)}", "", {}),
    "a link": ("GET", f"/graphql?query={quote(LAUNCH)}", "", {"Accept": "text/html"}),
    "a form": ("POST", f"/graphql?query={quote(LAUNCH)}", "a=b", {"Content-Type": "text/plain"}),
    "a plain form": ("POST", f"/graphql?query={quote(LAUNCH)}", "", {}),
    "a script's text": ("POST", "/graphql", LAUNCH, {"Content-Type": "application/graphql"}),
    "a script of another site": ("POST", "/graphql", "J", {**JSON, "Origin": "http://evil.example"}),
    "a script of another port": ("POST", "/graphql", "J", {**JSON, "Origin": "http://127.0.0.1:1"}),
    "a hidden origin": ("POST", "/graphql", "J", {**JSON, "Origin": "null"}),
    "a name that was bound anew": ("POST", "/graphql", "J", {**JSON, "Host": "evil.example"}),
    "an old browser's report": (
        "POST",
        "/report_asset_materialization/thing",
        "{}",
        {"Content-Type": "text/plain", "Sec-Fetch-Site": "cross-site"},
    ),
}


@pytest.mark.parametrize("way", FOREIGN)
def test_nothing_that_another_site_can_send_is_answered(workers: int, way: str) -> None:
    method, path, body, headers = FOREIGN[way]
    before = count_of_runs(workers)
    status, text = ask(workers, method, path, json.dumps({"query": LAUNCH}) if body == "J" else body, headers)
    assert (status, "Refused" in text) == (403, True)
    assert count_of_runs(workers) == before


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ({"host": "127.0.0.1:3000"}, True),
        ({"host": "[::1]:3000", "origin": "http://[::1]:3000"}, True),
        ({"host": "LOCALHOST:3000", "origin": "http://localhost:3000"}, True),
        ({"host": "sopilot.example.org", "origin": "https://sopilot.example.org"}, True),
        ({"host": "127.0.0.1:3000", "origin": "http://evil.example"}, False),
        ({"host": "127.0.0.1.evil.example:3000"}, False),
        ({"host": "127.0.0.1:3000@evil.example"}, False),
        ({"host": "[broken"}, False),
        ({}, False),
    ],
)
def test_web_sockets_are_for_own_pages_too(headers: dict[str, str], taken: bool) -> None:
    names = {*LOOPBACK, "sopilot.example.org"}
    assert (refusal({"type": "websocket", "path": "/graphql"}, headers, names) is None) is taken


def test_the_command_listens_on_loopback_only(tmp_path: Path) -> None:
    import psutil

    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    home = Home.at(tmp_path / "home")
    prepare_home(home)
    (dagster_home(home) / "workspace.yaml").write_text("load_from: []\n", "utf-8")
    words = ["--home", str(home.root), "web", "serve", "--read-only", "--port", str(port)]
    with subprocess.Popen([sys.executable, "-m", "sopilot_assets.cli", *words]) as process:
        try:
            found: set[str] = set()
            until = time.monotonic() + 60
            while not found and time.monotonic() < until:
                time.sleep(0.2)
                found = {
                    one.laddr.ip
                    for one in psutil.Process(process.pid).net_connections("tcp")
                    if one.status == psutil.CONN_LISTEN
                }
            assert found == {HOST}
        finally:
            process.terminate()


def test_an_asset_whose_partitions_are_still_to_come_is_not_shown_as_made(viewers: int) -> None:
    asked = "{ assetNodes { assetKey { path } partitionStats { numPartitions numMaterialized } } }"
    _, text = query(viewers, asked)
    stats = {
        node["assetKey"]["path"][0]: node["partitionStats"] for node in json.loads(text)["data"]["assetNodes"]
    }
    assert stats == {"thing": None, "to_come": None, "missing": {"numPartitions": 1, "numMaterialized": 0}}
