"""The results of this checkout beside those of an older revision: the same recordings, taken the whole way.

    python -m benchmarks.same_results --before 8ffb0d8

A drop of simulated recordings becomes scores, labels, a study with its dossier, a daily report, a backup and
its listing, and a demonstration, by the command line of each. Then every file and every ledger row are
compared, apart from ids, times, signatures, code, what was measured of the disk, and commands renamed
on purpose. Exit code 1 where anything else differs.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks._checkouts import ROOT, checkout, sopilot, spelling
from sopilot_assets.cli.renamed import NEW_NAMES
from sopilot_assets_tests.soak.same import Content, content_differences, content_of
from sopilot_assets_tests.soak.way import STUDY, TASK, prepare

DEMO: Final = ("--golds", "2", "--trainees", "4", "--size", "320x240", "--step-seconds", "3")
WAY: Final = (
    ((("capture", "register"), ("capture", "intake")), ()),
    ((("score", "run"), ("score",)), ()),
    ((("label", "import"), ("labels", "import")), (TASK, "{folder}/ann.csv")),
    ((("label", "import"), ("labels", "import")), (TASK, "{folder}/bob.csv")),
    ((("study", "register"),), (STUDY, "--by", "tests")),
    ((("study", "run"),), (STUDY,)),
    ((("report", "show"), ("daily",)), ()),
    ((("backup", "create"),), ("{folder}/backups",)),
)
"""The commands of the way, each as revisions spell it, and its arguments."""

CODE: Final = re.compile(r"(^|/)verify\.py$")
"""Published files that are code."""

_OLD: Final = "|".join(map(re.escape, sorted(NEW_NAMES, key=len, reverse=True)))
RENAMED: Final = re.compile(rf"sopilot ({_OLD})\b(?! (?:run|list|apply)\b)")
"""Commands that were renamed on purpose, as they were called."""

MEASURED: Final = re.compile(
    r"""(?:free|home)_(?:gib|bytes)":\ [\d.]+  # what the disk said at that moment
    | <tr><td\ class="number">[\d.]+</td><td\ class="number">[\d.]+</td><td\ class="growth_gib_a_day
    | \d{8}T\d{6}Z | \d\d:\d\d(?=\ UTC) | (?<=UTC\ )\d\d:\d\d  # times as pages and backups have them
    | "verify\.py":\ \{\s*"bytes":\ \d+
    | 'bytes':\ \d+,\ 'new_objects' | 'new_bytes':\ \d+ | 'seconds':\ [\d.]+ | "bytes":\ \d+,\s*"left_out"
    """,
    re.VERBOSE,
)


def main() -> int:
    """Take both ways, compare, and print every difference."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--before", required=True, help="the older revision")
    parser.add_argument("--seed", type=int, default=5, help="of the simulated recordings (default 5)")
    parser.add_argument("--keep", type=Path, help="leave the homes of both in this folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made, checkout(options.before) as before:
        folder = options.keep or Path(made)
        prepare(folder / "dropped", seed=options.seed)
        for name, tree in (("before", before), ("now", ROOT)):
            take_the_way(tree, folder / name, folder / "dropped")
        faults = compare(folder / "before", folder / "now")
    print("\n".join(faults) or "No file and no row differs.")
    return 1 if faults else 0


def take_the_way(tree: Path, folder: Path, dropped: Path) -> None:
    """Run every command of the way with the project of ``tree`` on copies in ``folder``."""
    shutil.copytree(dropped, folder)
    home = folder / "home"
    for spellings, words in WAY:
        _run(tree, home, spelling(tree, spellings), *(word.format(folder=folder) for word in words))
    listing = _run(tree, home, ("backup", "list"), str(folder / "backups"), "--json")
    (home / "backups.json").write_text(listing, encoding="utf-8")
    _run(tree, folder / "demo", spelling(tree, (("demo", "run"), ("demo",))), *DEMO)


def compare(before: Path, now: Path) -> list[str]:
    """What differs in the homes and in those of the demonstrations."""
    return [
        f"{home}: {fault}"
        for home in ("home", "demo")
        for fault in content_differences(*(_content(folder, home) for folder in (before, now)))
    ]


def _run(tree: Path, home: Path, command: tuple[str, ...], *words: str) -> str:
    done = sopilot(tree, "--home", str(home), *command, *words)
    print(f"{home.parent.name}: sopilot {' '.join((*command, *words))}: exit code {done.returncode}")
    if done.returncode:
        sys.exit(f"{done.stdout}\n{done.stderr}")
    return done.stdout


def _content(folder: Path, home: str) -> Content:
    """What a home holds, in the words of today, without what was measured and without paths of its own."""
    found = content_of(folder / home)
    texts = {name: _plain(text, folder) for name, text in found.text.items() if not CODE.search(name)}
    return Content(texts, found.binary)


def _plain(text: str, folder: Path) -> str:
    plain = MEASURED.sub("<measured>", text).replace(str(folder), "<folder>")
    return RENAMED.sub(lambda match: f"sopilot {NEW_NAMES[match[1]]}", plain)


if __name__ == "__main__":
    sys.exit(main())
