"""What a home holds, to compare it with itself."""

from __future__ import annotations

from pathlib import Path

from sopilot_assets.store.publish import TEMPORARY_PREFIX


def content(root: Path) -> dict[str, tuple[int, bytes]]:
    """Permissions and bytes of every file but those that upgrades keep for themselves and unfinished ones."""
    return {
        str(path.relative_to(root)): (path.stat().st_mode, path.read_bytes())
        for path in sorted(root.rglob("*"))
        if path.is_file()
        and path.relative_to(root).parts[0] != "upgrades"
        and TEMPORARY_PREFIX not in str(path)
    }
