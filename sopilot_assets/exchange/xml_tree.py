"""XML of other tools as a tree with line numbers, read so that nothing in it can do harm.

Python's own expat, with handlers that refuse a document type: without one there are no entities to expand and
no outside files to read (see "XML vulnerabilities" in Python's documentation). Size, depth and number of
elements have limits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from sopilot_assets.exchange.said import MOST_BYTES, Faults, at_line
from sopilot_assets.texts.languages import Text

MOST_ELEMENTS: Final = 400_000
DEEPEST: Final = 40
_FORBIDDEN: Final = Text(
    "a document type is not read (it can make a small file grow without end, or name files of this machine)",
    "文書型宣言（DOCTYPE）のある XML は安全のため読みません",
)


@dataclass(slots=True)
class XmlNode:
    """One element: its tag without namespace, attributes, the line on which it begins, children and text."""

    tag: str
    attributes: dict[str, str]
    line: int
    children: list[XmlNode] = field(default_factory=list)
    text: str = ""

    def get(self, name: str) -> str:
        """An attribute without space around it; empty where it is not there."""
        return self.attributes.get(name, "").strip()

    def all(self, *tags: str) -> Iterator[XmlNode]:
        """The elements below with one of these tags, in the order of the file."""
        for child in self.children:
            if child.tag in tags:
                yield child
            yield from child.all(*tags)

    def where(self) -> Text:
        """Its place in the file."""
        return at_line(self.line, self.tag)


class _Refused(ValueError):
    """The XML is not read on; the text says why."""

    def __init__(self, why: Text) -> None:
        super().__init__(why.en)
        self.why = why


def xml_tree(data: bytes, *, root: str, faults: Faults) -> XmlNode:
    """The tree of an XML file whose outermost element is ``root``; raises ``ExchangeError`` for anything
    else.
    """
    if len(data) > MOST_BYTES:
        raise AssertionError(f"{len(data)} bytes: `formats.read` refuses them before")
    builder = _Builder()
    parser = builder.parser
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        message = expat.ErrorString(error.code)
        faults.add(
            at_line(error.lineno), f"expected XML, found {message}", f"XML として読めません（{message}）"
        )
    except _Refused as error:
        faults.add(at_line(parser.CurrentLineNumber), error.why.en, error.why.ja)
    except (ValueError, LookupError) as error:  # what Python says of encodings that expat does not know
        faults.add(
            at_line(1),
            f"expected XML in UTF-8 or UTF-16, found another encoding ({error})",
            f"XML の文字コードは UTF-8 か UTF-16 にしてください（{error}）",
        )
    faults.done()
    if builder.root is None or builder.root.tag != root:
        found = builder.root.tag if builder.root is not None else "nothing"
        faults.stop(
            f"expected <{root}> as the outermost element, found {found}",
            f"いちばん外側の要素は <{root}> のはずですが、{found} です",
        )
    return builder.root


class _Builder:
    def __init__(self) -> None:
        self.root: XmlNode | None = None
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.StartDoctypeDeclHandler = self._doctype
        self._open: list[XmlNode] = []
        self._count = 0

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        node = XmlNode(tag.rpartition(":")[2], attributes, self.parser.CurrentLineNumber)
        self._count += 1
        if self._count > MOST_ELEMENTS or len(self._open) >= DEEPEST:
            raise _Refused(
                Text(
                    f"more than {MOST_ELEMENTS} elements, or {DEEPEST} inside each other, are not read",
                    f"要素が {MOST_ELEMENTS} 個、または入れ子が {DEEPEST} 段を超えるため読みません",
                )
            )
        if self._open:
            self._open[-1].children.append(node)
        else:
            self.root = node
        self._open.append(node)

    def _end(self, _tag: str) -> None:
        self._open.pop()

    def _characters(self, text: str) -> None:
        self._open[-1].text += text

    def _doctype(self, *_: object) -> None:
        raise _Refused(_FORBIDDEN)
