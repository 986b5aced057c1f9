"""What comes in: uploads, the capture folder, intake, quarantine; and simulated, damaged and free recordings.

Reads the capture folder, into which uploads go from ``uploads/``; writes ``videos/``, ``quarantine/`` and the
ledgers of intake, in which facts of recordings are corrected too, and the chain of promotions, by which
trainee recordings become golds.
"""
