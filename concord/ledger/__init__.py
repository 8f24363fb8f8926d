"""The ledger: settlements in hash-chained blocks, and every balance a fold over them.

`events` says what can happen and `state` what it does, `chain` links blocks, `segments` and `head`
are the two kinds of object that are stored, `store` is what a place to store them must offer,
`book` is the `Ledger` that callers use, and `audit` proves or rebuilds what is stored.
"""

from concord.ledger.book import Ledger
from concord.ledger.chain import Block
from concord.ledger.files import FileStore
from concord.ledger.head import Head
from concord.ledger.state import State
from concord.ledger.store import Store

__all__ = ["Block", "FileStore", "Head", "Ledger", "State", "Store"]
