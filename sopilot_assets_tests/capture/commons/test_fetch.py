"""Videos are fetched from a MediaWiki site with their attribution, and only those that may be used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sopilot_assets.capture.commons.api import MediaWiki
from sopilot_assets.capture.commons.fetch import Fetched, Wanted, counts, fetch_videos
from sopilot_assets.capture.commons.licences import is_allowed, licence_family
from sopilot_assets.capture.scan import sidecar_of
from sopilot_assets.errors import ConfigError, SourceError
from sopilot_assets_tests.capture.commons.wiki import Wiki, WikiFile, serving
from sopilot_assets_tests.cli.running import sopilot

WANTED = Wanted(("oil change",), most=4, golds=1)


def video(name: str, **changes: object) -> WikiFile:
    return WikiFile(f"File:{name}.webm", name.encode() * 5000, **changes)  # type: ignore[arg-type]


@pytest.fixture
def wiki() -> Iterator[Wiki]:
    with serving(Wiki([video("one"), video("two"), video("three")])) as site:
        yield site


def fetch(
    wiki: Wiki, folder: Path, wanted: Wanted = WANTED, waits: list[float] | None = None
) -> list[Fetched]:
    waited = [] if waits is None else waits
    site = MediaWiki(
        endpoint=wiki.api, file_hosts=(), contact="me@example.org", pause_s=0.25, wait=waited.append
    )
    return fetch_videos(site, folder, wanted, source=wiki.api, now=lambda: "2026-01-02T03:04:05+00:00")


def entries(folder: Path) -> list[dict[str, object]]:
    return json.loads((folder / "manifest.json").read_text("utf-8"))["files"]


def partials(folder: Path) -> list[Path]:
    return list(folder.rglob(".*.partial"))


def test_the_first_videos_are_golds_and_the_others_trainees(wiki: Wiki, tmp_path: Path) -> None:
    seen = fetch(wiki, tmp_path)
    assert [one.path and one.path.partition("/")[0] for one in seen] == ["gold", "trainee", "trainee"]
    for one, source in zip(seen, wiki.files, strict=True):
        assert (tmp_path / str(one.path)).read_bytes() == source.content
    assert partials(tmp_path) == []


def test_the_manifest_says_who_made_a_video_and_under_which_licence(wiki: Wiki, tmp_path: Path) -> None:
    fetch(wiki, tmp_path)
    first = entries(tmp_path)[0]
    assert (first["author"], first["licence_code"], first["title"]) == (
        "Ann & Bob",
        "cc-by-4.0",
        "File:one.webm",
    )
    said = (tmp_path / "ATTRIBUTION.txt").read_text("utf-8").splitlines()
    assert len(said) == 3
    assert all("Ann & Bob" in line and "CC BY 4.0" in line and "/wiki/" in line for line in said)
    sidecar = json.loads(sidecar_of(tmp_path / str(first["path"])).read_text("utf-8"))
    assert sidecar["session"] == "File:one.webm"


def test_a_second_time_nothing_is_fetched_again(wiki: Wiki, tmp_path: Path) -> None:
    fetch(wiki, tmp_path)
    before = (tmp_path / "manifest.json").read_bytes()
    wiki.requests.clear()
    assert counts(fetch(wiki, tmp_path)) == {"fetched": 0, "there": 3, "refused": 0, "failed": 0}
    assert not [path for path in wiki.requests if path.startswith("/files/")]
    assert (tmp_path / "manifest.json").read_bytes() == before


def test_a_file_that_was_changed_is_fetched_again_to_its_place(wiki: Wiki, tmp_path: Path) -> None:
    first = fetch(wiki, tmp_path)[0]
    path = tmp_path / str(first.path)
    path.write_bytes(bytes(len(wiki.files[0].content)))
    assert counts(fetch(wiki, tmp_path))["fetched"] == 1
    assert path.read_bytes() == wiki.files[0].content
    assert len(entries(tmp_path)) == 3


def test_a_file_that_grew_at_the_site_is_not_kept_half(wiki: Wiki, tmp_path: Path) -> None:
    wiki.stated_less = 100
    assert {one.outcome for one in fetch(wiki, tmp_path)} == {"failed"}
    assert partials(tmp_path) == []


@pytest.mark.parametrize("ignores_ranges", [False, True])
def test_a_download_that_broke_off_goes_on(wiki: Wiki, tmp_path: Path, ignores_ranges: bool) -> None:
    wiki.ignores_ranges, wiki.cut_once_after = ignores_ranges, 4000
    seen = fetch(wiki, tmp_path)
    assert [one.outcome for one in seen] == ["failed", "fetched", "fetched"]
    assert "Run the command again" in seen[0].why
    (partial,) = partials(tmp_path)
    assert partial.read_bytes() == wiki.files[0].content[:4000]
    seen = fetch(wiki, tmp_path)
    assert (tmp_path / str(seen[0].path)).read_bytes() == wiki.files[0].content
    assert partials(tmp_path) == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"licence": "cc-by-nc-4.0"}, "cc-by-nc"),
        ({"licence": "cc-by-nd-4.0"}, "cc-by-nd"),
        ({"licence": None}, "not stated"),
        ({"licence": "fair use"}, "fair use"),
        ({"mime": "image/gif"}, "image/gif"),
        ({"duration": 3600.0}, "3600 s"),
        ({"duration": None}, "unknown length"),
    ],
)
def test_what_may_not_be_used_is_refused(tmp_path: Path, changes: dict[str, object], why: str) -> None:
    with serving(Wiki([video("bad", **changes), video("good")])) as wiki:
        refused, taken = fetch(wiki, tmp_path)
    assert (refused.outcome, taken.outcome) == ("refused", "fetched")
    assert why in refused.why
    assert [one["title"] for one in entries(tmp_path)] == ["File:good.webm"]


def test_bytes_that_are_not_what_the_site_states_are_thrown_away(tmp_path: Path) -> None:
    with serving(Wiki([video("wrong", stated_sha1="0" * 40), video("good")])) as wiki:
        wrong, good = fetch(wiki, tmp_path)
    assert (wrong.outcome, good.outcome) == ("failed", "fetched")
    assert "hash" in wrong.why
    assert len(list(tmp_path.rglob("*.webm"))) == 1


def test_files_on_other_hosts_are_not_asked_for(tmp_path: Path) -> None:
    """An answer of the site must not make this machine call others in its network."""
    with serving(Wiki([video("elsewhere", host="127.0.0.2:80")])) as wiki:
        (one,) = fetch(wiki, tmp_path)
    assert one.outcome == "failed"
    assert "--file-host" in one.why


@pytest.mark.parametrize("title", ["File:../../../evil.webm", "File:/etc/evil.webm", "File:.hidden.webm"])
def test_a_title_cannot_lead_out_of_the_folder(tmp_path: Path, title: str) -> None:
    with serving(Wiki([WikiFile(title, b"x" * 100)])) as wiki:
        (one,) = fetch(wiki, tmp_path / "out")
    assert one.outcome == "fetched"
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all((tmp_path / "out") in path.parents for path in written)
    assert not Path(str(one.path)).name.startswith(".")


def test_titles_that_become_the_same_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    with serving(Wiki([WikiFile("File:a?.webm", b"1" * 99), WikiFile("File:a*.webm", b"2" * 99)])) as wiki:
        fetch(wiki, tmp_path, Wanted(("a",), most=2, golds=0))
    assert len({one["path"] for one in entries(tmp_path)}) == 2


def test_one_content_under_two_titles_is_fetched_once(tmp_path: Path) -> None:
    with serving(Wiki([WikiFile("File:a.webm", b"1" * 99), WikiFile("File:b.webm", b"1" * 99)])) as wiki:
        assert len(fetch(wiki, tmp_path)) == 1


@pytest.mark.parametrize("busy", [["maxlag", "maxlag"], ["429"], ["503", "maxlag"]])
def test_a_busy_site_is_waited_for(wiki: Wiki, tmp_path: Path, busy: list[str]) -> None:
    wiki.busy = list(busy)
    assert counts(fetch(wiki, tmp_path))["fetched"] == 3


def test_a_site_that_stays_busy_ends_the_search_with_its_name(wiki: Wiki, tmp_path: Path) -> None:
    wiki.busy = ["maxlag"] * 20
    with pytest.raises(SourceError, match="still busy"):
        fetch(wiki, tmp_path)


def test_requests_are_paced_and_name_a_contact(wiki: Wiki, tmp_path: Path) -> None:
    waits: list[float] = []
    fetch(wiki, tmp_path, waits=waits)
    assert len(waits) >= len(wiki.requests) >= 5  # two pages and three files
    assert all(wait >= 0.25 for wait in waits)
    assert all("me@example.org" in agent and "sopilot-assets/" in agent for agent in wiki.agents)


def test_the_search_ends_when_enough_is_there(wiki: Wiki, tmp_path: Path) -> None:
    fetch(wiki, tmp_path, Wanted(("oil",), most=1, golds=0))
    assert len([path for path in wiki.requests if path.startswith("/w/")]) == 1


def test_something_else_than_a_wiki_is_named(wiki: Wiki, tmp_path: Path) -> None:
    wiki.files.append(WikiFile("File:x.webm", b"{]"))
    site = MediaWiki(
        endpoint=f"{wiki.address}/files/4",
        file_hosts=(),
        contact="me@example.org",
        pause_s=0,
        wait=lambda _: None,
    )
    with pytest.raises(SourceError, match="expected JSON"):
        list(site.search("x"))


def test_a_damaged_manifest_stops_before_anything_is_fetched(wiki: Wiki, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(SourceError, match=r"manifest\.json"):
        fetch(wiki, tmp_path)
    assert wiki.requests == []


@pytest.mark.parametrize(
    "wrong", [{"queries": ()}, {"queries": ("a", " ")}, {"queries": ("a",), "golds": 21}]
)
def test_wishes_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Wanted(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "family"),
    [
        ("cc-by-2.0-fr", "cc-by"),
        ("cc-by-nc-sa-2.0", "cc-by-nc-sa"),
        ("cc-zero", "cc0"),
        ("pd", "pd"),
        ("pdm-owner", None),
        ("attribution", None),
        (None, None),
    ],
)
def test_licence_codes(code: str | None, family: str | None) -> None:
    assert licence_family(code) == family
    assert is_allowed(code, {"cc-by", "cc0", "pd"}) == (family in ("cc-by", "cc0", "pd"))


def test_the_command_fetches_and_says_what_comes_next(wiki: Wiki, tmp_path: Path) -> None:
    wiki.files.insert(0, video("paid", licence="cc-by-nc-2.0"))
    words = ["sample", "fetch", tmp_path / "seed", "--query", "oil", "--contact", "me@example.org"]
    done = sopilot(tmp_path, *words, "--most", "3", "--golds", "1", "--pause", "0", "--api", wiki.api)
    assert "3 of 3 wanted videos" in done.output
    assert "1 refused" in done.output
    assert len(list((tmp_path / "seed/trainee").glob("*.webm"))) == 2
