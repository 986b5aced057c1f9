"""The upload protocol: every status that its clients act on, and what lies about must not get."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from sopilot_assets.capture.registry import Registry
from sopilot_assets.desk.app import create_app
from sopilot_assets.desk.bodies import LONGEST_BODY
from sopilot_assets.desk.config import DeskConfig
from sopilot_assets.desk.roles import Role
from sopilot_assets.processes.held_file import take
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path
from sopilot_assets_tests.desk.conftest import HERE, NOW, PASSWORD, signed_in
from sopilot_assets_tests.desk.sending import (
    BYTES,
    TOLD,
    TUS,
    begun,
    captured,
    checksum,
    metadata,
    sent,
    there,
    with_task,
)

DATA = bytes(range(256)) * 40
PLACE = "lid_check/trainee/line1"


@pytest.fixture
def ada(home: Home) -> TestClient:
    return signed_in(with_task(home), "ada", Role.TRAINER)


def refused(browser: TestClient, size: int | str = 100, **told: str) -> tuple[int, str]:
    """The status and the sentence for an upload that may not begin; nothing is kept of it."""
    headers = {**TUS, "upload-length": str(size), "upload-metadata": metadata({**TOLD, **told})}
    answer = browser.post("/uploads", headers=headers)
    assert "location" not in answer.headers
    return answer.status_code, str(answer.json()["error"])


def test_it_says_what_it_can_do(ada: TestClient) -> None:
    answer = ada.options("/uploads")
    assert answer.status_code == 204
    assert answer.headers["tus-version"] == "1.0.0"
    assert answer.headers["tus-extension"] == "creation,checksum,expiration,termination"
    assert answer.headers["tus-checksum-algorithm"] == "sha256,sha1"
    assert answer.headers["tus-max-size"] == str(64 << 30)


def test_a_recording_in_two_pieces_lands_with_what_is_known_of_it(ada: TestClient, home: Home) -> None:
    url = begun(ada, len(DATA), person="p014")
    assert (there(ada, url), captured(home)) == (0, {})
    answer = ada.patch(url, content=DATA[:1000], headers={**BYTES, "upload-offset": "0"})
    assert (answer.status_code, answer.headers["upload-offset"]) == (204, "1000")
    assert answer.headers["upload-expires"] == "Mon, 02 Mar 2026 09:30:00 GMT"
    assert (there(ada, url), captured(home)) == (1000, {})
    assert sent(ada, url, DATA[1000:], offset=1000) == 204
    found = captured(home)
    assert found.pop(f"{PLACE}/take.mp4") == DATA
    assert json.loads(found.pop(f"{PLACE}/take.mp4.json")) == {"person": "p014"}
    assert found == {}
    assert there(ada, url) == len(DATA)
    assert sorted(path.name for path in local_path(home.uploads).glob("*/*")) == [
        ".lock",
        "landing.json",
        "upload.json",
    ]


def test_a_sidecar_that_waits_for_its_recording_is_not_given_to_another_one(
    ada: TestClient, home: Home
) -> None:
    waits = local_path(home.capture) / PLACE / "take.mp4.json"
    waits.parent.mkdir(parents=True)
    waits.write_text('{"person": "p9"}')  # its recording is copied after it
    assert sent(ada, begun(ada, len(DATA), person="p014"), DATA) == 204
    found = captured(home)
    assert found.pop(f"{PLACE}/take.mp4.json") == b'{"person": "p9"}'
    assert sorted(found) == [
        f"{PLACE}/take-{hashlib.sha256(DATA).hexdigest()[:8]}.mp4{end}" for end in ("", ".json")
    ]


def test_no_bytes_are_lost_where_sidecars_lie_at_every_name(ada: TestClient, home: Home) -> None:
    hashed, folder = f"take-{hashlib.sha256(DATA).hexdigest()[:8]}.mp4", local_path(home.capture) / PLACE
    folder.mkdir(parents=True)
    for name in ("take.mp4", hashed):
        (folder / f"{name}.json").write_text("{}")
    assert sent(ada, begun(ada, len(DATA)), DATA) == 204
    assert captured(home)[f"{PLACE}/{hashed}"] == DATA


def test_a_piece_may_be_longer_than_a_form(ada: TestClient, home: Home) -> None:
    data = bytes(LONGEST_BODY) + DATA
    assert sent(ada, begun(ada, len(data)), data, **{"upload-checksum": checksum(data)}) == 204
    assert captured(home)[f"{PLACE}/take.mp4"] == data


@pytest.mark.parametrize("version", [None, "0.2.2", "2.0"])
@pytest.mark.parametrize("method", ["post", "head", "patch", "delete"])
def test_another_version_of_the_protocol_is_not_spoken(
    ada: TestClient, method: str, version: str | None
) -> None:
    url = "/uploads" if method == "post" else begun(ada, 10)
    headers = {"tus-resumable": version} if version else {}
    answer = ada.request(method.upper(), url, headers=headers)
    assert (answer.status_code, answer.headers["tus-version"]) == (412, "1.0.0")


@pytest.mark.parametrize("offset", [0, 9, 11, 10_000_000])
def test_bytes_for_another_place_are_not_taken(ada: TestClient, offset: int) -> None:
    url = begun(ada, 100)
    assert sent(ada, url, DATA[:10]) == 204
    assert sent(ada, url, DATA[:5], offset=offset) == 409
    assert there(ada, url) == 10


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-type": "video/mp4"}, 415),
        ({"upload-offset": "x"}, 400),
        ({"upload-offset": "-1"}, 400),
        ({"upload-offset": "1e3"}, 400),
        ({"upload-checksum": "crc32 AAAA"}, 400),
        ({"upload-checksum": "sha256 AAAA"}, 400),
        ({"upload-checksum": "sha256"}, 400),
    ],
)
def test_a_request_that_is_none_changes_nothing(
    ada: TestClient, headers: dict[str, str], status: int
) -> None:
    url = begun(ada, 100)
    answer = ada.patch(url, content=DATA[:10], headers={**BYTES, "upload-offset": "0", **headers})
    assert answer.status_code == status
    assert there(ada, url) == 0


@pytest.mark.parametrize("algorithm", ["sha256", "sha1"])
def test_bytes_that_changed_on_the_way_are_not_kept(ada: TestClient, home: Home, algorithm: str) -> None:
    url = begun(ada, len(DATA))
    right = {"upload-checksum": checksum(DATA[:1000], algorithm)}
    assert sent(ada, url, DATA[1:1001], **right) == 460
    assert there(ada, url) == 0
    assert sent(ada, url, DATA[:1000], **right) == 204
    assert sent(ada, url, DATA[1000:], offset=1000) == 204
    assert captured(home) == {f"{PLACE}/take.mp4": DATA}


def test_what_a_killed_server_had_not_checked_is_not_counted(ada: TestClient, home: Home) -> None:
    url = begun(ada, len(DATA))
    assert sent(ada, url, DATA[:1000]) == 204
    folder = local_path(home.uploads) / url.rpartition("/")[2]
    (folder / "unchecked_from_1000").touch()
    with (folder / "data").open("ab") as data:
        data.write(b"not what was sent")
    assert there(ada, url) == 1000
    assert sent(ada, url, DATA[1000:], offset=1000) == 204
    assert captured(home) == {f"{PLACE}/take.mp4": DATA}


def test_a_file_other_than_the_one_that_was_announced_does_not_land(ada: TestClient, home: Home) -> None:
    url = begun(ada, len(DATA), sha256="0" * 64)
    assert sent(ada, url, DATA) == 460
    assert ada.head(url, headers=TUS).status_code == 410
    assert captured(home) == {}
    assert ada.get(f"{url}/fate").json()["stage"] == "changed"


def test_a_hash_in_capitals_is_the_same_hash(ada: TestClient, home: Home) -> None:
    url = begun(ada, len(DATA), sha256=hashlib.sha256(DATA).hexdigest().upper())
    assert sent(ada, url, DATA) == 204
    assert DATA in captured(home).values()


def test_more_bytes_than_announced_are_not_taken(ada: TestClient, home: Home) -> None:
    url = begun(ada, 100)
    assert sent(ada, url, DATA) == 413
    assert sent(ada, url, b"", **{"content-length": str(10 << 30)}) == 413  # a lie, refused before any byte

    def unannounced() -> object:
        yield DATA[:60]
        yield DATA[:60]

    answer = ada.patch(url, content=unannounced(), headers={**BYTES, "upload-offset": str(there(ada, url))})
    assert answer.status_code == 413
    assert captured(home) == {}


def test_a_lie_about_the_size_costs_nothing(ada: TestClient, home: Home) -> None:
    begun(ada, 1 << 30)
    (data,) = local_path(home.uploads).glob("*/data")
    assert data.stat().st_size == 0
    assert refused(ada, (64 << 30) + 1)[0] == 413
    for size in ("0", "-5", "1e9", "", "9" * 30):
        assert refused(ada, size)[0] == 400
    assert len(list(local_path(home.uploads).glob("*/data"))) == 1


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"task": "unknown"}, 400),
        ({"task": "../../etc"}, 400),
        ({"task": ""}, 400),
        ({"role": "admin"}, 400),
        ({"role": "gold/../.."}, 400),
        ({"site": ""}, 400),
        ({"site": ".."}, 400),
        ({"site": "a/b"}, 400),
        ({"site": "#recycle"}, 400),
        ({"site": ".hidden"}, 400),
        ({"site": "x" * 300}, 400),
        ({"camera": "../up"}, 400),
        ({"person": "x" * 201}, 400),
        ({"sha256": "abc"}, 400),
        ({"recorded_at": "yesterday"}, 400),
        ({"recorded_at": "2026-02-20T08:00:00"}, 400),
        ({"recorded_at": "1980-01-01T00:00:00+00:00"}, 400),
        ({"recorded_at": "2026-03-20T08:00:00+00:00"}, 400),
        ({"filename": ""}, 415),
        ({"filename": "steps.csv"}, 415),
        ({"filename": "notes.json"}, 415),
        ({"filename": ".hidden.mp4"}, 415),
        ({"filename": "take.mp4.part"}, 415),
        ({"filename": "../../../"}, 415),
        ({"filename": "take.mp4.json."}, 415),  # it would be stored as the sidecar of somebody's recording
        ({"filename": f"{'x' * 75}.jsonnnnnnnnn"}, 415),
        ({"filename": "take.mp4.part. "}, 415),
    ],
)
def test_what_the_capture_folder_could_not_hold_is_refused(
    ada: TestClient, home: Home, told: dict[str, str], status: int
) -> None:
    assert refused(ada, 100, **told)[0] == status
    assert list(local_path(home.uploads).glob("*")) == []


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("../../../etc/passwd", "passwd"),
        ("C:\\videos\\take.mp4", "take.mp4"),
        ("ガイド.mp4", "ガイド.mp4"),
        ("<script>alert(1)</script>.mp4", "script_.mp4"),
        ("\u202egpj.mp4", "_gpj.mp4"),
        ("a\x00\nb.mp4", "a_b.mp4"),
        ("x" * 1000 + ".mp4", "x" * 76 + ".mp4"),
    ],
)
def test_any_name_becomes_a_plain_one(ada: TestClient, home: Home, name: str, stored: str) -> None:
    url = begun(ada, len(DATA), filename=name)
    assert sent(ada, url, DATA) == 204
    assert captured(home) == {f"{PLACE}/{stored}": DATA}


def test_a_site_in_the_letters_of_a_mac_is_the_same_site(ada: TestClient, home: Home) -> None:
    sent(ada, begun(ada, len(DATA), site="ガ"), DATA)
    assert list(captured(home)) == ["lid_check/trainee/ガ/take.mp4"]


def test_two_files_of_one_name_both_land_and_one_file_twice_lands_once(ada: TestClient, home: Home) -> None:
    other = DATA[::-1]
    for name in ("take.mp4", "y" * 300 + ".mp4"):
        for data in (DATA, other, DATA, other):
            url = begun(ada, len(data), filename=name)
            assert sent(ada, url, data) == 204
    found = captured(home)
    assert sorted(found.values()) == sorted([DATA, other] * 2)
    assert {path.rpartition("/")[2] for path in found if "take" in path} == {
        "take.mp4",
        f"take-{hashlib.sha256(other).hexdigest()[:8]}.mp4",
    }
    assert ada.get(f"{url}/fate").json()["text"].startswith("This recording was there already.")


def test_an_upload_belongs_to_who_began_it(ada: TestClient, home: Home) -> None:
    url = begun(ada, len(DATA))
    bob = signed_in(home, "bob", Role.ADMIN)
    statuses = (
        bob.head(url, headers=TUS).status_code,
        sent(bob, url, DATA),
        bob.delete(url, headers=TUS).status_code,
        bob.get(f"{url}/fate").status_code,
    )
    assert statuses == (404, 404, 404, 404)
    assert there(ada, url) == 0


@pytest.mark.parametrize("name", ["0" * 32, "nonsense", "%2e%2e%2fvideos"])
def test_what_is_no_upload_is_not_found(ada: TestClient, name: str) -> None:
    assert ada.head(f"/uploads/{name}", headers=TUS).status_code in (404, 405)


def test_trainees_send_their_own_recordings_only(home: Home) -> None:
    tom = signed_in(with_task(home), "tom", Role.TRAINEE, person="p7")
    assert sent(tom, begun(tom, len(DATA), person="p8"), DATA) == 204
    assert json.loads(captured(home)[f"{PLACE}/take.mp4.json"]) == {"person": "p7"}
    assert refused(tom, role="gold")[0] == 400
    nobody = signed_in(home, "nina", Role.TRAINEE)
    assert refused(nobody)[0] == 400


def test_raters_and_strangers_send_nothing(home: Home) -> None:
    rater = signed_in(with_task(home), "rae", Role.RATER)
    answer = rater.post("/uploads", headers={**TUS, "upload-length": "5", "upload-metadata": metadata(TOLD)})
    assert answer.status_code == 403
    rater.cookies.clear()
    assert rater.post("/uploads", headers=TUS).status_code == 401
    assert not local_path(home.uploads).exists()


def test_a_program_needs_no_origin_but_its_header(ada: TestClient) -> None:
    headers = {**TUS, "upload-length": "5", "upload-metadata": metadata(TOLD)}
    program = TestClient(ada.app, base_url=HERE, cookies=dict(ada.cookies))
    assert program.post("/uploads", headers=headers).status_code == 403
    assert program.post("/uploads", headers={**headers, "x-sopilot": "1"}).status_code == 201


def test_after_its_time_an_upload_is_gone(ada: TestClient, home: Home) -> None:
    url = begun(ada, len(DATA))
    sent(ada, url, DATA[:10])
    late = signed_in_later(home, timedelta(days=6, hours=23))
    assert there(late, url) == 10
    late = signed_in_later(home, timedelta(days=7))
    assert late.head(url, headers=TUS).status_code == 410
    assert sent(late, url, DATA[10:], offset=10) == 410


def signed_in_later(home: Home, later: timedelta) -> TestClient:
    app = create_app(DeskConfig(home), clock=lambda: NOW + later)
    browser = TestClient(app, base_url=HERE, headers={"origin": HERE}, follow_redirects=False)
    browser.post("/sign-in", data={"who": "ada", "password": PASSWORD})
    return browser


def test_an_upload_that_is_given_up_leaves_nothing(ada: TestClient, home: Home) -> None:
    url = begun(ada, len(DATA))
    sent(ada, url, DATA[:10])
    assert ada.delete(url, headers=TUS).status_code == 204
    assert ada.head(url, headers=TUS).status_code == 404
    assert list(local_path(home.uploads).glob("*")) == []
    landed = begun(ada, len(DATA))
    sent(ada, landed, DATA)
    assert ada.delete(landed, headers=TUS).status_code == 409
    assert len(captured(home)) == 1


def test_two_at_once_do_not_write_one_upload(ada: TestClient, home: Home) -> None:
    url = begun(ada, len(DATA))
    held = take(local_path(home.uploads) / url.rpartition("/")[2] / ".lock")
    assert held is not None
    assert sent(ada, url, DATA) == 423
    assert ada.delete(url, headers=TUS).status_code == 423
    assert there(ada, url) == 0
    os.close(held)
    assert sent(ada, url, DATA) == 204


def test_a_full_disk_is_said_before_and_while_writing(ada: TestClient, home: Home) -> None:
    url = begun(ada, 100)
    (local_path(home.root) / "settings.yaml").write_text(
        "disk: {warn_gib: 9000000, pause_gib: 9000000, resume_gib: 9000000}\n"
    )
    status, why = refused(ada)
    assert (status, "room" in why) == (507, True)
    assert sent(ada, url, DATA[:100]) == 507
    assert there(ada, url) == 0
    (local_path(home.root) / "settings.yaml").unlink()
    assert sent(ada, url, DATA[:100]) == 204


def test_the_settings_say_how_large_a_file_may_be(ada: TestClient, home: Home) -> None:
    (local_path(home.root) / "settings.yaml").write_text("uploads: {largest_gib: 0.5}\n")
    status, why = refused(ada, 1 << 30)
    assert (status, "expected at most 0.5 GiB, found 1.0 GiB" in why) == (413, True)
    ada.cookies.set("sopilot_language", "ja")
    assert "上限は 0.5 GiB" in refused(ada, 1 << 30)[1]


def test_what_was_whole_when_the_server_died_lands_when_it_starts(ada: TestClient, home: Home) -> None:
    url = begun(ada, len(DATA), person="p1")
    (folder,) = (path.parent for path in local_path(home.uploads).glob("*/data"))
    Path(folder / "data").write_bytes(DATA)
    with TestClient(create_app(DeskConfig(home))):
        assert len(captured(home)) == 2
    assert there(ada, url) == len(DATA)
    assert Registry.read(home).recordings == {}


def test_when_it_was_recorded_lies_beside_it(ada: TestClient, home: Home) -> None:
    sent(ada, begun(ada, len(DATA), recorded_at="2026-02-20T08:15:00+09:00"), DATA)
    assert json.loads(captured(home)[f"{PLACE}/take.mp4.json"]) == {
        "recorded_at": "2026-02-20T08:15:00+09:00"
    }
