"""Stores a small home, as some version made it, for the tests of later ones.

    PYTHONPATH=<a checkout of that version> python store_home.py /srv/sopilot_home home_0_1_0.tar.xz

Run by its path, with the commands of that version: recordings are dropped, taken in and scored, labels and a
study lead to a signed dossier. What only work on the recordings needs is left out (videos, all alignments but
one, the private key, all review pages but the list), and pictures in Dagster's history become one pixel, so
that the archive stays small. Where the program lay is written as ``/opt/sopilot``.
"""

from __future__ import annotations

import lzma
import re
import shutil
import sqlite3
import sys
import tarfile
from contextlib import closing
from pathlib import Path

from typer.testing import CliRunner

import sopilot_assets
from sopilot_assets.cli import app
from sopilot_assets_tests.soak.way import commands, prepare

LEFT_OUT = ("capture", "keys", "models", "proxies", "videos", "dagster/storage")
PICTURE = re.compile(r"data:image/png;base64,[A-Za-z0-9+/=]{200,}")
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR42mNgAAAAAgAB4iG8MwAAAABJRU5E"
    "rkJggg=="
)


def main() -> None:
    """Make the home at the first argument, and the archive at the second."""
    home, archive = Path(sys.argv[1]), Path(sys.argv[2])
    folder = home.parent / "made"
    folder.mkdir()
    prepare(folder, seed=3)
    (folder / "home").rename(home)
    for words in (("home", "init"), *(one.words for one in commands(folder))):
        done = CliRunner().invoke(app, ["--home", str(home), *words])
        if done.exit_code:
            sys.exit(f"{words}: {done.output}")
    strip(home)
    pack(home, archive)
    shutil.rmtree(folder)


def strip(home: Path) -> None:
    """Remove what is left out, and the folders of this machine from the databases."""
    for name in LEFT_OUT:
        shutil.rmtree(home / name, ignore_errors=True)
    for path in sorted(home.glob("alignments/*/*"), key=lambda one: one.stat().st_size)[1:]:
        path.unlink()
    for path in home.rglob("*"):
        is_page = path.parent.name == "reviews" and path.name != "index.html"
        if path.is_file() and (is_page or path.suffix in {".zip", ".lock"} or path.stat().st_size == 0):
            path.unlink()
    for path in home.rglob("*.db"):
        with closing(sqlite3.connect(path)) as database:
            neutral(database)
            database.execute("pragma journal_mode = delete")
            database.execute("vacuum")


def neutral(database: sqlite3.Connection) -> None:
    """Write ``/opt/sopilot`` for where the program lay, and one pixel for each picture."""
    ours = {str(Path(sopilot_assets.__file__).parents[1]), str(Path(sys.executable).parents[1])}

    def changed(text: str) -> str:
        for one in ours:
            text = text.replace(one, "/opt/sopilot")
        return PICTURE.sub(PIXEL, text)

    database.create_function("changed", 1, changed)
    tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
    for table in tables:
        for _, column, kind, *_ in list(database.execute(f'pragma table_info("{table}")')):
            if "CHAR" in kind.upper() or "TEXT" in kind.upper():
                is_text = f"typeof(\"{column}\") = 'text'"
                database.execute(f'update "{table}" set "{column}" = changed("{column}") where {is_text}')
    database.commit()


def pack(home: Path, archive: Path) -> None:
    """All of it, without times and owners."""
    with (
        lzma.open(archive, "wb", preset=9 | lzma.PRESET_EXTREME) as out,
        tarfile.open(mode="w", fileobj=out) as made,
    ):
        for path in sorted(home.rglob("*")):
            entry = made.gettarinfo(path, f"home/{path.relative_to(home)}")
            entry.mtime = entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            if path.is_file():
                with path.open("rb") as content:
                    made.addfile(entry, content)
            else:
                made.addfile(entry)


if __name__ == "__main__":
    main()
