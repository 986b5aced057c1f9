"""What goes on in a home while it is backed up, as a process: ``python -m ...busy HOME NAME``; it says
``busy`` when it has begun and ends when its standard input does.
"""

from __future__ import annotations

import select
import sys
from itertools import count

from sopilot_assets.store.compaction import compact_ledgers
from sopilot_assets.store.home import Home
from sopilot_assets_tests.upkeep.backup.made_up import happen


def is_asked_to_end() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


def main(root: str, name: str) -> None:
    home = Home.at(root)
    for number in count():
        happen(home, f"{name}-{number}")
        if number == 0:
            sys.stdout.write("busy\n")
            sys.stdout.flush()
        if number % 7 == 6:
            compact_ledgers(home.ledgers, at_least=3)
        if is_asked_to_end():
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
