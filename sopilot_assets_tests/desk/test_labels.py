"""Labels at the desk: blind, one after the other, by two people and a third."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

from sopilot_assets.desk.roles import Role
from sopilot_assets.desk.turns import LASTS, take_turn
from sopilot_assets.labels.chain import append_events, read_chain
from sopilot_assets.labels.events import Draft, LabelEvent, Source
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import publish_text
from sopilot_assets_tests.desk.conftest import NOW, of_role, signed_in

AT = NOW.isoformat(timespec="seconds")
SAYS_NOTHING = {"critical": "no", "before": ""}


@pytest.fixture
def home(judged: Home) -> Home:
    """A judged home all of whose recordings chance picks."""
    publish_text(judged.root / "settings.yaml", "audit:\n  share: 1.0\n")
    return judged


def keys(home: Home) -> list[str]:
    return [str(one.key) for one in of_role(home, "trainee")]


def task_of(home: Home) -> str:
    return of_role(home, "trainee")[0].task_id


def chain(home: Home) -> list[LabelEvent]:
    return read_chain(home, task_of(home))


def said(home: Home, key: str, who: str, critical: bool | None, **more: object) -> LabelEvent:
    fields = {"task_id": task_of(home), "at": AT, "source": "blind_human", "key": key, "who": who, **more}
    draft = Draft.model_validate({**fields, "critical_expected": critical})
    return append_events(home, [draft], run_id="test", written_at=AT)[0]


def begin(browser: TestClient, home: Home, *, of: str = "next") -> str:
    """Where the person is sent to; the path of the recording."""
    answer = browser.get(f"/label/{of}?task={task_of(home)}")
    assert answer.status_code == 303
    return answer.headers["location"]


def test_a_rater_labels_all_one_after_the_other_and_is_done(home: Home) -> None:
    ann = signed_in(home, "ann", Role.RATER)
    assert "3 to label" in ann.get("/label").text
    path, seen = begin(ann, home), []
    for critical in ("yes", "no", "unsure"):
        assert ann.get(path).status_code == 200
        seen.append(path)
        path = ann.post(path, data={"critical": critical, "note": "looked twice"}).headers["location"]
    assert sorted(seen) == sorted(f"/label/{key}" for key in keys(home))
    assert path == f"/label?done={task_of(home)}"
    assert "That was the last one" in ann.get(path).text
    assert [(one.who, one.source, one.critical_expected, one.note) for one in chain(home)] == [
        ("ann", Source.BLIND_HUMAN, critical, "looked twice") for critical in (True, False, None)
    ]


def test_a_recording_to_label_gives_nothing_away(home: Home) -> None:
    ann = signed_in(home, "ann", Role.RATER)
    said(home, keys(home)[0], "bob", True, note="the lid was left open")
    said(home, keys(home)[0], "cyd", True, source="human", note="it is wrong")
    for one in of_role(home, "trainee"):
        pages = [ann.get(f"/label/{one.key}"), ann.get("/label"), ann.get(f"/media/{one.key}")]
        for page in pages[:2]:
            assert page.status_code == 200
            secrets = {one.original_name, one.person, one.site, "bob", "the lid was left open", "it is wrong"}
            assert [secret for secret in secrets if secret and secret in page.text] == []
            assert not re.search(r'class="decision|points|kappa', page.text)
        assert one.original_name not in str(pages[2].headers)
        assert "content-disposition" not in pages[2].headers
        assert one.original_name not in ann.get(f"/recordings/{one.key}").text
    assert ann.get(f"/label/{keys(home)[0]}/settled").status_code == 404


def test_skipping_puts_it_back(home: Home) -> None:
    ann = signed_in(home, "ann", Role.RATER)
    first = begin(ann, home)
    order, path = [first], first
    for _ in range(3):
        skip = re.search(r'id="skip" href="([^"]+)"', ann.get(path).text)
        assert skip is not None
        path = ann.get(skip[1].replace("&amp;", "&")).headers["location"]
        order.append(path)
    assert order[3] == first
    assert len(set(order)) == 3
    assert chain(home) == []


def test_two_raters_are_never_sent_to_the_same_recording_at_once(home: Home) -> None:
    people = [signed_in(home, who, Role.RATER) for who in ("ann", "bob", "cyd", "dan")]
    sent = [begin(one, home) for one in people]
    assert len(set(sent[:3])) == 3
    assert sent[3] == f"/label?held={task_of(home)}"
    assert "Others are looking at the last ones" in people[3].get(sent[3]).text
    people[0].post(sent[0], data=SAYS_NOTHING)
    assert begin(people[3], home) == f"/label?held={task_of(home)}", "that one is labelled by now"


def test_a_turn_ends_by_itself(home: Home) -> None:
    assert take_turn(home, "ann", ["a"], at=NOW) == "a"
    assert take_turn(home, "bob", ["a"], at=NOW) is None
    assert take_turn(home, "bob", ["a", "b"], at=NOW + LASTS - timedelta(seconds=1)) == "b"
    assert take_turn(home, "cyd", ["a", "b"], at=NOW + LASTS) == "a"
    assert take_turn(home, "cyd", ["c"], at=NOW + LASTS) == "c"
    assert take_turn(home, "dan", ["a"], at=NOW + LASTS) == "a", "who goes on lets the last one go"


def test_what_was_typed_is_still_there_when_it_is_refused(home: Home) -> None:
    ann, key = signed_in(home, "ann", Role.RATER), keys(home)[0]
    typed = {"critical": "yes", "seen": ["freeze@3.2", "missing_step:nowhere@5"], "note": "a <b>note</b>"}
    answer = ann.post(f"/label/{key}", data=typed, headers={"accept-language": "ja"})
    assert answer.status_code == 422
    assert 'value="yes" required checked' in answer.text
    assert "a &lt;b&gt;note&lt;/b&gt;" in answer.text
    assert '"at": "3.2", "steps": [], "type": "freeze"' in answer.text
    assert "nowhere" in answer.text
    told = ann.post(f"/label/{key}", data={"critical": ""}, headers={"accept": "application/json"})
    assert (told.status_code, "yes, no or unsure" in told.json()["error"]) == (422, True)
    assert chain(home) == []


def test_a_label_is_corrected_by_the_one_who_gave_it(home: Home) -> None:
    ann, key = signed_in(home, "ann", Role.RATER), keys(home)[0]
    seen = ["freeze@3.2"]
    ann.post(f"/label/{key}", data={"critical": "yes", "seen": seen, "note": "stands still"})
    page = ann.get(f"/label/{key}").text
    assert 'value="yes" required checked' in page
    assert "stands still" in page
    (first,) = chain(home)
    assert f'name="before" value="{first.event_id}"' in page
    other_window = ann.post(f"/label/{key}", data=SAYS_NOTHING)
    assert (other_window.status_code, "meanwhile" in other_window.text) == (422, True)
    ann.post(f"/label/{key}", data={"critical": "no", "before": first.event_id})
    assert [one.critical_expected for one in chain(home)] == [True, False]
    bob = signed_in(home, "bob", Role.RATER)
    assert "stands still" not in bob.get(f"/label/{key}").text


def test_a_third_person_settles_blind_and_sees_the_two_afterwards(home: Home) -> None:
    key, other, _ = keys(home)
    seen = [{"type": "freeze", "at_s": at_s} for at_s in (61.5, 59.96)]
    said(home, key, "ann", True, note="the lid was left open", seen=seen)
    said(home, key, "bob", False, note="the lid is closed")
    ann, cyd = signed_in(home, "ann", Role.RATER), signed_in(home, "cyd", Role.TRAINER)
    assert begin(ann, home, of="next-dispute") == f"/label?done={task_of(home)}"
    assert ann.get(f"/label/{key}/settle").status_code == 404
    refused = ann.post(f"/label/{key}/settle", data=SAYS_NOTHING)
    assert (refused.status_code, "third person" in refused.text) == (422, True)
    assert len(chain(home)) == 2
    path = begin(cyd, home, of="next-dispute")
    assert path == f"/label/{key}/settle"
    page = cyd.get(path).text
    assert re.findall(r"\b(ann|bob|the lid)\b", page) == []
    assert cyd.get(f"/label/{key}/settled").status_code == 404
    assert cyd.get(f"/label/{other}/settle").status_code == 404
    sent = cyd.post(path, data={"critical": "yes"}).headers["location"]
    told = cyd.get(sent).text
    assert sent == f"/label/{key}/settled"
    for secret in ("ann", "bob", "the lid was left open", "the lid is closed", "1:01.5", "1:00.0"):
        assert secret in told
    (event,) = chain(home)[2:]
    assert (event.who, event.adjudicates, event.critical_expected) == ("cyd", True, True)
    dan = signed_in(home, "dan", Role.RATER)
    late = dan.post(f"/label/{key}/settle", data=SAYS_NOTHING | {"note": "but I say no"})
    assert (late.status_code, "settled meanwhile by cyd" in late.text) == (422, True)
    assert "but I say no" in late.text
    assert len(chain(home)) == 3


def test_nobody_learns_from_the_overview_that_another_rater_said_the_opposite(home: Home) -> None:
    def overview(browser: TestClient) -> str:
        return browser.get("/label").text.split("My last labels")[0]

    mine, other, last = keys(home)
    said(home, mine, "bob", False)
    ann, boss = signed_in(home, "ann", Role.RATER), signed_in(home, "boss", Role.TRAINER)
    for browser in (ann, boss):
        browser.post(f"/label/{mine}", data=SAYS_NOTHING | {"critical": "yes"})
        assert "disput" not in overview(browser).lower()
    said(home, other, "bob", False)
    said(home, other, "cyd", True)
    for browser in (ann, boss):
        assert "Settle 1 disputes" in overview(browser)
        assert "those who disagree" not in overview(browser)
        assert mine[-12:] not in overview(browser)
    for browser in (ann, boss):
        for one in (other, last):
            browser.post(f"/label/{one}", data=SAYS_NOTHING)
    assert "those who disagree" not in overview(ann), "a rater can do nothing about it"
    assert "Open disputes" in overview(boss)
    assert mine[-12:] in overview(boss), "once they have finished"


def test_agreement_is_for_those_who_have_finished(home: Home) -> None:
    for key, critical in zip(keys(home)[:2], (True, False), strict=True):
        for who in ("ann", "bob"):
            said(home, key, who, critical)
    cyd = signed_in(home, "cyd", Role.RATER)
    ann, boss = signed_in(home, "ann", Role.RATER), signed_in(home, "boss", Role.TRAINER)
    assert all("kappa" not in one.get("/label").text for one in (ann, boss, cyd))
    ann.post(f"/label/{keys(home)[2]}", data=SAYS_NOTHING)
    assert "kappa 1.00" in ann.get("/label").text
    assert "kappa 1.00" in boss.get("/label").text
    assert "kappa" not in cyd.get("/label").text, "who has given nothing has finished nothing"


def test_trainers_see_how_far_raters_are_and_nothing_of_what_they_said(home: Home) -> None:
    signed_in(home, "cyd", Role.RATER)
    said(home, keys(home)[0], "ann", True, note="the lid")
    page = signed_in(home, "boss", Role.TRAINER).get("/label").text
    rows = re.findall(r'<th scope="row">(\w+)</th>.*?>(\d+)</td>.*?>(\d+)</td>', page)
    assert rows == [("ann", "1", "2"), ("cyd", "0", "2")]
    assert "the lid" not in page
    assert '<th scope="row">' not in signed_in(home, "dan", Role.RATER).get("/label").text


def test_today_says_what_is_to_be_labelled_and_settled(home: Home) -> None:
    ann, boss = signed_in(home, "ann", Role.RATER), signed_in(home, "boss", Role.TRAINER)
    for browser in (ann, boss):
        assert f"/label/next?task={task_of(home)}" in browser.get("/").text
    said(home, keys(home)[0], "ann", True)
    said(home, keys(home)[0], "bob", False)
    assert "/label/next-dispute" in boss.get("/").text
    assert "/label/next-dispute" not in ann.get("/").text


def test_what_is_no_recording_to_label_is_not_there(home: Home) -> None:
    ann = signed_in(home, "ann", Role.RATER)
    gold = of_role(home, "gold")[0].key
    for path in (f"/label/{gold}", "/label/nothing", f"/label/{keys(home)[0][:-1]}0", "/label/next?task=no"):
        assert ann.get(path).status_code == 404
    assert ann.post(f"/label/{gold}", data=SAYS_NOTHING).status_code == 404
    ben = signed_in(home, "ben", Role.TRAINEE, person=of_role(home, "trainee")[0].person)
    assert ben.get(f"/label/{keys(home)[0]}").status_code == 403
    assert urlsplit(begin(ann, home)).path.startswith("/label/")
