"""The layout of the package: who may import whom, how long files are, what every module says of itself."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from sopilot_assets_tests.rooms import BELOW_ALL, FLOW, ON_TOP, PACKAGE, PICTURE, picture, sentence_of

TESTS = Path(__file__).parent
LINES_MAX = 500

WEB = {"dagster", "dagster_webserver", "dagster_graphql", "starlette", "fastapi", "flask"}

MODULES = sorted(PACKAGE.rglob("*.py"))
DAGSTER_INTERNALS = PACKAGE / "defs" / "dagster_internals"
POSIX = PACKAGE / "processes" / "posix"
SYSTEMD = PACKAGE / "upkeep" / "services"
POSIX_MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
POSIX_NAMES = {  # of modules that other systems have as well
    "os": "chown fchdir fchmod fchown fork forkpty geteuid getpgid getpgrp getsid getuid initgroups killpg "
    "lchown memfd_create mkfifo nice openpty pipe2 posix_spawn pread pwrite register_at_fork sendfile "
    "setegid seteuid setgid setpgid setsid setuid statvfs sysconf uname wait wait3 wait4 waitid waitpid "
    "WNOHANG O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK",
    "select": "epoll poll",
    "signal": "alarm pthread_sigmask setitimer sigwait SIGALRM SIGCHLD SIGHUP SIGKILL SIGQUIT "
    "SIGUSR1 SIGXCPU",
    "socket": "recv_fds send_fds AF_UNIX",
    "time": "clock_gettime CLOCK_BOOTTIME",
}
POSIX_ARGUMENTS = {"dir_fd", "pass_fds", "preexec_fn", "process_group", "start_new_session"}


def part_of(path: Path) -> str:
    """The part that a file belongs to: ``tasks`` for ``tasks/spec.py``, ``disk`` for ``disk.py``."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


DOMAIN = [path for path in MODULES if part_of(path) in FLOW]


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All of a file's syntax tree."""
    return tuple(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@cache
def imports(path: Path) -> frozenset[str]:
    """The dotted names a file imports anywhere, functions and type-checking blocks included."""
    found = list[str]()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno}: relative import"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return frozenset(found)


def own_parts(path: Path) -> set[str]:
    """The parts of this package that a file imports: ``tasks`` for ``sopilot_assets.tasks.spec``."""
    split = [dotted.split(".") for dotted in imports(path)]
    return {rest[0] for package, *rest in split if package == PACKAGE.name and rest}


def outside(path: Path) -> set[str]:
    """The packages that a file imports."""
    return {dotted.split(".")[0] for dotted in imports(path)}


def wrong(paths: Iterable[Path], found: Callable[[Path], Iterable[str]]) -> dict[str, list[str]]:
    """What was found in each file, by its name; files without anything are left out."""
    return {name_of(path): sorted(what) for path in paths if (what := set(found(path)))}


def test_a_domain_module_imports_only_from_its_left() -> None:
    def not_allowed(path: Path) -> set[str]:
        return own_parts(path) - BELOW_ALL - set(FLOW[: FLOW.index(part_of(path)) + 1]) - {"__version__"}

    assert wrong(DOMAIN, not_allowed) == {}


def test_what_stands_on_top_imports_only_from_its_left_too() -> None:
    def above(path: Path) -> set[str]:
        return own_parts(path) & set(ON_TOP[ON_TOP.index(part_of(path)) + 1 :])

    assert wrong((path for path in MODULES if part_of(path) in ON_TOP), above) == {}


def test_a_domain_module_knows_neither_dagster_nor_the_web() -> None:
    assert wrong(DOMAIN, lambda path: outside(path) & WEB) == {}


def test_the_desk_knows_nothing_of_dagster() -> None:
    desk = (path for path in MODULES if part_of(path) == "desk")
    assert wrong(desk, lambda path: outside(path) & (WEB - {"starlette"})) == {}


def test_the_private_parts_of_dagster_are_in_one_folder() -> None:
    def private(path: Path) -> set[str]:
        ours = {name for name in imports(path) if name.startswith("dagster._")}
        return ours | {name for name in imports(path) if name.split(".")[0].startswith("dagster_")}

    others = (path for path in MODULES if path.parent != DAGSTER_INTERNALS)
    assert wrong(others, private) == {}, (
        f"put what needs it into {name_of(DAGSTER_INTERNALS)}, with what test_a_new_dagster.py says of it."
    )


def posix(path: Path) -> Iterator[str]:
    """What a file names that only POSIX has."""
    for dotted in imports(path):
        owner, _, name = dotted.partition(".")
        if owner in POSIX_MODULES or name in POSIX_NAMES.get(owner, "").split():
            yield f"import of {dotted}"
    for node in nodes(path):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in POSIX_NAMES.get(node.value.id, "").split():
                yield f"{node.value.id}.{node.attr}"
        elif isinstance(node, ast.keyword) and node.arg in POSIX_ARGUMENTS:
            yield f"{node.arg}="
        elif isinstance(node, ast.Constant) and str(node.value).startswith(("/proc", "/sys/", "/dev/")):
            yield repr(node.value)


def test_what_only_posix_has_is_in_one_folder_but_for_what_writes_units_of_systemd() -> None:
    others = (path for path in MODULES if path.parent not in (POSIX, SYSTEMD))
    assert wrong(others, posix) == {}, f"put what needs it into {name_of(POSIX)}"


def dotted_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def needed(path: Path) -> Iterator[str]:
    """The modules of the package that a file imports when it runs, also within functions; what only types
    need does not run.
    """
    for_types = {
        id(node)
        for block in nodes(path)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and id(node) not in for_types:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in NAMES else str(node.module)


NAMES = {dotted_name(path) for path in MODULES}


def test_no_module_is_needed_by_what_it_needs() -> None:
    left = {dotted_name(path): set(needed(path)) & NAMES - {dotted_name(path)} for path in MODULES}
    while free := {name for name, others in left.items() if not others & set(left)}:
        left = {name: others for name, others in left.items() if name not in free}
    # what only needs a circle is none of it
    while unneeded := set(left) - {other for others in left.values() for other in others}:
        left = {name: others for name, others in left.items() if name not in unneeded}
    circles = {name: sorted(others & set(left)) for name, others in sorted(left.items())}
    assert circles == {}, "move what both need below them"


@pytest.mark.parametrize("name", sorted(BELOW_ALL))
def test_what_is_below_all_imports_nothing_of_the_package(name: str) -> None:
    assert own_parts(PACKAGE / f"{name}.py") == set()


def test_every_part_of_the_package_has_its_place_in_the_flow() -> None:
    parts = {part_of(path) for path in MODULES} - {"__init__"}
    assert parts <= {*FLOW, *BELOW_ALL, *ON_TOP}


def test_no_file_is_longer_than_can_be_read_in_one_go() -> None:
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: length for name, length in lengths.items() if length >= LINES_MAX} == {}


def docstring_of(path: Path) -> str:
    tree = nodes(path)[0]
    assert isinstance(tree, ast.Module)
    return ast.get_docstring(tree) or ""


def test_every_module_says_what_it_is() -> None:
    assert [name_of(path) for path in MODULES if path.stat().st_size and not docstring_of(path)] == []


def test_tests_lie_where_the_code_lies() -> None:
    folders = {path.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py") if path.parent != TESTS}
    parts = {path.relative_to(PACKAGE).parts[0] for path in MODULES}
    assert folders - {"soak"} <= parts  # the soak runs all of it together


def test_the_picture_of_the_rooms_is_the_one_of_this_list() -> None:
    assert PICTURE.read_text(encoding="utf-8") == picture(), "run: python -m sopilot_assets_tests.rooms"


@pytest.mark.parametrize("room", [*FLOW, "defs", "cli"])
def test_every_room_says_what_it_holds_reads_and_writes(room: str) -> None:
    path = PACKAGE / room / "__init__.py" if (PACKAGE / room).is_dir() else PACKAGE / f"{room}.py"
    docstring = docstring_of(path)
    assert sentence_of(room).endswith(".")
    assert re.search(r"\b[Rr]eads?\b", docstring), room
    assert re.search(r"\b[Ww]rit(es?|ten)\b", docstring), room


def test_no_two_public_classes_share_a_name() -> None:
    where = defaultdict[str, list[str]](list)
    for path in MODULES:
        for node in nodes(path):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                where[node.name].append(name_of(path))
    assert {name: files for name, files in where.items() if len(files) > 1} == {}
