"""This checkout and an older revision beside it, and their command lines."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "sopilot_assets"


@contextmanager
def checkout(revision: str) -> Iterator[Path]:
    """A folder with the files of a revision, as long as it is needed."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        _git("worktree", "add", "--detach", "--quiet", str(tree), revision)
        try:
            yield tree
        finally:
            _git("worktree", "remove", "--force", str(tree))


def python(tree: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A process of the packages of this environment and the project of ``tree``."""
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    return subprocess.run(
        [sys.executable, *words], env=environment, cwd=tree, capture_output=True, text=True, check=False
    )


def sopilot(tree: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command of the project of ``tree``."""
    return python(tree, "-m", f"{PACKAGE}.cli", *words)


def spelling(tree: Path, spellings: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """How the command line of ``tree`` spells a command: the first of ``spellings`` that it knows."""
    for words in spellings:
        usage = " ".join(sopilot(tree, *words, "--help").stdout.split())
        if words[0].startswith("-") or f"sopilot {' '.join(words)} [" in usage:
            return words
    raise SystemExit(f"{tree}: knows none of {[' '.join(words) for words in spellings]}")


def _git(*words: str) -> None:
    subprocess.run(["git", *words], cwd=ROOT, check=True)
