"""The one file ``verify.py`` of a dossier, joined from the modules of `dossier.verifier`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.resources import files
from typing import Final

from sopilot_assets.errors import DossierError

MODULES: Final = (
    "fields",
    "findings",
    "numbers",
    "ed25519",
    "signature",
    "tables",
    "erased",
    "files",
    "labels",
    "kappa",
    "figures",
    "claims",
    "detectors",
    "gates",
    "evidence",
    "verify",
    "report",
)
"""The verifier's modules, each after those it imports."""

_PACKAGE: Final = "sopilot_assets.dossier.verifier"

_HEAD: Final = '''#!/usr/bin/env python3
"""Verify this dossier: recompute its figures from its rows, check its hashes, chain and signature.

    python verify.py                      the dossier in this file's folder
    python verify.py DOSSIER.zip          another one
    python verify.py --signer KEY.pub     and that it was signed with this key, which you got from elsewhere

Python 3.11 or newer, its standard library, no network. Exit code 0: everything agrees; 1: it does not, and
the files are named. A copy that came with the dossier can only say that the dossier agrees with itself: to be
independent of its sender, use a copy from elsewhere, or `sopilot dossier verify`.
"""

from __future__ import annotations

import os
import sys

# a file named json.py in this folder must not stand in for the library
_HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:] = [place for place in sys.path if os.path.abspath(place or ".") != _HERE]
'''


def verify_script() -> str:
    """The text of ``verify.py``; the same package gives the same text.

    Raises `DossierError` where two modules would define the same name.
    """
    owners: dict[str, str] = {}
    parts = [_HEAD]
    for module in MODULES:
        source = files(_PACKAGE).joinpath(f"{module}.py").read_text(encoding="utf-8")
        for name in _defined(ast.parse(source)):
            if owners.setdefault(name, module) != module:
                raise DossierError(
                    f"verifier: {owners[name]}.py and {module}.py both define {name}; rename one of them."
                )
        parts.append(f"\n\n# {module}: {'-' * (98 - len(module))}\n{_body(source)}")
    return "".join(parts) + '\n\nif __name__ == "__main__":\n    sys.exit(main(sys.argv[1:]))\n'


def _defined(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (one.id for one in targets if isinstance(one, ast.Name))


def _body(source: str) -> str:
    """The source without its docstring (kept as comments), future imports and imports of its neighbours."""
    tree = ast.parse(source)
    lines = source.splitlines()
    dropped: set[int] = set()
    for node in tree.body:
        joined = isinstance(node, ast.ImportFrom) and (
            node.module == "__future__" or str(node.module).startswith(_PACKAGE)
        )
        docstring = node is tree.body[0] and isinstance(node, ast.Expr)
        if joined or docstring:
            dropped |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    comment = "".join(f"# {line}".rstrip() + "\n" for line in (ast.get_docstring(tree) or "").splitlines())
    kept = [line for number, line in enumerate(lines, start=1) if number not in dropped]
    return comment + "\n" + "\n".join(kept).strip("\n") + "\n"
