"""Pre-registered evaluation: protocol, splits, detectors, policies, gates, what to label next."""
