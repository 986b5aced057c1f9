"""The API keeps to its own description: schemathesis makes requests from it, right and wrong ones, and looks
at every answer. ``make fuzz`` makes thousands.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from starlette.testclient import TestClient

from sopilot_assets.desk.api.endpoint import BASE
from sopilot_assets.desk.api.endpoints import ENDPOINTS
from sopilot_assets.desk.app import create_app
from sopilot_assets.desk.config import DeskConfig
from sopilot_assets.desk.tokens import Scope, add_token
from sopilot_assets.store.home import Home
from sopilot_assets_tests.desk.conftest import BOSS, HERE, NOW, of_role

EXAMPLES = int(os.environ.get("SOPILOT_FUZZ", "10"))


@pytest.fixture
def mes(judged: Home) -> Iterator[TestClient]:
    token = add_token(judged, "mes", list(Scope), days=1, owner=None, by=BOSS)
    app = create_app(DeskConfig(judged), clock=lambda: NOW)
    with TestClient(app, base_url=HERE, headers={"authorization": f"Bearer {token}"}) as client:
        yield client


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("path", [one.path for one in ENDPOINTS])
def test_every_answer_is_as_described(mes: TestClient, judged: Home, path: str, mode: GenerationMode) -> None:
    told = mes.get(f"{BASE}/openapi.json").json()
    # the token is the client's; what comes without one is in test_api.py
    schema = schemathesis.openapi.from_dict({**told, "security": []})
    operation = schema[path]["GET"]
    key = str(of_role(judged, "trainee")[0].key)
    known = {"key": key, "task": key.partition("-")[0]}
    if mode is GenerationMode.NEGATIVE and not ("{" in path or path == "/recordings"):
        pytest.skip("there is nothing to say wrong")
    statuses = set()

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def look(case: Case) -> None:
        asked = case.as_transport_kwargs(base_url=HERE + BASE)
        url = asked["url"]
        if mode is GenerationMode.POSITIVE:  # random keys would be those of nothing
            url = HERE + BASE + path.format_map(known)
        query = {name: its for name, its in (asked.get("params") or {}).items() if its is not None}
        headers = {name.encode("latin-1"): its.encode("latin-1") for name, its in asked["headers"].items()}
        answer = mes.request(asked["method"], url, params=query, headers=headers)
        statuses.add(answer.status_code)
        case.validate_response(answer)

    look()
    if mode is GenerationMode.POSITIVE:
        assert 200 in statuses
        assert statuses <= {200, 304}
    else:
        assert statuses <= {400, 404}
