"""The upload page and what it says of each file, in both languages."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from starlette.testclient import TestClient

from sopilot_assets.capture.intake import IntakeLimits, take_in
from sopilot_assets.capture.scan import scan_capture
from sopilot_assets.desk.roles import Role
from sopilot_assets.store.home import Home
from sopilot_assets.tasks import find_tasks
from sopilot_assets_tests.desk.conftest import signed_in
from sopilot_assets_tests.desk.sending import begun, sent, with_task
from sopilot_assets_tests.upkeep.erasing.erased import a_person, erase
from sopilot_assets_tests.video.tiny import write_tiny_video


def uploaded(browser: TestClient, data: bytes, **told: str) -> str:
    url = begun(browser, len(data), **told)
    assert sent(browser, url, data) == 204
    return url


def intake(home: Home) -> tuple[str, ...]:
    tasks = find_tasks(home.root).tasks
    scan = scan_capture(home, task_ids=tasks)
    limits = IntakeLimits(total_s=300)
    report = take_in(
        home, scan.candidates, tasks=tasks, run_id="run", clock=lambda: datetime.now(UTC), limits=limits
    )
    return report.new_keys


def test_a_badly_filmed_gold_is_said_to_be_refused_before_it_is(home: Home, tmp_path: Path) -> None:
    ada = signed_in(with_task(home), "ada", Role.TRAINER)
    small = write_tiny_video(tmp_path / "a.mp4", seconds=6, fps=10, size=(160, 120)).read_bytes()
    gold, trainee = (uploaded(ada, small, role=role) for role in ("gold", "trainee"))
    told = ada.get(f"{gold}/fate").json()
    assert (told["stage"], told["over"], told["filming"]["verdict"]) == ("waiting", False, "refused")
    assert told["filming"]["reasons"][0]["what"] == "The picture has too few pixels."
    assert ada.get(f"{trainee}/fate").json()["filming"]["verdict"] == "advice"
    ada.cookies.set("sopilot_language", "ja")
    told = ada.get(f"{gold}/fate").json()
    assert told["filming"]["reasons"][0]["do"] == "カメラの設定で、より高い解像度を選んでください。"
    assert told["text"].startswith("すべて届きました")
    (key,) = intake(home)
    told = ada.get(f"{gold}/fate").json()
    assert (told["stage"], told["over"]) == ("refused", True)
    assert told["refused"]["what"] == "映像の解像度が低すぎます。"
    assert ada.get(f"{trainee}/fate").json()["link"]["path"] == f"/recordings/{key}"


def test_a_gold_that_was_taken_in_leads_to_its_steps(home: Home, tmp_path: Path) -> None:
    ada = signed_in(with_task(home), "ada", Role.TRAINER)
    video = write_tiny_video(tmp_path / "a.mp4", seconds=6, fps=10, size=(480, 360)).read_bytes()
    url = uploaded(ada, video, role="gold", person="p1")
    assert ada.get(f"{url}/fate").json()["filming"]["verdict"] == "well"
    (key,) = intake(home)
    assert ada.get(f"{url}/fate").json()["link"] == {"path": f"/golds/{key}/steps", "text": "Mark its steps"}
    page = ada.get("/upload").text
    assert '<option value="line1">' in page
    assert '<option value="p1">' in page


def test_what_is_no_video_says_so(home: Home) -> None:
    ada = signed_in(with_task(home), "ada", Role.TRAINER)
    url = uploaded(ada, b"<script>alert(1)</script>" * 500, filename="<script>.mp4")
    told = ada.get(f"{url}/fate").json()["filming"]
    assert (told["verdict"], told["reasons"][0]["what"]) == ("refused", "The file is not a video.")
    assert "<script>.mp4" not in ada.get("/upload").text


def test_the_page_lists_ones_own_uploads_only(home: Home) -> None:
    ada, bob = (
        signed_in(with_task(home) if who == "ada" else home, who, Role.TRAINER) for who in ("ada", "bob")
    )
    begun(ada, 100, filename="adas_take.mp4")
    assert "adas_take.mp4" in ada.get("/upload").text
    assert "adas_take.mp4" not in bob.get("/upload").text


def test_trainees_are_offered_themselves_only(home: Home, tmp_path: Path) -> None:
    ada = signed_in(with_task(home), "ada", Role.TRAINER)
    video = write_tiny_video(tmp_path / "a.mp4", seconds=6, fps=10, size=(480, 360)).read_bytes()
    uploaded(ada, video, person="p99")
    intake(home)
    tom = signed_in(home, "tom", Role.TRAINEE, person="p7")
    page = tom.get("/upload").text
    assert "p7" in page
    assert "p99" not in page
    assert 'value="gold"' not in page
    assert signed_in(home, "rae", Role.RATER).get("/upload").status_code == 403


def test_the_code_of_an_erased_person_is_offered_to_nobody(judged: Home) -> None:
    ada, person = signed_in(judged, "ada", Role.TRAINER), a_person(judged)
    offered = f'<option value="{person}">'
    assert offered in ada.get("/upload").text
    erase(judged, person)
    assert offered not in ada.get("/upload").text


def test_without_a_procedure_it_says_what_to_do(home: Home) -> None:
    ada = signed_in(home, "ada", Role.TRAINER)
    assert 'href="/tasks/-/new"' in ada.get("/upload").text
    ada.cookies.set("sopilot_language", "ja")
    assert "手順書がまだありません" in ada.get("/upload").text
