"""Pictures that people see come by one way, and what is judged by another."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import sopilot_assets

PACKAGE = Path(sopilot_assets.__file__).parent
AS_FILMED = {"frames_at", "open_frames", "Reading", "open_video"}
"""What gives pictures as they were filmed."""
JUDGES = ("embedding", "capture", "video", "bench", "reference", "alignment")
"""Rooms that look at pictures and show them to nobody; what is simulated or damaged on purpose is filmed."""
WRITES = {"write_h264", "imwrite", "imencode", "VideoWriter", "fromarray", "add_stream"}
"""What makes a video or picture of pictures."""
READS = {"VideoCapture", "imread", "PyAV"}
"""What else could read pictures of a recording."""
SHOW = {
    "scoring/review/proxy.py",
    "scoring/review/stills.py",
    "stations/instruction_pictures.py",
    "stations/marking_media.py",
}
"""What shows pictures of recordings; all of it takes them from `shown_frames`."""


def names(tree: ast.AST) -> Iterator[str]:
    """All names that a file uses, imported or called; the module ``av`` by its name in the registry."""
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                yield from ("PyAV" for alias in node.names if alias.name.partition(".")[0] == "av")
            case ast.ImportFrom():
                yield from (alias.name for alias in node.names)
            case ast.Attribute():
                yield node.attr
            case ast.Name():
                yield node.id


@cache
def used() -> dict[str, frozenset[str]]:
    """The names that each file outside of what judges uses."""
    paths = [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in JUDGES]
    return {
        path.relative_to(PACKAGE).as_posix(): frozenset(names(ast.parse(path.read_text("utf-8"))))
        for path in paths
    }


def files_with(wanted: set[str]) -> set[str]:
    """The files outside of what judges that use any of these names."""
    return {file for file, its in used().items() if wanted & its}


def test_only_one_function_gives_pictures_to_show() -> None:
    # the proxy's module asks a container for its codec and its tracks, and reads no picture from it
    proxy = "scoring/review/proxy.py"
    assert files_with(AS_FILMED) == {"privacy/covering.py", proxy}
    assert AS_FILMED & used()[proxy] == {"open_video"}
    assert "decode" not in used()[proxy]


def test_whoever_makes_pictures_takes_them_from_there() -> None:
    assert files_with({"shown_frames"}) - {"privacy/covering.py"} == SHOW
    assert files_with(WRITES) == SHOW
    assert files_with(READS) == set()
