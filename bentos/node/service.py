"""The node bento: one packaged model behind HTTP; `CONCORD_NODE=iris.knn` says which.

No logic of its own: `concord.node` answers, BentoML packs, starts and stops it. The service's name
is fixed, because a name taken from the environment breaks a built bento.
"""

import os
from pathlib import Path

import bentoml

from concord import logs
from concord.asgi import Deferred
from concord.errors import ConfigurationError
from concord.node import NodeApi, OnnxModel

app = Deferred()


def model_folder(name: str) -> Path:
    """Folder of the packaged model, as `iris.knn` (the newest packed) or `iris.knn:7`.

    Raises:
        ConfigurationError: It is not packaged.
    """
    try:
        return Path(bentoml.models.get(name).path)
    except (bentoml.exceptions.BentoMLException, ValueError) as error:
        packaged = ", ".join(sorted({model.tag.name for model in bentoml.models.list()})) or "none"
        raise ConfigurationError(
            f"CONCORD_NODE={name} is not packaged; packaged are: {packaged}.", field="CONCORD_NODE"
        ) from error


@bentoml.service(
    name="concord-node",
    traffic={"timeout": 5},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    # Without `none` BentoML adds a compiler and git, which a node has no use for: 1.24 GB instead of 0.6.
    image=bentoml.images.Image(base_image="python:3.11-slim", distro="none", python_version="3.11"),
)
@bentoml.asgi_app(app)
class Node:
    """Serves the model that `CONCORD_NODE` names."""

    def __init__(self) -> None:
        logs.configure(os.environ.get("CONCORD_LOG_LEVEL", "INFO"))
        name = os.environ.get("CONCORD_NODE", "")
        if not name:
            raise ConfigurationError("CONCORD_NODE is not set; it names a model, such as iris.knn.")
        self.api = NodeApi(OnnxModel(model_folder(name)))
        app.target = self.api

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def start(self) -> None:
        """Runs within the server's loop, before the first request."""
        await self.api.start()
