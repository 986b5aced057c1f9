"""Erasing one of several people: nothing of their pictures is left, and everything else is as it was."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from sopilot_assets.capture.drain import drain_capture
from sopilot_assets.capture.erasures import ErasureChange, erasures
from sopilot_assets.capture.facts import correct_recordings
from sopilot_assets.capture.ledgers import quarantine_ledger, videos_ledger
from sopilot_assets.capture.promotions import (
    ConfirmedStep,
    PromotionChange,
    PromotionDraft,
    promotions_chain,
)
from sopilot_assets.capture.registry import Recording, Registry, stored_file
from sopilot_assets.capture.simulate.dataset import SimulatedSet
from sopilot_assets.desk.accounts import Account, add_account, list_accounts
from sopilot_assets.desk.log import Doer, last_entries
from sopilot_assets.desk.roles import Role
from sopilot_assets.errors import ErasureError
from sopilot_assets.scoring.ledger import scores_ledger
from sopilot_assets.stations.alignments import align_videos
from sopilot_assets.stations.gold_references import refresh_references
from sopilot_assets.stations.scores import score_videos
from sopilot_assets.stations.staleness import stale_scores
from sopilot_assets.store.home import Home
from sopilot_assets.store.ledgers import plain_rows
from sopilot_assets.store.publish import local_path
from sopilot_assets.tasks import find_tasks
from sopilot_assets.upkeep.backup.drill import drill
from sopilot_assets.upkeep.backup.repository import open_repository
from sopilot_assets.upkeep.backup.routine import back_up
from sopilot_assets.upkeep.chains import event_chains
from sopilot_assets.upkeep.erasing.erase import finish_erasures, preview
from sopilot_assets.upkeep.erasing.files import references_of
from sopilot_assets.upkeep.erasing.plan import saved_plans
from sopilot_assets_tests.stations.small_homes import AT
from sopilot_assets_tests.upkeep.erasing.erased import NOW, a_person, erase, recordings_of
from sopilot_assets_tests.upkeep.erasing.leftovers import traces_of


@pytest.fixture
def scored(original: Home, tmp_path: Path) -> Home:
    return Home.at(shutil.copytree(str(original.root), tmp_path / "home"))


def rows_but(home: Home, keys: set[str]) -> list[dict[str, object]]:
    """All rows of scores of others."""
    return [dict(row) for row in plain_rows(scores_ledger(home).all_rows()) if row["key"] not in keys]


def verify_chains(home: Home) -> None:
    for chain in event_chains(home):
        for task_id in chain.tasks():
            chain.read(task_id)


def test_nothing_of_the_person_is_left_and_others_are_as_they_were(scored: Home) -> None:
    person = a_person(scored)
    own = recordings_of(scored, person)
    keys = {str(one.key) for one in own}
    traces = traces_of(scored, keys, [one.original_name for one in own])
    assert len(traces.pieces) > 20
    assert traces.left_in(local_path(scored.root))
    before = rows_but(scored, keys)
    seen = preview(scored, person, who="ann", why="asked", at=NOW)
    assert traces.left_in(local_path(scored.root)), "a preview changes nothing"
    done = erase(scored, person)
    assert traces.left_in(local_path(scored.root)) == []
    assert done.files == seen.files
    assert done.files["videos"][0] == len(own)
    assert rows_but(scored, keys) == before
    verify_chains(scored)
    told = erasures(scored)
    assert {key: one.change for key, one in told.items()} == dict.fromkeys(keys, ErasureChange.ERASED)
    assert list(saved_plans(scored)) == []
    # the tombstone: hashes and numbers stay, and whoever looks is told
    kept = Registry.read(scored).recordings[own[0].key]
    assert kept.sha256 == own[0].sha256
    assert "erased" in str(kept.retired)
    assert not set(Registry.read(scored).active()) & keys
    assert {row["key"] for row in plain_rows(scores_ledger(scored).latest())} >= keys


def test_who_is_erased_once_is_nobody_the_second_time(scored: Home) -> None:
    person = a_person(scored)
    erase(scored, person)
    with pytest.raises(
        ErasureError, match=f"person {person}: expected recordings.*were erased at 2025-06-09"
    ):
        erase(scored, person)
    with pytest.raises(ErasureError, match="sopilot person list"):
        erase(scored, "nobody")


def test_the_file_of_an_erased_recording_is_not_taken_in_again(scored: Home, tiny_set: SimulatedSet) -> None:
    person = a_person(scored)
    own = recordings_of(scored, person)
    erase(scored, person)
    source = next(path for path in tiny_set.trainees if path.name == own[0].original_name)
    target = local_path(scored.capture) / "filter_change" / "trainee" / "site_b" / "again.mp4"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)
    traces = traces_of(scored, [], ["again.mp4"])
    drain_capture(scored, run_id="again", now=lambda: NOW, wait=lambda _: None, settle_s=0.0)
    assert not target.exists()
    assert not list(local_path(scored.videos).glob(f"{own[0].sha256}*"))
    refused = plain_rows(quarantine_ledger(scored).latest())
    assert [(row["reason"], row["sha256"]) for row in refused] == [("erased", own[0].sha256)]
    assert traces.left_in(local_path(scored.root)) == []


def test_what_was_dropped_refused_and_uploaded_of_a_person_goes_too(
    scored: Home, tiny_set: SimulatedSet
) -> None:
    person = a_person(scored)
    folder = local_path(scored.capture) / "filter_change" / "trainee" / "site_b"
    folder.mkdir(parents=True)
    dropped = Path(shutil.copy(tiny_set.trainees[0], folder / "waiting.mp4"))
    (folder / "waiting.mp4.json").write_text(json.dumps({"person": person}))
    other = Path(shutil.copy(tiny_set.trainees[1], folder / "another.mp4"))
    (folder / "another.mp4.json").write_text(json.dumps({"person": "somebody"}))
    with other.open("ab") as stream:
        stream.write(b"not the same bytes")
    erase(scored, person)
    assert not dropped.exists()
    assert not (folder / "waiting.mp4.json").exists()
    assert other.exists()


def test_golds_of_a_person_go_only_where_it_is_said_and_then_others_are_stale(scored: Home) -> None:
    person = a_person(scored, "gold")
    own = recordings_of(scored, person)
    keys = {str(one.key) for one in own}
    names = [one.original_name for one in own]
    drawn = local_path(scored.root) / "demo" / "drawn" / "steps.csv"
    drawn.parent.mkdir(parents=True)
    drawn.write_text(f"video,step,start_s,end_s\n{names[0]},open_cover,0,1\nothers.mp4,open_cover,0,1\n")
    traces = traces_of(scored, keys, names)
    with pytest.raises(ErasureError, match="are or were golds"):
        erase(scored, person)
    assert list(saved_plans(scored)) == []
    before = rows_but(scored, keys)
    done = erase(scored, person, golds=True)
    assert done.plan.pages
    left = traces.left_in(local_path(scored.root))
    assert [one for one in left if not one.startswith("ledgers/")] == []
    assert rows_but(scored, keys) == before
    stale = set(stale_scores(scored)["key"])
    assert stale == set(Registry.read(scored).active())
    # and they can be judged anew
    active = [one.key for one in Registry.read(scored).recordings.values() if one.retired is None]
    refresh_references(scored, ["filter_change"], run_id="second", written_at=NOW.isoformat())
    align_videos(scored, active)
    outcomes = score_videos(scored, active, run_id="second", written_at=NOW.isoformat())
    assert [one.problem for one in outcomes if one.problem and one.key.role == "trainee"] == []


def test_who_was_a_gold_once_goes_from_what_was_made_then(scored: Home) -> None:
    person = a_person(scored)
    own = recordings_of(scored, person)[0]
    others = [one.key for one in Registry.read(scored).golds(own.task_id)][:2]
    for change in (PromotionChange.PROMOTE, PromotionChange.DEMOTE):
        promotions_chain(scored).append([made_gold(scored, own, change)], run_id="gold", written_at=AT)
        if change is PromotionChange.PROMOTE:
            refresh_references(scored, ["filter_change"], run_id="second", written_at=NOW.isoformat())
            align_videos(scored, others)
            score_videos(scored, others, run_id="second", written_at=NOW.isoformat())
    assert Registry.read(scored)[own.key].role == "trainee"
    assert made_of(scored, own)
    with pytest.raises(ErasureError, match="are or were golds"):
        erase(scored, person)
    erase(scored, person, golds=True)
    assert made_of(scored, own) == []
    assert list(local_path(scored.root).glob("references/*/*.npz")), "what was made without it stays"


def test_what_a_killed_process_left_half_written_hinders_no_erasure(scored: Home) -> None:
    root, gold = local_path(scored.root), a_person(scored, "gold")
    reference = next(root.glob("references/*/*.npz"))
    for half in (
        root / "erasing" / ".publishing-plan.json",
        reference.with_name(".publishing-reference.npz"),
    ):
        half.parent.mkdir(exist_ok=True)
        half.write_bytes(b"")
    assert list(saved_plans(scored)) == []
    erase(scored, gold, golds=True)
    assert all(one.change is ErasureChange.ERASED for one in erasures(scored).values())


def made_gold(home: Home, one: Recording, change: PromotionChange) -> PromotionDraft:
    """The recording made a gold, with steps of the same length, or a trainee's again."""
    names = find_tasks(home.root).tasks[one.task_id].step_ids
    each_s = one.duration_s / (len(names) + 1)
    steps = [
        ConfirmedStep(step=name, start_s=place * each_s, end_s=(place + 1) * each_s)
        for place, name in enumerate(names)
    ]
    return PromotionDraft(
        task_id=one.task_id,
        key=str(one.key),
        who="tess",
        at=NOW.isoformat(),
        change=change,
        why="right",
        steps=tuple(steps) if change is PromotionChange.PROMOTE else (),
    )


def made_of(home: Home, gold: Recording) -> list[str]:
    """The references that were made of it, and others' pages that show it."""
    root = local_path(home.root)
    pages = [path for path in root.glob("reviews/*-*.html") if path.stem != str(gold.key)]
    shown = [path.name for path in pages if gold.key.video_id in path.read_text("utf-8")]
    return shown + [path.name for path in references_of(home, {gold.key.video_id})]


def test_pictures_of_others_with_a_gold_go_though_their_pages_are_gone_before(scored: Home) -> None:
    person = a_person(scored, "gold")
    other = next(one for one in Registry.read(scored).recordings.values() if one.role == "trainee")
    for page in local_path(scored.reviews).glob("*.html"):
        page.unlink()
    database = local_path(scored.root) / "dagster" / "history.db"
    database.parent.mkdir(exist_ok=True)
    entries = [{"label": "picture", "entry_data": {"md_str": "a gold"}}, {"label": "score"}]
    event = {"materialization": {"partition": str(other.key), "metadata_entries": entries}}
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("create table event_logs (id integer primary key, event text)")
        connection.execute("insert into event_logs (event) values (?)", (json.dumps(event),))
        connection.commit()
    erase(scored, person, golds=True)
    with closing(sqlite3.connect(database)) as connection:
        (text,) = connection.execute("select event from event_logs").fetchone()
    assert json.loads(text)["materialization"]["metadata_entries"] == [{"label": "score"}]


def test_a_page_with_a_gold_that_a_run_makes_meanwhile_goes_too(scored: Home) -> None:
    person = a_person(scored, "gold")
    gold = recordings_of(scored, person)[0]
    erase(scored, person, golds=True, working=("run-1",))
    other = next(one for one in Registry.read(scored).recordings.values() if one.role == "trainee")
    late = local_path(scored.review(other.key))
    late.write_text(f'{{"id":"{gold.key.video_id}"}}', "utf-8")
    assert finish_erasures(scored, clock=lambda: NOW, run_id="night") == [person]
    assert not late.exists()


def test_a_trainee_s_account_goes_and_another_s_only_loses_the_code(scored: Home) -> None:
    person = a_person(scored)
    by = Doer("root", "127.0.0.1", NOW)
    for who, role in (("boss", Role.ADMIN), ("mei.tanaka", Role.TRAINEE), ("kenta", Role.TRAINER)):
        add_account(
            scored, Account(who, role, None if who == "boss" else person), password="Kx9-long-enough!", by=by
        )
    erase(scored, person)
    assert [(one.who, one.person) for one in list_accounts(scored)] == [("boss", None), ("kenta", None)]
    assert all("mei.tanaka" not in (event.about, event.by) for event in last_entries(scored))
    for path in local_path(scored.desk_database).parent.iterdir():
        assert b"mei.tanaka" not in path.read_bytes(), path
    with closing(sqlite3.connect(local_path(scored.desk_database))) as database, pytest.raises(sqlite3.Error):
        database.execute("update log set by = 'x'")


def test_the_next_backup_forgets_those_before_the_erasure(scored: Home, tmp_path: Path) -> None:
    person = a_person(scored)
    own = recordings_of(scored, person)
    place = str(tmp_path / "backups")
    traces = traces_of(scored, {str(one.key) for one in own}, [one.original_name for one in own])
    for hours in (3, 2):
        back_up(scored, place, now=NOW - timedelta(hours=hours))
    erase(scored, person)
    assert traces.left_in(tmp_path / "backups")
    run = back_up(scored, place, now=NOW + timedelta(hours=1))
    assert run.remarks == ()
    assert open_repository(place).snapshot_names() == [run.backup.name]
    assert traces.left_in(tmp_path / "backups") == []
    found = drill(scored, open_repository(place), run.backup.name)
    assert found.problems == ()
    later = back_up(scored, place, now=NOW + timedelta(hours=2))
    assert open_repository(place).snapshot_names() == [run.backup.name, later.backup.name]


def test_backups_of_a_clock_that_was_ahead_are_forgotten_too(scored: Home, tmp_path: Path) -> None:
    place = str(tmp_path / "backups")
    back_up(scored, place, now=NOW + timedelta(days=1))
    erase(scored, a_person(scored))
    run = back_up(scored, place, now=NOW + timedelta(hours=1))
    assert open_repository(place).snapshot_names() == [run.backup.name]
    later = back_up(scored, place, now=NOW + timedelta(hours=2))
    assert open_repository(place).snapshot_names() == [run.backup.name, later.backup.name]


def test_an_erasure_waits_for_runs_that_have_begun_and_is_ended_later(scored: Home) -> None:
    person = a_person(scored)
    own = recordings_of(scored, person)
    report = erase(scored, person, working=("run-1",))
    assert report.waits_for == ("run-1",)
    assert {one.change for one in erasures(scored).values()} == {ErasureChange.BEGUN}
    late = local_path(scored.proxies) / f"{own[0].key.video_id}-still-100.jpg"
    late.parent.mkdir(exist_ok=True)
    late.write_bytes(b"a picture that a run made meanwhile")
    assert finish_erasures(scored, clock=lambda: NOW, run_id="night") == [person]
    assert {one.change for one in erasures(scored).values()} == {ErasureChange.ERASED}
    assert not late.exists()
    late.write_bytes(b"and one that was made even later")
    assert finish_erasures(scored, clock=lambda: NOW, run_id="night") == []
    assert not late.exists()


def test_what_became_the_person_s_after_the_first_call_goes_with_the_next(scored: Home) -> None:
    person = a_person(scored)
    erase(scored, person, working=("run-1",))
    other = next(
        one
        for one in Registry.read(scored).active().values()
        if one.role == "trainee" and one.person != person
    )
    said = {"who": "ann", "why": "it is theirs too", "at": NOW, "run_id": "correct"}
    correct_recordings(scored, [str(other.key)], {"person": person}, **said)  # type: ignore[arg-type]
    assert str(other.key) in preview(scored, person, who="ann", why="asked", at=NOW).plan.keys
    erase(scored, person)
    assert erasures(scored)[str(other.key)].change is ErasureChange.ERASED
    assert not stored_file(scored, other).exists()


def test_names_of_what_was_refused_dropped_again_or_waits_go_too(
    scored: Home, tiny_set: SimulatedSet
) -> None:
    person = a_person(scored)
    own = recordings_of(scored, person)[0]
    folder = local_path(scored.capture) / "filter_change" / "trainee" / "site_b"
    folder.mkdir(parents=True)
    source = next(path for path in tiny_set.trainees if path.name == own.original_name)
    shutil.copy(source, folder / "yamada twice.mp4")
    (folder / "山田 花子.mp4").write_bytes(b"no video at all")
    (folder / "山田 花子.mp4.json").write_text(json.dumps({"person": person}))
    (folder / "sato.mp4").write_bytes(b"no video either")
    drain_capture(scored, run_id="again", now=lambda: NOW, wait=lambda _: None, settle_s=0.0)
    assert len(plain_rows(quarantine_ledger(scored).latest())) == 2
    (folder / "a link that leads nowhere.mp4").symlink_to("/nowhere/at/all.mp4")
    (folder / "yamada waits.mp4").write_bytes(b"not taken in yet")
    (folder / "yamada waits.mp4.json").write_text(json.dumps({"person": person}))
    names = ["yamada", "山田 花子"]
    (local_path(scored.alerts) / "alerts.jsonl").parent.mkdir(exist_ok=True)
    told = {"ja": "山田 花子.mp4を隔離しました。yamada waits.mp4もあります"}
    for ascii_only in (True, False):
        with (local_path(scored.alerts) / "alerts.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(told, ensure_ascii=ascii_only) + "\n")
    spelled = [json.dumps(one)[1:-1] for one in names]
    traces = traces_of(scored, [str(own.key)], [*names, *spelled])
    assert len([one for one in traces.left_in(local_path(scored.root)) if one.startswith("ledgers/")]) >= 2
    erase(scored, person)
    assert traces.left_in(local_path(scored.root)) == []
    refused = plain_rows(quarantine_ledger(scored).latest())
    assert sorted(str(row["original_name"]) for row in refused) == ["(erased)", "sato.mp4"]


def test_names_that_others_have_too_stay_in_texts(scored: Home) -> None:
    person = a_person(scored)
    own = recordings_of(scored, person)[0]
    other = next(one for one in Registry.read(scored).recordings.values() if one.person != person)
    alerts = local_path(scored.alerts) / "alerts.jsonl"
    alerts.parent.mkdir()
    alerts.write_text(f'{{"what": "{own.original_name} and {other.original_name}"}}\n')
    erase(scored, person)
    assert alerts.read_text() == f'{{"what": "(erased) and {other.original_name}"}}\n'
    rows = plain_rows(videos_ledger(scored).all_rows())
    names = {str(row["original_name"]) for row in rows if row["key"] == str(own.key)}
    assert names == {"(erased)"}
    assert {str(row["original_name"]) for row in rows if row["key"] == str(other.key)} == {
        other.original_name
    }
