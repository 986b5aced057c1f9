"""Times: how long each step of each recording took, against the golds and a takt time, and what costs most.

Reads the ledgers ``step_times``, ``scores`` and ``videos``; writes ``step_times``. Cycles, gaps and repeated
steps are read off the alignment that was judged; nothing is decided anew.
"""
