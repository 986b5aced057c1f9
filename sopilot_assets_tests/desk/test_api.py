"""The API: what it answers, and that it answers nobody else; every line of its table."""

from __future__ import annotations

import json
import re
import shlex
import unicodedata
from datetime import timedelta
from pathlib import Path
from string import Template

import pytest
from starlette.testclient import TestClient

from sopilot_assets.capture.facts import correct_recordings
from sopilot_assets.desk.api.endpoint import BASE, Endpoint
from sopilot_assets.desk.api.endpoints import ENDPOINTS
from sopilot_assets.desk.api.openapi import description
from sopilot_assets.desk.app import create_app
from sopilot_assets.desk.config import DeskConfig
from sopilot_assets.desk.guards import POLICY
from sopilot_assets.desk.tokens import Scope, add_token, remove_token
from sopilot_assets.labels.events import RaterVerdict
from sopilot_assets.labels.saying import Answered
from sopilot_assets.scoring.ledger import COLUMNS, scores_ledger
from sopilot_assets.stations.contests import say_and_show
from sopilot_assets.stations.review_now import score_row_of
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import plain_rows
from sopilot_assets.times.reading import read_times
from sopilot_assets.upkeep.alerts import raise_alert
from sopilot_assets.upkeep.conditions.condition import problem
from sopilot_assets_tests.counted_calls import counted_calls
from sopilot_assets_tests.desk.conftest import BOSS, HERE, NOW, of_role, signed_in

KEY = "filter_change-t-1f3a9c2b7d04"
NAMED = [one.path for one in ENDPOINTS]
MIME = "application/problem+json"


def path_of(one: Endpoint) -> str:
    return BASE + one.path.replace("{key}", KEY).replace("{task}", "filter_change")


def program(home: Home, *scopes: Scope, days: int = 30, name: str = "mes") -> TestClient:
    """A program with a token."""
    token = add_token(home, name, scopes or list(Scope), days=days, owner=None, by=BOSS)
    return without_token(home, authorization=f"Bearer {token}")


def without_token(home: Home, **headers: str) -> TestClient:
    app = create_app(DeskConfig(home), clock=lambda: NOW)
    return TestClient(app, base_url=HERE, headers=headers, follow_redirects=False)


@pytest.mark.parametrize("one", ENDPOINTS, ids=NAMED)
def test_without_a_token_that_holds_nothing_is_answered(home: Home, one: Endpoint) -> None:
    held = program(home).headers["authorization"]
    old = add_token(home, "old", list(Scope), days=1, owner=None, by=BOSS)
    gone = add_token(home, "gone", list(Scope), days=30, owner=None, by=BOSS)
    remove_token(home, "gone", by=BOSS)
    later = create_app(DeskConfig(home), clock=lambda: NOW + timedelta(days=2))
    bare = TestClient(later, base_url=HERE)
    session = signed_in(home)
    path = path_of(one)
    token = held.removeprefix("Bearer ")
    answers = [
        bare.get(path),
        bare.get(path, headers={"authorization": f"Bearer {old}"}),
        bare.get(path, headers={"authorization": f"Bearer {gone}"}),
        bare.get(path, headers={"authorization": f"Bearer {token[:-1]}"}),
        bare.get(path, headers={"authorization": "Bearer"}),
        bare.get(path, headers={"authorization": f"Basic {token}"}),
        bare.get(path, headers={"authorization": token}),
        bare.get(path, headers=[("authorization", held), ("authorization", held)]),
        bare.get(path, params={"access_token": token}),
        bare.get(path, headers={"cookie": f"sopilot_desk_8000={token}"}),
        session.get(path),  # who is signed in has a session, and no token
    ]
    for answer in answers:
        assert (answer.status_code, answer.headers["content-type"]) == (401, MIME)
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert "set-cookie" not in answer.headers
    assert answers[1].json() == answers[2].json() == answers[3].json(), (
        "it does not say which tokens there were"
    )
    assert bare.get(path, headers={"authorization": held}).status_code in (200, 404)


@pytest.mark.parametrize("one", ENDPOINTS, ids=NAMED)
def test_with_another_scope_nothing_is_answered(home: Home, one: Endpoint) -> None:
    answer = program(home, *(scope for scope in Scope if scope is not one.scope)).get(path_of(one))
    assert answer.status_code == 403
    assert one.scope.value in answer.json()["detail"]


@pytest.mark.parametrize("one", ENDPOINTS, ids=NAMED)
def test_nothing_else_than_reading_is_possible(home: Home, one: Endpoint) -> None:
    mes = program(home)
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
        answer = mes.request(method, path_of(one), headers={"x-sopilot": "1"})
        assert (answer.status_code, answer.headers["content-type"]) == (405, MIME)
        assert answer.headers["allow"] == "GET, HEAD" or answer.headers["allow"] == "HEAD, GET"


@pytest.mark.parametrize("one", ENDPOINTS, ids=NAMED)
def test_a_token_in_the_address_is_refused_even_beside_a_right_one(home: Home, one: Endpoint) -> None:
    mes = program(home)
    for query in ("access_token=x", "token=x", "unknown=1", "limit=1&limit=2", "limit=1&limit=1"):
        answer = mes.get(f"{path_of(one)}?{query}")
        assert answer.status_code in (400, 404)
        if "{" not in one.path:
            assert answer.json()["errors"][0]["parameter"] == query.split("=")[0]


@pytest.mark.parametrize("path", ["", "/", "/x", "/recordings/%0A", "/recordings/x%2Fy", "//tasks"])
def test_what_is_no_endpoint_is_told_in_the_words_of_programs(home: Home, path: str) -> None:
    answer = program(home).get(BASE + path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, MIME)


@pytest.mark.parametrize("path", [*(path_of(one) for one in ENDPOINTS), f"{BASE}/openapi.json", f"{BASE}/x"])
def test_every_answer_has_the_headers_and_none_for_other_sites(home: Home, path: str) -> None:
    answer = program(home).get(path, headers={"origin": "https://evil.example"})
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert not any(name.startswith("access-control") for name in answer.headers)
    assert "set-cookie" not in answer.headers


def test_another_machine_needs_tls(home: Home) -> None:
    held = dict(program(home).headers)
    app = create_app(DeskConfig(home), clock=lambda: NOW)
    far = TestClient(app, base_url=HERE, headers=held, client=("192.0.2.7", 50000))
    answer = far.get(f"{BASE}/tasks")
    assert (answer.status_code, answer.headers["content-type"]) == (403, MIME)
    assert "over TLS only" in answer.json()["detail"]


def test_tasks_are_told_as_their_files_say(judged: Home) -> None:
    mes = program(judged, Scope.RESULTS)
    (task,) = mes.get(f"{BASE}/tasks").json()["tasks"]
    assert mes.get(f"{BASE}/tasks/{task['task']}").json() == task
    assert task["steps"][0]["name"].keys() == {"en", "ja"}
    assert mes.get(f"{BASE}/tasks/nothing").status_code == 404
    assert mes.get(f"{BASE}/tasks/..%2f..%2fetc").status_code == 404


def test_every_recording_comes_once_whatever_the_parts(judged: Home) -> None:
    mes = program(judged)
    whole = mes.get(f"{BASE}/recordings").json()
    assert whole["next"] is None
    for limit in (1, 2, 5):
        keys, cursor = [], ""
        while cursor is not None:
            part = mes.get(f"{BASE}/recordings?limit={limit}{cursor and f'&cursor={cursor}'}").json()
            keys += [one["key"] for one in part["recordings"]]
            cursor = part["next"]
        assert keys == [one["key"] for one in whole["recordings"]]
    times = [one["recorded_at"] or one["taken_at"] for one in whole["recordings"]]
    assert times == sorted(times, reverse=True)
    assert all(time.endswith("Z") for time in times)


def test_a_result_is_what_the_ledger_says(judged: Home) -> None:
    mes, one = program(judged), of_role(judged, "trainee")[0]
    row = score_row_of(judged, one.key)
    assert row is not None
    found = mes.get(f"{BASE}/recordings/{one.key}").json()
    assert (found["file"], found["person"]) == (one.original_name, one.person)
    result = found["result"]
    assert (result["score_id"], result["decision"], result["score"]) == (
        row["row_id"],
        row["decision"],
        row["score"],
    )
    stored = json.loads(str(row["deviations"]))
    assert [(its["type"], its["start_s"], its["text"]["ja"]) for its in result["deviations"]] == [
        (its["type"], its["trainee_start_s"], its["ja"]) for its in stored
    ]
    listed = {its["key"]: its for its in mes.get(f"{BASE}/recordings").json()["recordings"]}[str(one.key)]
    assert {name: result[name] for name in listed["result"]} == listed["result"]
    assert found["links"]["page"] == f"/recordings/{one.key}"
    assert mes.get(f"{BASE}/recordings/{KEY}").status_code == 404


def test_filters_give_what_they_say(judged: Home) -> None:
    mes = program(judged)
    every = mes.get(f"{BASE}/recordings").json()["recordings"]

    def keys(query: str) -> list[str]:
        return [one["key"] for one in mes.get(f"{BASE}/recordings?{query}").json()["recordings"]]

    def of(wanted: str, of_result: bool = False) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for one in every:
            found.setdefault((one["result"] if of_result else one)[wanted], []).append(one["key"])
        return found

    for name in ("task", "role", "person", "site"):
        for value, those in of(name).items():
            assert keys(f"{name}={value}") == those
    for value, those in of("decision", of_result=True).items():
        assert keys(f"decision={value}") == those
    for kind in {kind for one in every for kind in one["result"]["deviation_types"]}:
        assert keys(f"deviation={kind}") == [
            one["key"] for one in every if kind in one["result"]["deviation_types"]
        ]
    assert keys("decision=not_judged") == []
    judged_at = max(one["result"]["judged_at"] for one in every)
    assert keys(f"judged_since={judged_at}") == [
        one["key"] for one in every if one["result"]["judged_at"] == judged_at
    ]
    assert keys(f"judged_since={judged_at.lower()}") == keys(f"judged_since={judged_at}")
    day = (every[0]["recorded_at"] or every[0]["taken_at"])[:10]
    assert every[0]["key"] in keys(f"since={day}&until={day}")
    assert every[0]["key"] not in keys(f"until={day[:3]}0-01-01")


def test_a_name_is_found_in_both_forms_of_unicode(judged: Home) -> None:
    key = str(of_role(judged, "trainee")[0].key)
    correct_recordings(judged, [key], {"person": "ガイド"}, who="ann", why="", at=NOW, run_id="c")
    mes = program(judged)
    for form in ("NFC", "NFD"):
        asked = {"person": unicodedata.normalize(form, "ガイド")}
        (found,) = mes.get(f"{BASE}/recordings", params=asked).json()["recordings"]
        assert found["key"] == key


def test_a_request_of_very_many_parameters_is_refused_at_once(home: Home) -> None:
    mes = program(home)

    def work(count: int) -> int:
        url = f"{BASE}/recordings?{'&'.join(['a'] * count)}"
        refused = mes.get(url)
        assert refused.status_code == 400
        assert refused.json()["errors"] == [{"parameter": "a", "why": "expected it once, found it again"}]
        return counted_calls(lambda: mes.get(url)).total()

    assert work(2_000) < 11 * work(200), "ten times as many are ten times the work, not a hundred times"


def test_who_was_filmed_is_told_only_to_whom_it_may_be(judged: Home) -> None:
    mes = program(judged, Scope.RESULTS)
    persons = {one.person for one in of_role(judged, "trainee")}
    names = {one.original_name for one in of_role(judged, "trainee")}
    key = of_role(judged, "trainee")[0].key
    for path in ("/recordings", f"/recordings/{key}", f"/recordings/{key}/scores"):
        answer = mes.get(BASE + path)
        assert answer.status_code == 200
        assert not any(f'"{one}"' in answer.text for one in persons | names)
    refused = mes.get(f"{BASE}/recordings?person={next(iter(persons))}")
    assert refused.status_code == 403


def test_why_one_has_no_score_is_told_only_to_who_may_read_names(judged: Home) -> None:
    key = str(of_role(judged, "trainee")[0].key)
    (row,) = plain_rows(scores_ledger(judged).query(f"select * from latest where key = '{key}'"))
    why = "steps.csv, line 2: no end in bob_smith_1.mp4"
    cells = {name: row[name] for name in COLUMNS}
    unscored = {**cells, "problem": why, "reason_en": why, "reason_ja": why, "decision": "not_verifiable"}
    scores_ledger(judged).append([unscored], run_id="s", written_at=NOW.isoformat())
    everything, mes = program(judged), program(judged, Scope.RESULTS, name="other")
    for path in (f"/recordings/{key}", f"/recordings/{key}/scores"):
        assert "bob_smith_1.mp4" in everything.get(BASE + path).text
        assert "bob_smith_1.mp4" not in mes.get(BASE + path).text
    result = mes.get(f"{BASE}/recordings/{key}").json()["result"]
    assert result["not_scored"] == result["reason"]["en"]
    assert "its page at the desk says why" in result["not_scored"]


def test_what_people_contest_is_marked(judged: Home) -> None:
    mes, one = program(judged), of_role(judged, "trainee")[0]
    row = score_row_of(judged, one.key)
    assert row is not None
    assert mes.get(f"{BASE}/recordings?contested=true").json()["recordings"] == []
    say_and_show(
        judged,
        one.key,
        Answered(verdict=RaterVerdict.DISAGREE, note="it was oiled"),
        row_id=str(row["row_id"]),
        who="ben",
        at=NOW.isoformat(),
    )
    found = mes.get(f"{BASE}/recordings?contested=true").json()["recordings"]
    assert [its["key"] for its in found] == [str(one.key)]
    assert "oiled" not in mes.get(f"{BASE}/recordings/{one.key}").text, "what people say is theirs"


def test_the_history_has_every_result_the_newest_first(judged: Home) -> None:
    mes, one = program(judged), of_role(judged, "trainee")[0]
    ledger = scores_ledger(judged)
    before = score_row_of(judged, one.key)
    assert before is not None
    row = {name: before[name] for name in ledger.columns}
    ledger.append([{**row, "score": 1.5}], run_id="again", written_at="2027-01-01T00:00:00+00:00")
    ledger.append([row], run_id="back", written_at="2027-01-02T00:00:00+00:00")
    found = mes.get(f"{BASE}/recordings/{one.key}/scores").json()["results"]
    assert [its["score"] for its in found] == [row["score"], 1.5, row["score"]]
    newest = mes.get(f"{BASE}/recordings/{one.key}").json()["result"]
    assert newest == found[0]


def test_times_are_those_of_the_ledger(judged: Home) -> None:
    mes, times = program(judged, Scope.RESULTS), read_times(judged)
    cycles = {str(row["key"]): row for row in times.cycles.to_pylist()}
    assert cycles
    for key, cycle in cycles.items():
        found = mes.get(f"{BASE}/recordings/{key}/times").json()
        assert (found["cycle_s"], found["complete"]) == (cycle["cycle_s"], cycle["complete"])
        rows = [row for row in times.steps.to_pylist() if row["key"] == key]
        assert [(its["step"], its["seconds"], its["kind"]) for its in found["stretches"]] == [
            (row["step_id"], row["seconds"], row["kind"]) for row in rows
        ]
    (task,) = {row["task_id"] for row in cycles.values()}
    told = mes.get(f"{BASE}/tasks/{task}/times").json()
    assert told["cycle"]["recordings"] == len(cycles)
    nothing = mes.get(f"{BASE}/tasks/{task}/times?until_week=1999-W01").json()
    assert (nothing["cycle"]["recordings"], nothing["cycle"]["mean_s"], nothing["steps"]) == (0, None, [])


def test_what_needs_attention_is_told(home: Home) -> None:
    mes = program(home, Scope.CONDITIONS)
    assert mes.get(f"{BASE}/conditions").json() == {"conditions": []}
    what = f"{home.root}/videos: 1 GiB is free"
    raise_alert(home, problem("disk", "free space", what, "make room"), now=NOW)
    (found,) = mes.get(f"{BASE}/conditions").json()["conditions"]
    assert (found["kind"], found["severity"], found["since"]) == ("disk", "problem", "2026-02-23T09:30:00Z")
    assert found["what"] == "videos: 1 GiB is free"


def test_what_has_not_changed_is_not_sent_again(judged: Home) -> None:
    mes = program(judged)
    first = mes.get(f"{BASE}/recordings")
    tag = first.headers["etag"]
    for told in (tag, f'"x", W/{tag}', "*"):
        again = mes.get(f"{BASE}/recordings", headers={"if-none-match": told})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    other = mes.get(f"{BASE}/recordings?limit=1", headers={"if-none-match": tag})
    assert other.status_code == 200
    assert mes.head(f"{BASE}/recordings").headers["etag"] == tag


def test_a_damaged_ledger_is_said(judged: Home) -> None:
    mes = program(judged)
    ledger = scores_ledger(judged)
    (ledger.folder / ledger.name / "torn.parquet").write_bytes(b"PAR1")
    answer = mes.get(f"{BASE}/recordings")
    assert answer.status_code == 503
    assert "torn.parquet" in answer.json()["detail"]
    assert str(judged.root) not in answer.text


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=1.0",
        "limit=%2B5",
        "limit=5 ",
        "limit=",
        "limit=１",
        "since=2026-02-30",
        "since=1",
        "since=20260223",
        "judged_since=2026-02-23",
        "judged_since=2026-02-23T09:30:00",
        "judged_since=0001-01-01T00:00:00%2B09:00",
        "judged_since=9999-12-31T23:59:59-09:00",
        "contested=1",
        "decision=perfect",
        "cursor=1",
        "cursor=2026~x",
        "person=%00",
        "task=../x",
        "role=admin",
    ],
)
def test_what_cannot_be_taken_is_named(home: Home, query: str) -> None:
    answer = program(home).get(f"{BASE}/recordings?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (400, MIME)
    told = answer.json()
    assert [one["parameter"] for one in told["errors"]] == [query.split("=", maxsplit=1)[0]]
    assert (told["status"], told["title"]) == (400, "Bad Request")


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("recordings?judged_since=2026-02-23T09:30:00+09:00", "(in an address + is %2B)"),
        ("recordings?since=23.2.2026", "a day such as 2026-02-23"),
        ("recordings?cursor=2", "what next said in the part before"),
        ("tasks/filter_change/times?since_week=2026-5", "an ISO week such as 2026-W05"),
    ],
)
def test_what_was_expected_is_said_by_an_example(home: Home, asked: str, why: str) -> None:
    (told,) = program(home).get(f"{BASE}/{asked}").json()["errors"]
    assert told["why"].startswith("expected ")
    assert told["why"].endswith(why)


def test_the_description_names_what_is_routed_and_nothing_else(home: Home) -> None:
    told = program(home).get(f"{BASE}/openapi.json").json()
    assert told == json.loads(json.dumps(description(ENDPOINTS)))
    assert set(told["paths"]) == {one.path for one in ENDPOINTS}
    refs = set(re.findall(r'"#/components/(\w+)/([\w.]+)"', json.dumps(told)))
    assert all(name in told["components"][kind] for kind, name in refs)


def test_the_description_says_nothing_of_the_installation(home: Home) -> None:
    text = without_token(home).get(f"{BASE}/openapi.json").text
    assert str(home.root) not in text


def test_ledger_rows_have_what_the_models_ask_for(judged: Home) -> None:
    """Every row of the ledger can be told, golds too."""
    mes = program(judged)
    for row in plain_rows(scores_ledger(judged).latest()):
        assert mes.get(f"{BASE}/recordings/{row['key']}").status_code == 200


def test_every_line_of_the_guide_is_answered(judged: Home) -> None:
    mes = program(judged)
    token = mes.headers["authorization"].removeprefix("Bearer ")
    named = {"DESK": HERE, "TOKEN": token, "KEY": str(of_role(judged, "trainee")[0].key)}
    guide = Path(__file__).parents[2] / "docs" / "integration.md"
    lines = re.findall(r"^curl .*$", guide.read_text("utf-8"), flags=re.MULTILINE)
    assert len(lines) > len(ENDPOINTS)
    for line in lines:
        words = shlex.split(Template(line).substitute(named))
        headers = [words[number + 1].split(": ") for number, word in enumerate(words) if word == "-H"]
        bare = without_token(judged)
        assert bare.get(words[-1], headers=dict(headers)).status_code == 200, line
