"""Steps and labels in the files of other tools: ELAN, VIA, Label Studio, BORIS, CVAT and sheets.

Each format is a module that reads bytes into `said.SaidFile` and writes `said.MarkedVideo`; `formats` knows
them all. Reads and writes no files of the home.
"""
