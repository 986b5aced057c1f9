"""Stands for the process of a run that goes on until it is ended."""

import time

if __name__ == "__main__":
    time.sleep(600)
