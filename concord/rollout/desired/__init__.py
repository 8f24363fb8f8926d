"""Which version each node is to serve: entries in a ConfigMap, or in a folder on a laptop."""

from concord.kubernetes.api import Cluster
from concord.kubernetes.names import Target
from concord.rollout.desired.configmap import ConfigMapEntries
from concord.rollout.desired.folder import FolderEntries
from concord.rollout.desired.versions import NOTHING, Entries, Entry, number
from concord.settings import Settings

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
