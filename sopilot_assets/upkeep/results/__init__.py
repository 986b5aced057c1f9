"""Results out to other programs: as they are decided, when they change, and when they no longer count.

``standing`` reads from the ledgers what receivers ought to hold, ``webhook`` and ``xapi`` say it in their
words, ``deliver`` sends what they do not hold yet.
"""
