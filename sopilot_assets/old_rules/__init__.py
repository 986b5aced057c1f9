"""The rules of the old system, formula by formula, kept so that its reports can be made again.

Its detectors, the fit and the sweep of their constants, its seeded splits, its figures, its gate profiles and
what it said of errors, as they were, with what is known to be wrong with them. What is right stays in
`studies`, which may look down here. Reads what it is given; writes nothing.
"""
