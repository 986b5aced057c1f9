"""kill -9 at random moments of the way from dropped recordings to a dossier.

    python -m sopilot_assets_tests.soak.kills --kills 300 --seed 3

Home after home goes the whole way; its commands are killed at random moments and started again. At the end of
the way the home is compared with one that nobody killed. Exit code 1 where a row was lost or doubled, a file
is torn, or anything differs apart from ids and times.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from sopilot_assets_tests.soak.killing import kill_on_the_way, table


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=300, help="how many (300)")
    parser.add_argument("--each", type=int, default=20, help="how many at most in one home (20)")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="an empty folder to work in (a temporary one)")
    asked = parser.parse_args()
    memory = Path("/dev/shm")  # kill -9 leaves what was written, flushed or not: a disk would only be slower
    place = asked.folder or Path(tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else None))
    place.mkdir(parents=True, exist_ok=True)
    tally = kill_on_the_way(place, kills=asked.kills, each=asked.each, seed=asked.seed, say=say)
    say(table(tally))
    if tally.faults:
        sys.exit(f"The homes with faults are kept below {place}.")
    shutil.rmtree(place)


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
