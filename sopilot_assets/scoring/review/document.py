"""Self-contained HTML documents: one file, no network, only the script and the style that it came with."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final, TypeAlias

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup

Json: TypeAlias = str | int | float | bool | Sequence["Json"] | Mapping[str, "Json"] | None

_SCRIPT_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


OWN: Final = "sopilot_assets.scoring.review"
"""The package whose template files every document may use."""


def render(
    template: str,
    *,
    styles: Sequence[str],
    script: str | None,
    values: Mapping[str, object],
    package: str = OWN,
) -> str:
    """The document made from a template and its style and script files, with ``values`` escaped.

    The files are those of ``package``, else ours. The document's content security policy forbids every
    connection, and every script and style but these, by their hash.
    """
    style, code = "".join(_text(name, package) for name in styles), _text(script, package) if script else ""
    policy = (
        "default-src 'none'; img-src data:; media-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src 'sha256-{_digest(style)}'; script-src 'sha256-{_digest(code)}'"
    )
    return _template(template, package).render(
        {**values, "style": Markup(style), "script": Markup(code), "policy": Markup(policy)}  # noqa: S704
    )


def script_json(content: Json) -> Markup:
    """The content as JSON that cannot end the script element it stands in."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for letter, escape in _SCRIPT_ESCAPES.items():
        text = text.replace(letter, escape)
    return Markup(text)  # noqa: S704


def data_uri(path: Path, *, kind: str) -> str:
    """The file's bytes as a ``data:`` URI of the media type ``kind``."""
    return bytes_uri(path.read_bytes(), kind=kind)


def bytes_uri(content: bytes, *, kind: str) -> str:
    """The bytes as a ``data:`` URI of the media type ``kind``."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


@cache
def _template(name: str, package: str) -> Template:
    """The compiled template; compiling takes longer than rendering."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        loader=FunctionLoader(lambda included: _text(included, package)),
    )
    return environment.get_template(name)


@cache
def _text(name: str, package: str) -> str:
    found = files(package).joinpath("templates", name)
    return (found if found.is_file() else files(OWN).joinpath("templates", name)).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
