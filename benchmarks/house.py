"""How the package is built, in figures, beside an older revision: sizes, circles, doubled names, commands.

    python -m benchmarks.house                     # this checkout
    python -m benchmarks.house --before 8ffb0d8    # and an older revision, side by side

A circle is a group of modules that import each other, imports inside functions included. Modules and CPU of
commands are those of a process of its own on a home without recordings; CPU is the least of several runs.
"""

from __future__ import annotations

import argparse
import ast
import re
import resource
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from benchmarks._checkouts import PACKAGE, ROOT, checkout, python, sopilot, spelling

READING = {
    "score list": (("score", "list"), ("show", "scores")),
    "--version": (("--version",),),
    "home doctor": (("home", "doctor"), ("doctor",)),
}
"""A command that reads, and how revisions spell it."""

_COUNT_MODULES = """
import sys
from sopilot_assets.cli import app
try:
    app(sys.argv[1:], standalone_mode=True)
except SystemExit:
    pass
print(len(sys.modules), file=sys.stderr)
"""
_COUNT_COMMANDS = """
import click, typer
from sopilot_assets.cli import app
def leaves(command, context):
    if not hasattr(command, "list_commands"):
        return 1
    return sum(leaves(command.get_command(context, name), context) for name in command.list_commands(context))
root = typer.main.get_command(app)
print(leaves(root, click.Context(root)))
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--before", help="a revision to show beside this checkout")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each command (default 5)")
    options = parser.parse_args()
    columns = {"now": figures(ROOT, repeats=options.repeats)}
    if options.before:
        with checkout(options.before) as before:
            columns = {options.before: figures(before, repeats=options.repeats), **columns}
    print(f"| | {' | '.join(columns)} |\n|---|{'--:|' * len(columns)}")
    for name in columns["now"]:
        print(f"| {name} | {' | '.join(str(column[name]) for column in columns.values())} |")


def figures(tree: Path, *, repeats: int) -> dict[str, str | int]:
    """The figures of one checkout, by name."""
    modules = {_dotted(path, tree): path for path in sorted((tree / PACKAGE).rglob("*.py"))}
    imports = {name: set(_imports(path, modules)) for name, path in modules.items()}
    texts = {name: path.read_text(encoding="utf-8") for name, path in modules.items()}
    private = {name for name, text in texts.items() if re.search(r"(?:from|import) dagster\w*\._", text)}
    rooms: Counter[str] = Counter()
    for name, text in texts.items():
        rooms[name.split(".")[1] if "." in name else PACKAGE] += len(text.splitlines())
    lines = sum(rooms.values())
    (largest, most), *_ = rooms.most_common(1)
    classes = Counter(name for text in texts.values() for name in _public_classes(text))
    any_lines = {name: len(re.findall(r"^(?!\s*#).*\bAny\b.*$", text, re.M)) for name, text in texts.items()}
    return {
        "lines of the package": lines,
        "lines of the tests": sum(_lines(path) for path in (tree / f"{PACKAGE}_tests").rglob("*.py")),
        "modules": len(modules),
        "largest room and its share": f"{largest}, {most / lines:.0%}",
        "circles of imports": _circles(imports),
        "public class names used twice": sum(count > 1 for count in classes.values()),
        "lines with Any outside private Dagster": sum(
            count for name, count in any_lines.items() if name not in private
        ),
        "modules on private Dagster": len(private),
        "packages that hold them": len({name.rpartition(".")[0] for name in private}),
        "commands": int(python(tree, "-c", _COUNT_COMMANDS).stdout.split()[-1]),
        **_reading(tree, repeats),
    }


def _reading(tree: Path, repeats: int) -> dict[str, str]:
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        home = str(Path(folder) / "home")
        sopilot(tree, "--home", home, *spelling(tree, (("home", "init"), ("init",))))
        for name, spellings in READING.items():
            words = spelling(tree, spellings)
            counted = python(tree, "-c", _COUNT_MODULES, "--home", home, *words)
            cpu_s = min(_cpu_s(tree, "-m", f"{PACKAGE}.cli", "--home", home, *words) for _ in range(repeats))
            found[f"`{name}`: modules"] = counted.stderr.split()[-1]
            found[f"`{name}`: CPU, s"] = f"{cpu_s:.2f}"
    return found


def _cpu_s(tree: Path, *words: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    python(tree, *words)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _dotted(path: Path, tree: Path) -> str:
    return ".".join(path.relative_to(tree).with_suffix("").parts).removesuffix(".__init__")


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def _public_classes(text: str) -> list[str]:
    nodes = ast.walk(ast.parse(text))
    return [node.name for node in nodes if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]


def _imports(path: Path, modules: Mapping[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                if name in modules or node.module in modules:
                    yield name if name in modules else node.module


def _circles(imports: Mapping[str, set[str]]) -> int:
    """How many groups of two modules and more can be reached from each other."""
    places = {name: place for place, name in enumerate(imports)}
    edges = [(places[name], places[other]) for name, others in imports.items() for other in others - {name}]
    rows, columns = zip(*edges, strict=True)
    graph = csr_matrix(([1] * len(edges), (rows, columns)), shape=(len(places), len(places)))
    _, groups = connected_components(graph, connection="strong")
    return sum(size > 1 for size in Counter(groups.tolist()).values())


if __name__ == "__main__":
    main()
