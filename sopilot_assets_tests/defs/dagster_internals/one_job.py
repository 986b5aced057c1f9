"""Definitions of one job that notes which process does it; a run's start takes as long as a file says."""

import os
import sys
import time
from multiprocessing import parent_process
from pathlib import Path

import dagster as dg

FOLDER = "ONE_JOB_FOLDER"
"""The variable that names the folder of the notes and of the files ``start_takes_s`` and ``work_takes_s``."""


def seconds(name: str) -> float:
    """What a file of the folder says."""
    return float((Path(os.environ[FOLDER]) / name).read_text("ascii"))


def note_process(where: str) -> None:
    """Add this process to the notes."""
    with (Path(os.environ[FOLDER]) / where).open("a", encoding="ascii") as notes:
        notes.write(f"{os.getpid()}\n")


if "--held" in sys.argv or parent_process() is not None:
    note_process("starts")
    time.sleep(seconds("start_takes_s"))


@dg.op
def work() -> None:
    """Note who works, and take a while."""
    note_process("work")
    time.sleep(seconds("work_takes_s"))


@dg.job(executor_def=dg.in_process_executor)
def working() -> None:
    """The one job."""
    work()


defs = dg.Definitions(jobs=[working])
