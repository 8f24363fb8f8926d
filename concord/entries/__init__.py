"""Which version each node is to serve: entries in a ConfigMap, or in a folder on a laptop."""

from concord.cluster import Cluster
from concord.entries.configmap import ConfigMapEntries
from concord.entries.entry import NOTHING, Entries, Entry, number
from concord.entries.folder import FolderEntries
from concord.settings import Settings
from concord.target import Target

__all__ = [
    "NOTHING",
    "ConfigMapEntries",
    "Entries",
    "Entry",
    "FolderEntries",
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
    target = Target.read(settings.deployment)
    return ConfigMapEntries(Cluster.connect(target.namespace), target)
