"""The documentation as pages that a browser shows without a network."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path
from typing import Final

import markdown

STYLE: Final = """
body { font: 16px/1.55 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
pre { background: #f4f4f2; padding: .8rem; overflow-x: auto; } code { font-size: .92em; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { border: 1px solid #ccc; padding: .25rem .6rem; text-align: left; vertical-align: top; }
img { max-width: 100%; } a { color: #0b5394; }
"""
_TO_MARKDOWN: Final = re.compile(r'href="(?!https?:)([^"#]*?)(\w[\w-]*)\.md(#[^"]*)?"')


def write_pages(root: Path, folder: Path) -> None:
    """The Markdown files of the project ``root`` and of its `docs/` as HTML in ``folder``, with pictures; the
    README is `index.html`, and links between pages lead to pages.
    """
    folder.mkdir(parents=True)
    sources = [*sorted(root.glob("*.md")), *sorted((root / "docs").glob("*.md"))]
    for source in sources:
        name = "index" if source.stem == "README" else source.stem
        (folder / f"{name}.html").write_text(page(source.read_text(encoding="utf-8")), encoding="utf-8")
    for picture in sorted((root / "docs").iterdir()):
        if picture.suffix in (".png", ".svg"):
            shutil.copy(picture, folder)


def page(text: str) -> str:
    """A page of one Markdown text."""
    body = markdown.markdown(text, extensions=["tables", "fenced_code", "toc"], output_format="html")
    body = _TO_MARKDOWN.sub(_to_page, body).replace('="docs/', '="')
    title = re.search(r"^# (.+)$", text, re.MULTILINE)
    name = html.escape(title[1] if title else "sopilot")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{name}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>\n'
        f"<body>\n{body}\n</body></html>\n"
    )


def _to_page(found: re.Match[str]) -> str:
    name = "index" if found[2] == "README" else found[2]
    return f'href="{name}.html{found[3] or ""}"'
