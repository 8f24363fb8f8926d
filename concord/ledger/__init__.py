"""The ledger: settlements in hash-chained blocks, and every balance a fold over them.

`events` says what can happen and `state` what it does, `chain` links blocks, `segments` and `head`
are the two kinds of object that are stored, `store` is what a place to store them must offer,
`files` and `configmaps` are two places, `book` is the `Ledger` that callers use, `audit` proves or rebuilds
what is stored, and `importing` takes in what another ledger exported.
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
    """The store that the settings name; a cluster is connected to on its first call."""
    if settings.ledger_configmap is None:
        return FileStore(settings.ledger_dir)
    # Only here, so that a laptop's ledger needs nothing of a cluster's.
    from concord.kubernetes.api import Cluster  # noqa: PLC0415
    from concord.ledger.configmap_store import ConfigMapStore  # noqa: PLC0415

    namespace, name = settings.ledger_configmap
    return ConfigMapStore(name, lambda: Cluster.connect(namespace))
