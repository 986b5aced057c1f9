"""Pre-registered evaluation: protocol, splits, detectors, policies, metrics, gates, shadow, errors, planning."""
