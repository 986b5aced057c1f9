"""What comes in: scanning the capture folder, intake, quarantine; and simulated, damaged and free recordings.

Reads the capture folder; writes ``videos/``, ``quarantine/`` and the ledgers of intake, in which facts of
recordings are corrected too, and the chain of promotions, by which trainee recordings become golds.
"""
