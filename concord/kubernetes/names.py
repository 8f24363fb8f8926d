"""An installation of Concord in a cluster: its namespace, and the names of its objects in the chart."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """An installation.

    Attributes:
        namespace: Its namespace.
        fullname: The prefix of its objects' names.
    """

    namespace: str
    fullname: str

    @property
    def models(self) -> str:
        """The ConfigMap of the nodes' desired versions."""
        return f"{self.fullname}-models"

    @property
    def consensus(self) -> str:
        """The Service of the consensus service."""
        return f"{self.fullname}-consensus"

    def deployment(self, model: str) -> str:
        """A node's Deployment and Service."""
        return f"{self.fullname}-{model.replace('.', '-').replace('_', '-')}"
