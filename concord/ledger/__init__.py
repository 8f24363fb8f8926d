"""The ledger: events in hash-chained blocks; balances are a fold over them.

`ledger` has the class that callers use. `events` makes events and `state` folds them; `chain` links blocks,
`head` and `segments` are the two kinds of stored object, and `store` is the protocol that `file_store` and
`configmap_store` implement. `audit` verifies or rebuilds what is stored, `exports` reads blocks that another
ledger wrote, `proofs` checks a round against them, and `decisions` lists the decisions about a node's
versions.
"""

from typing import TYPE_CHECKING

from concord.ledger.chain import Block
from concord.ledger.file_store import FileStore
from concord.ledger.head import Head
from concord.ledger.ledger import Ledger
from concord.ledger.state import State
from concord.ledger.store import Store

if TYPE_CHECKING:
    from concord.settings import Settings

__all__ = ["Block", "FileStore", "Head", "Ledger", "State", "Store", "open_store"]


def open_store(settings: "Settings") -> Store:
    """The store that the settings name; a cluster is connected on the first call."""
    if settings.ledger_configmap is None:
        return FileStore(settings.ledger_dir)
    # Imported here, because a ledger in files needs no cluster.
    from concord.kubernetes.cluster import Cluster  # noqa: PLC0415
    from concord.ledger.configmap_store import ConfigMapStore  # noqa: PLC0415

    namespace, name = settings.ledger_configmap
    return ConfigMapStore(name, lambda: Cluster.connect(namespace))
