"""The journal: rounds, their settlements, claims of settlers, and what the ledger was seen to be.

`tables` names every table, `store` is the class that callers use, `migrations` brings a database to
the tables of this version. Only this package imports SQLAlchemy.
"""

from concord.journal.store import Claim, Journal, RoundRow, StoredRound

__all__ = ["Claim", "Journal", "RoundRow", "StoredRound"]
