"""Where Dagster keeps its records in PostgreSQL, an erasure reaches them there too."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psycopg2
import pytest

from sopilot_assets.capture.registry import Registry
from sopilot_assets.errors import ErasureError, StoreError
from sopilot_assets.store.home import Home
from sopilot_assets.upkeep.erasing import postgres
from sopilot_assets.upkeep.erasing.databases import ShownInEvents, clean_dagster
from sopilot_assets.upkeep.erasing.postgres import clean_postgres
from sopilot_assets.upkeep.erasing.texts import NamesInText
from sopilot_assets.upkeep.setting_up import Profile, dagster_home, prepare_home
from sopilot_assets_tests.defs.scale.engines import free_port, postgres_server
from sopilot_assets_tests.upkeep.erasing.erased import a_person, erase, recordings_of

pytestmark = pytest.mark.whole

PICTURE = "data:image/png;base64," + "QUJD" * 400
ERASED, OTHER = (f"wash-t-{digit * 12}" for digit in "12")
SCORES = dg.AssetKey("scores")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture
def database(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty database, which processes find through the environment."""
    url = server.replace("+psycopg2", "")
    for_nobody = psycopg2.connect(url)
    for_nobody.autocommit = True
    for_nobody.cursor().execute("create database of_one_test")
    monkeypatch.setenv("SOPILOT_POSTGRES_URL", server.removesuffix("/postgres") + "/of_one_test")
    monkeypatch.setenv("SOPILOT_BROKER_URL", f"redis://127.0.0.1:{free_port()}/0")
    yield url.removesuffix("/postgres") + "/of_one_test"
    for_nobody.cursor().execute("drop database of_one_test with (force)")
    for_nobody.close()


def prepared(home: Home, url: str) -> None:
    """A home of several machines; its tables keep texts as they are, so that they can be searched for."""
    prepare_home(home, Profile.SCALE)
    dg.DagsterInstance.from_config(str(dagster_home(home))).dispose()
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select table_name, column_name from information_schema.columns where data_type = 'text'"
            " and table_schema = 'public'"
        )
        for table, column in cursor.fetchall():
            cursor.execute(f'alter table "{table}" alter column "{column}" set storage external')


def tell_of(home: Home, key: str, file: str) -> None:
    """What a run says of a recording's score, in the records of the home's Dagster."""
    metadata = {"picture": dg.MetadataValue.md(f"![{file}]({PICTURE})"), "score": 93.0, "file": file}
    with dg.DagsterInstance.from_config(str(dagster_home(home))) as instance:
        instance.report_runless_asset_event(
            dg.AssetMaterialization(SCORES, partition=key, metadata=dict(metadata))
        )


def told_of(home: Home, key: str) -> set[str]:
    """The labels of metadata that Dagster shows of a recording's score."""
    with dg.DagsterInstance.from_config(str(dagster_home(home))) as instance:
        (found,) = instance.fetch_materializations(
            dg.AssetRecordsFilter(SCORES, asset_partitions=[key]), limit=9
        ).records
    assert found.asset_materialization is not None
    return set(found.asset_materialization.metadata)


def files_of(url: str) -> bytes:
    """The bytes of all files that the database's tables consist of now."""
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("checkpoint")
        cursor.execute("select oid from pg_database where datname = current_database()")
        (number,) = cursor.fetchone() or (None,)
        cursor.execute("show data_directory")
        (folder,) = cursor.fetchone() or (None,)
    return b"".join(path.read_bytes() for path in Path(f"{folder}/base/{number}").iterdir())


def test_pictures_and_names_of_an_erased_person_go_from_the_tables_and_their_files(
    original: Home, tmp_path: Path, database: str
) -> None:
    home = Home.at(shutil.copytree(str(original.root), tmp_path / "home"))
    shutil.rmtree(dagster_home(home), ignore_errors=True)
    prepared(home, database)
    person = a_person(home)
    own = recordings_of(home, person)
    others = [one for one in Registry.read(home).recordings.values() if one.person != person]
    for one in (own[0], others[0]):
        tell_of(home, str(one.key), one.original_name)
    assert files_of(database).count(own[0].original_name.encode()) > 0
    done = erase(home, person)
    assert done.cells > 0
    assert told_of(home, str(own[0].key)) == {"score"}
    assert told_of(home, str(others[0].key)) == {"picture", "score", "file"}
    assert own[0].original_name.encode() not in files_of(database)
    assert others[0].original_name.encode() in files_of(database)


def test_what_a_killed_look_left_in_the_files_goes_with_the_next(database: str, tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    prepared(home, database)
    tell_of(home, ERASED, "tanaka.mp4")
    tell_of(home, OTHER, "sato.mp4")
    shown = ShownInEvents(frozenset(), frozenset({ERASED}), NamesInText(["tanaka.mp4"]))
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("select id, event from event_logs")
        for number, event in cursor.fetchall():
            # as a look that was killed before the tables were written anew
            cursor.execute("update event_logs set event = %s where id = %s", (shown.cleaned(event), number))
    assert b"tanaka.mp4" in files_of(database)
    assert clean_dagster(home, shown.cleaned) == 0
    assert b"tanaka.mp4" not in files_of(database)
    assert told_of(home, ERASED) == {"score", "file"}
    assert told_of(home, OTHER) == {"picture", "score", "file"}


def test_a_row_that_somebody_writes_meanwhile_is_looked_at_again(database: str) -> None:
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("create table runs (id integer, body varchar(200), status text)")
        cursor.execute("insert into runs values (1, 'took in tanaka.mp4', null), (2, 'sato.mp4', 'done')")
    seen: list[str] = []

    def meanwhile(text: str) -> str:
        if not seen:
            with psycopg2.connect(database) as other, other.cursor() as cursor:
                cursor.execute("update runs set status = 'tanaka.mp4 done' where id = 1")
        seen.append(text)
        return text.replace("tanaka.mp4", "(erased)")

    assert clean_postgres(meanwhile) == 2
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("select body, status from runs order by id")
        assert cursor.fetchall() == [("took in (erased)", "(erased) done"), ("sato.mp4", "done")]


def test_who_holds_a_table_for_long_is_named_and_the_next_call_goes_on(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "WAIT_S", 1)
    with psycopg2.connect(database) as connection, connection.cursor() as cursor:
        cursor.execute("create table runs (body text)")
        cursor.execute("insert into runs values (%s)", (json.dumps({"file": "tanaka.mp4"}),))
    names = NamesInText(["tanaka.mp4"])
    with psycopg2.connect(database) as reader, reader.cursor() as cursor:
        cursor.execute("select * from runs")
        with pytest.raises(ErasureError, match=r"cannot be changed \(.*lock timeout.*same command"):
            clean_postgres(names.removed)
    assert clean_postgres(names.removed) == 0
    assert b"tanaka" not in files_of(database)


def test_without_the_database_an_erasure_says_what_is_missing(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home.at(tmp_path)
    prepare_home(home, Profile.SCALE)
    monkeypatch.setenv("SOPILOT_POSTGRES_URL", f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    with pytest.raises(ErasureError, match="See that the database can be reached"):
        clean_dagster(home, str)
    monkeypatch.delenv("SOPILOT_POSTGRES_URL")
    with pytest.raises(StoreError, match="SOPILOT_POSTGRES_URL is not set"):
        clean_dagster(home, str)
