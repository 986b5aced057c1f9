"""A long campaign in short time, with a fault every few cycles, on real servers.

    python -m sopilot_assets_tests.soak --cycles 96 --interval 20 --seed 1      # `make soak`

Exit code 1 where a row is lost or doubled, a good recording is unscored, a bad one is not quarantined, an
alert did not arrive, or the campaign did not end by itself.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from sopilot_assets_tests.soak.faults import FAULTS
from sopilot_assets_tests.soak.killing import say
from sopilot_assets_tests.soak.report import report
from sopilot_assets_tests.soak.run import Wanted, soak


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--cycles", type=int, default=96)
    parser.add_argument(
        "--interval", type=float, default=20.0, help="seconds from one cycle to the next (20)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults-every", type=int, default=3, help="a fault every so many cycles (3)")
    parser.add_argument("--faults", help=f"only these, separated by commas, of: {', '.join(FAULTS)}")
    parser.add_argument("--step-timeout", type=float, default=60.0, help="seconds a step may take (60)")
    parser.add_argument("--disk-mib", type=int, default=512, help="size of the home's disk in memory (512)")
    parser.add_argument("--folder", type=Path, help="an empty folder to work in (a temporary one)")
    parser.add_argument(
        "--report", type=Path, default=Path("soak.md"), help="where the report goes (soak.md)"
    )
    parser.add_argument("--keep", action="store_true", help="keep the folder")
    asked = parser.parse_args()
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    wanted = Wanted(
        cycles=asked.cycles,
        interval_s=asked.interval,
        seed=asked.seed,
        faults_every=asked.faults_every,
        disk_mib=asked.disk_mib,
        kinds=tuple(asked.faults.split(",")) if asked.faults else tuple(FAULTS),
        step_timeout_s=asked.step_timeout,
    )
    began_s = time.monotonic()
    soaked = soak(folder, wanted, say=lambda text: say(f"[soak {time.monotonic() - began_s:6.0f}] {text}"))
    text = report(soaked)
    asked.report.write_text(text, encoding="utf-8")
    say(text)
    if not soaked.holds:
        sys.exit(f"Something did not hold. The home and the logs are kept in {folder}.")
    if not asked.keep:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
