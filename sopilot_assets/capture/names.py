"""What intake passes over by its name: unfinished copies, deleted files, what a system keeps for itself."""

from __future__ import annotations

import re
from typing import Final

SIDECAR_SUFFIX: Final = ".json"
REASON_SUFFIX: Final = ".reason.json"
"""What is written beside a refused file in quarantine."""

_UNFINISHED: Final = re.compile(
    r"""\.(
      \w*part(-\w+)? | \w*partial | \w*te?mp~? | \w*download | \w*upload(ing)?   # browsers, copy tools, FTP
      | crdownload | filepart | aria2\w* | ytdl | mega | xltd | td | dctmp
      | incomplete | unfinished | in_?progress | copying | pending | ffs_\w+
      | !\w* | \w+!                                                              # torrents and file sharing
    )$""",
    re.IGNORECASE | re.VERBOSE,
)
_LITTER: Final = frozenset({"steps.csv", "thumbs.db", "desktop.ini", "ehthumbs.db", "icon\r", "folder.jpg"})
_STREAM: Final = re.compile(r":(encryptable|zone\.identifier|\$data)$", re.IGNORECASE)
"""Second streams of files on NTFS, which other systems show as files."""
_SMALL_COPY: Final = (".lrv", ".lrf", ".thm")
"""What action cameras write beside a recording: the same in small, and a picture of it."""

_SYSTEM_FOLDERS: Final = re.compile(
    r"([.@$~].*|#(recycle|snapshot|sharebin)"  # .Trash-1000, @eaDir, $RECYCLE.BIN, ~snapshot
    r"|re[cz]ycle([rd]|[ ._-]?bin)?|trash(box|[ _-]?(can|bin))?|network trash folder|lost\+found|lost\.dir"
    r"|found\.\d{3}|system volume information|temporary items|__macosx"
    r"|.*\.download)",
    re.IGNORECASE,
)
"""What NAS systems, Windows, macOS and browsers keep deleted and unfinished files in."""


def is_hidden(name: str) -> bool:
    """Whether a file is of no interest to anybody: hidden, a system's own, or read elsewhere."""
    return (
        name.startswith((".", "~$"))
        or name.lower() in _LITTER
        or name.endswith(REASON_SUFFIX)
        or _STREAM.search(name) is not None
    )


def is_unfinished(name: str) -> bool:
    """Whether a copying program calls a file so while it is not whole.

    >>> [is_unfinished(name) for name in ("a.mp4.part", "a.mp4.ffs_tmp", "a.mp4.!qB", "a.mp4")]
    [True, True, True, False]
    """
    return _UNFINISHED.search(name) is not None


def finished_name(name: str) -> str:
    """The name that the file of an unfinished one will have: without what the program added.

    >>> finished_name("take.mp4.aria2")
    'take.mp4'
    """
    return _UNFINISHED.sub("", name)


def is_small_copy(name: str) -> bool:
    """Whether it is a camera's small copy of a recording beside it.

    >>> is_small_copy("GL010123.LRV")
    True
    """
    return name.lower().endswith(_SMALL_COPY)


def is_ignored(name: str) -> bool:
    """Whether a file name is one that intake passes over."""
    return is_hidden(name) or is_unfinished(name) or is_small_copy(name)


def is_system_folder(name: str) -> bool:
    """Whether a folder is a recycle bin or another one that a system keeps for itself, or one of an
    unfinished download.

    >>> [is_system_folder(name) for name in ("#recycle", "$RECYCLE.BIN", "lost+found", "line1")]
    [True, True, True, False]
    """
    return _SYSTEM_FOLDERS.fullmatch(name) is not None
