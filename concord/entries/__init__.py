"""Which version each node is to serve: entries in a ConfigMap, or in a folder on a laptop."""

from concord.cluster import Cluster
from concord.entries.configmap import ConfigMapEntries, Target
from concord.entries.entry import NOTHING, Entries, Entry, number
from concord.entries.folder import FolderEntries
from concord.settings import Settings

__all__ = [
    "NOTHING",
    "ConfigMapEntries",
    "Entries",
    "Entry",
    "FolderEntries",
    "Target",
    "number",
    "open_entries",
]


def open_entries(settings: Settings) -> Entries:
    """The entries that the settings mean; asks nobody yet.

    Raises:
        ConfigurationError: There is no way to the cluster from here.
    """
    if settings.deployment is None:
        return FolderEntries(settings.versions_dir)
    namespace, _, fullname = settings.deployment.partition("/")
    return ConfigMapEntries(Cluster.connect(namespace), Target(namespace, fullname))
