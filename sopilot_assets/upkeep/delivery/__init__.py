"""Handing over to others, at least once on each channel, over restarts: alerts and results.

What has to be sent follows from what the home says; what was sent is noted in a journal. Each try is noted
before it is made, so that a try which cannot be noted afterwards (a full disk) still delays the next one. A
receiver tells repetitions by the id.
"""
