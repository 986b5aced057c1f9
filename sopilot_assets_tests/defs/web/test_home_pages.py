"""Reviews, reports and recordings are served beside Dagster's pages, and nothing else of the home is."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from sopilot_assets.capture.ledgers import VIDEO_COLUMNS, videos_ledger
from sopilot_assets.defs.publish import page
from sopilot_assets.defs.web.addresses import PageAddresses
from sopilot_assets.defs.web.home_pages import HomePages
from sopilot_assets.defs.web.own_pages import LOOPBACK, OwnPagesOnly
from sopilot_assets.errors import ConfigError
from sopilot_assets.stations.review_index import write_review_index
from sopilot_assets.store.home import Home
from sopilot_assets.store.publish import local_path, publish_bytes, publish_text
from sopilot_assets.tasks import new_task
from sopilot_assets_tests.video.tiny import write_tiny_video

KEY = "tea-t-0123456789ab"
SECRET = "nothing for others"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with one recording, its page, a report, and files that are nobody's business."""
    made = Home.at(tmp_path / "home")
    new_task(made.root, "tea", name="Tea")
    video = write_tiny_video(tmp_path / "a.mp4").read_bytes()
    publish_bytes(made.videos / f"{hashlib.sha256(video).hexdigest()}.mp4", video)
    publish_text(made.review(KEY), "<!DOCTYPE html>the page")
    publish_text(made.reports / "2026-03-02.html", "<!DOCTYPE html>the report")
    publish_text(made.root / "campaigns" / "spring" / "summary.html", "<!DOCTYPE html>the summary")
    publish_text(made.root / "settings.yaml", f"web: {{}}  # {SECRET}\n")
    for path in ("keys/dossier", "reviews/.index.lock", "campaigns/spring/plan.json"):
        publish_text(made.root / path, SECRET)
    publish_text(made.root / "reviews" / "notes.txt", SECRET)
    (tmp_path / "outside.html").write_text(SECRET, "utf-8")
    local_path(made.reviews / "tea-t-ffffffffffff.html").symlink_to(tmp_path / "outside.html")
    return made


@pytest.fixture
def client(home: Home) -> Iterator[TestClient]:
    async def other(request: object) -> PlainTextResponse:
        return PlainTextResponse("Dagster's")

    app = Starlette(routes=[Route("/{path:path}", other, methods=["GET", "POST"])])
    guarded = OwnPagesOnly(HomePages(app, home), LOOPBACK)
    with TestClient(guarded, base_url="http://127.0.0.1:3000") as made:
        yield made


def video_name(home: Home) -> str:
    return next(local_path(home.videos).iterdir()).name


def test_the_link_of_a_page_leads_to_it(home: Home, client: TestClient) -> None:
    for path, said in {
        home.review(KEY): "the page",
        home.reports / "2026-03-02.html": "the report",
        home.root / "campaigns" / "spring" / "summary.html": "the summary",
    }.items():
        link = page(local_path(path), PageAddresses.of(home))["review_link"].value  # type: ignore[union-attr]
        for shown_by in ("http://127.0.0.1:3000", "http://127.0.0.1:3001"):  # viewers stay on their page
            assert urljoin(f"{shown_by}/assets/x", str(link)) == f"{shown_by}{link}"
        answer = client.get(str(link))
        assert (answer.status_code, said in answer.text) == (200, True)
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_settings_say_where_people_open_it(home: Home) -> None:
    publish_text(home.root / "settings.yaml", "web: {address: 'https://sopilot.example.org/'}\n")
    assert PageAddresses.of(home)[local_path(home.review(KEY))] == (
        f"https://sopilot.example.org/reviews/{KEY}.html"
    )
    publish_text(home.root / "settings.yaml", "web: {address: 'javascript:alert(1)'}\n")
    assert PageAddresses.of(home)[local_path(home.review(KEY))].startswith("/reviews/")
    with pytest.raises(ConfigError, match="expected a page that the web page shows"):
        PageAddresses.of(home)[local_path(home.root / "settings.yaml")]


def test_a_recording_is_sent_in_the_parts_that_a_player_asks_for(home: Home, client: TestClient) -> None:
    address = f"/videos/{video_name(home)}"
    whole = client.get(address)
    assert (whole.status_code, whole.headers["content-type"]) == (200, "video/mp4")
    assert whole.headers["accept-ranges"] == "bytes"
    part = client.get(address, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(whole.content)}"
    assert client.get(address, headers={"Range": f"bytes={len(whole.content)}-"}).status_code == 416
    assert client.head(address).headers["content-length"] == str(len(whole.content))


def test_a_recording_of_which_something_is_covered_is_not_served_as_it_was_filmed(
    home: Home, client: TestClient
) -> None:
    name = video_name(home)
    row = {
        **dict.fromkeys(VIDEO_COLUMNS),
        "key": f"tea-t-{name[:12]}",
        "task_id": "tea",
        "sha256": name[:64],
        "stored_name": name,
    }
    videos_ledger(home).append([row], run_id="intake", written_at="2026-03-02T08:00:00+00:00")
    assert client.get(f"/videos/{name}").status_code == 200
    publish_text(home.root / "settings.yaml", "privacy: {blur_faces: everywhere}\n")
    refused = client.get(f"/videos/{name}")
    assert (refused.status_code, refused.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert "隠して" in refused.text


@pytest.mark.parametrize(
    "path",
    [
        "/reviews/../settings.yaml",
        "/reviews/..%2fsettings.yaml",
        "/reviews/%2e%2e/settings.yaml",
        "/reviews/..%252fsettings.yaml",
        "/reviews//settings.yaml",
        "/reviews/.index.lock",
        "/reviews/notes.txt",
        "/reviews/tea-t-ffffffffffff.html",
        "/reviews/tea-t-0123456789ab.html%00.txt",
        "/videos/..%2f..%2foutside.html",
        "/videos/%2fetc%2fpasswd",
        "/campaigns/spring/plan.json",
        "/campaigns/../keys/dossier",
        "/dossiers/../keys/dossier",
        "/dossiers/spring/../../keys/dossier",
        "/keys/dossier",
        "/settings.yaml",
        "/capture/x",
    ],
)
def test_no_other_file_is_served(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert SECRET not in answer.text
    assert answer.status_code == 404 or answer.text == "Dagster's"


def test_a_folder_opens_its_list(home: Home, client: TestClient) -> None:
    assert "Nothing has been scored yet." in client.get("/reviews").text
    publish_text(home.reviews / "index.html", "<!DOCTYPE html>the list")
    assert "the list" in client.get("/reviews/").text
    assert '<a href="2026-03-02.html">' in client.get("/reports/").text
    assert client.get("/videos/").status_code == 404


def test_the_list_of_recordings_and_the_daily_reports_lead_to_each_other(
    home: Home, client: TestClient
) -> None:
    reviews = local_path(write_review_index(home))
    (link,) = re.findall(r'<a class="back screen" href="([^"]+)">(.*?) ›</a>', reviews.read_text("utf-8"))
    assert link == ("../reports/", '<span lang="en">Daily reports</span><span lang="ja">日報</span>')
    assert (reviews.parent / link[0]).is_dir()  # from the disk, the folder
    reports = client.get(urljoin("/reviews/", link[0])).text
    assert '<a href="2026-03-02.html">' in reports
    assert '<a href="/reviews/">All recordings / 録画の一覧</a>' in reports


def test_it_is_only_looked_at(client: TestClient) -> None:
    assert client.post(f"/reviews/{KEY}.html", content="x").status_code == 405
    assert client.get("/assets").text == "Dagster's"


def test_the_guard_of_dagster_s_pages_guards_these_too(client: TestClient) -> None:
    assert client.get(f"/reviews/{KEY}.html", headers={"Host": "evil.example"}).status_code == 403
    foreign = {"Origin": "http://evil.example"}
    assert client.get(f"/reviews/{KEY}.html", headers=foreign).status_code == 403
    assert client.get(f"/reviews/{KEY}.html").headers["cross-origin-resource-policy"] == "same-origin"
