"""The journal: rounds, labels, claims of settlers and hashes of blocks, in one SQL database.

`journal` has the class that callers use, and `rows` its values. `search` and `streams` read rounds, newest or
oldest first; `labels` writes labels. `tables` declares every table, `database` connects, and `migrations`
brings a database to the tables of this version. Only this package imports SQLAlchemy.
"""

from concord.journal.journal import Journal

__all__ = ["Journal"]
