"""The versions that each node is to serve, stored in a ConfigMap, or in a folder on a laptop.

`store` holds the interface and the text form, `configmap` and `folder` one implementation each.
"""

from concord.kubernetes.cluster import Cluster
from concord.kubernetes.names import Target
from concord.rollout.desired.configmap import ConfigMapVersionsStore
from concord.rollout.desired.folder import FolderVersionsStore
from concord.rollout.desired.store import DesiredVersionsStore
from concord.settings import Settings


def open_versions_store(settings: Settings) -> DesiredVersionsStore:
    """The store that the settings name; makes no request yet.

    Raises:
        ConfigurationError: The cluster cannot be reached from here.
    """
    if settings.deployment is None:
        return FolderVersionsStore(settings.versions_dir)
    target = Target(*settings.deployment.split("/"))
    return ConfigMapVersionsStore(Cluster.connect(target.namespace), target)
