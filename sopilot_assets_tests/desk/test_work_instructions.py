"""The work instruction at the desk: its page, its pictures and the file to hand over."""

from __future__ import annotations

import re

from sopilot_assets.desk.roles import Role
from sopilot_assets.store.home import Home
from sopilot_assets.tasks import new_task
from sopilot_assets_tests.desk.conftest import of_role, signed_in

TASK = "filter_change"


def test_page_pictures_and_file_show_the_same(judged: Home) -> None:
    ada = signed_in(judged, "ada", Role.TRAINER)
    page = ada.get(f"/tasks/{TASK}/instruction").text
    pictures = re.findall(r'<img src="([^"]+)"', page)
    assert len(pictures) == 7
    first = ada.get(pictures[0])
    assert (first.status_code, first.headers["content-type"]) == (200, "image/jpeg")
    assert ada.get(pictures[0].replace(".jpg", "_no.jpg")).status_code == 404
    told = ada.get(f"/tasks/{TASK}/instruction.html")
    assert re.fullmatch(
        rf'attachment; filename="{TASK}-v1-[0-9a-f]{{8}}-en.html"', told.headers["content-disposition"]
    )
    assert told.content == ada.get(f"/tasks/{TASK}/instruction.html").content
    assert told.content.count(b"data:image/jpeg") == 7
    ada.cookies.set("sopilot_language", "ja")
    assert "作業手順書" in ada.get(f"/tasks/{TASK}/instruction.html").text


def test_a_gold_is_chosen_and_a_trainee_recording_is_none(judged: Home) -> None:
    ada = signed_in(judged, "ada", Role.TRAINER)
    gold, trainee = of_role(judged, "gold")[1], of_role(judged, "trainee")[0]
    page = ada.get(f"/tasks/{TASK}/instruction?gold={gold.key}").text
    assert f'<option value="{gold.key}" selected>' in page
    for path in ("instruction", "instruction.html"):
        assert ada.get(f"/tasks/{TASK}/{path}?gold={trainee.key}").status_code == 422
    assert ada.get(f"/tasks/{TASK}/instruction/{trainee.key}/wipe_seat.jpg").status_code == 422


def test_without_golds_the_page_says_what_to_do_and_prints_all_the_same(home: Home) -> None:
    new_task(home.root, "tea", name="Tea")
    page = signed_in(home, "ada", Role.TRAINER).get("/tasks/tea/instruction").text
    assert "Pictures come from a gold whose steps are marked" in page
    assert page.count("no picture") == 3
    assert 'href="/golds"' in page
