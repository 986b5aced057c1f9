"""Child processes with limits, how they are found and ended, and the clock that cannot be set.

Reads what the system tells of processes; writes only the logs of the children it starts.
"""
