"""The journal: rounds, their labels and settlements, claims of settlers, and what the ledger was seen to be.

`store` is the class that callers use and `rows` what goes in and comes out; `tables` names every table,
`database` reaches the database, and `migrations` brings one to the tables of this version. Only this
package imports SQLAlchemy.
"""

from concord.journal.journal import Journal
from concord.journal.rows import (
    Claim,
    JudgedRound,
    KeptRound,
    Labelled,
    LabelledRound,
    LabelRow,
    Origin,
    RoundRow,
    StoredRound,
)
from concord.journal.search import LabelState, RoundFilters

__all__ = [
    "Claim",
    "Journal",
    "JudgedRound",
    "KeptRound",
    "LabelRow",
    "LabelState",
    "Labelled",
    "LabelledRound",
    "Origin",
    "RoundFilters",
    "RoundRow",
    "StoredRound",
]
