"""Stands for the process of a run that tidies up after the run has ended."""

import time

if __name__ == "__main__":
    time.sleep(2)
