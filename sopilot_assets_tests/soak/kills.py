"""kill -9 at random moments of the way from dropped recordings to a dossier.

    python -m sopilot_assets_tests.soak.kills --kills 300 --seed 3

Home after home goes the whole way; its commands are killed at random moments and started again. At the end of
the way the home is compared with one that nobody killed. Exit code 1 where a row was lost or doubled, a file
is torn, or anything differs apart from ids and times.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from sopilot_assets_tests.soak.killing import kill_on_the_way, say, table, working_folder


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=300, help="how many (300)")
    parser.add_argument("--each", type=int, default=20, help="how many at most in one home (20)")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="an empty folder to work in (a temporary one)")
    asked = parser.parse_args()
    place = working_folder(asked.folder)
    tally = kill_on_the_way(place, kills=asked.kills, each=asked.each, seed=asked.seed, say=say)
    say(table(tally))
    if tally.faults:
        sys.exit(f"The homes with faults are kept below {place}.")
    shutil.rmtree(place)


if __name__ == "__main__":
    main()
