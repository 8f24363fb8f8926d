"""The node bento: `concord.node` as a BentoML service; `CONCORD_NODE=iris.knn` names its model.

The packaged version is served unless one was fetched into the folder `CONCORD_MODELS`. The service's name is
fixed, because a name taken from the environment breaks a built bento.
"""

import logging
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

import bentoml

from concord.errors import ConfigurationError
from concord.http.application import DeferredApplication
from concord.node.app import load
from concord.observability import logs
from concord.util.host_names import HostNames

WORKER = "_bentoml_impl.worker.service"
"""The module that `bentoml serve` runs a service's process by."""

app = DeferredApplication()


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


def own_names() -> HostNames:
    """The names under which the node is asked, besides `localhost` and addresses.

    Raises:
        ConfigurationError: One is no name.
    """
    try:
        return HostNames.parse(os.environ.get("CONCORD_HOSTS", ""))
    except ValueError as error:
        raise ConfigurationError(f"CONCORD_HOSTS: {error}.", field="CONCORD_HOSTS") from error


def environment() -> tuple[str, Path | None]:
    """The node's name, and the folder of what was fetched for it.

    Raises:
        ConfigurationError: It has no name.
    """
    name, fetched = os.environ.get("CONCORD_NODE", ""), os.environ.get("CONCORD_MODELS")
    if not name:
        raise ConfigurationError(
            "CONCORD_NODE is not set; it names a model, such as iris.knn.", field="CONCORD_NODE"
        )
    return name, Path(fetched) if fetched else None


def end(error: ConfigurationError) -> NoReturn:
    """Ends the process, and the one of `bentoml serve` above it, which would start it anew for ever."""
    logging.getLogger(__name__).critical(
        "node cannot start", extra={"reason": error.message, "field": error.field}
    )
    if WORKER in sys.orig_argv:
        os.kill(os.getppid(), signal.SIGTERM)
    # Not `sys.exit`: BentoML would log a traceback of its own.
    logging.shutdown()
    os._exit(1)


@bentoml.service(
    name="concord-node",
    traffic={"timeout": 5},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    # Without `none` BentoML adds a compiler and git, which a node has no use for: 1.24 GB instead of 0.6.
    image=bentoml.images.Image(base_image="python:3.11-slim", distro="none", python_version="3.11")
    # Or BentoML would take whichever uv is the newest; the version is the Dockerfile's.
    .run("pip install --quiet --root-user-action=ignore uv==0.13.9"),
)
@bentoml.asgi_app(app)
class Node:
    """Serves the model that `CONCORD_NODE` names."""

    def __init__(self) -> None:
        logs.configure(os.environ.get("CONCORD_LOG_LEVEL", "INFO"))
        try:
            self.api = load(*environment(), model_folder, own_names())
        except ConfigurationError as error:
            end(error)
        app.target = self.api.application

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def start(self) -> None:
        """Runs within the server's loop, before the first request."""
        await self.api.start()
