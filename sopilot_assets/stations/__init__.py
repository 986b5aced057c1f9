"""What a batch of recordings passes, from intake to the score, and what people see and change of it.

Each asset has a module of its name; the others are what several of them share (`judging`, `staleness`,
`gold_inputs`), and what web page, API and command line ask about recordings and golds (`recording_list`,
`review_now`, `marked_golds`). Reads videos, tasks and the ledgers of the stations before; each writes its own
files and its own ledger.
"""
