"""The consensus bento: `concord.api` as a BentoML service, which packs, starts and stops it.

It has no logic of its own. The `CONCORD_…` settings of the environment are read here, once.
"""

import bentoml

from concord.api import ConsensusApi
from concord.http.application import DeferredApplication
from concord.observability import logs
from concord.settings import Settings

app = DeferredApplication()


@bentoml.service(
    name="concord-consensus",
    # BentoML keeps a timer alive for each request this long; the longest wait of ours is under it.
    traffic={"timeout": 10},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    # Without `none` BentoML adds a compiler and git, which a node has no use for: 1.24 GB instead of 0.6.
    image=bentoml.images.Image(base_image="python:3.11-slim", distro="none", python_version="3.11")
    # Or BentoML would take whichever uv is the newest; the version is the Dockerfile's.
    .run("pip install --quiet --root-user-action=ignore uv==0.13.9"),
)
@bentoml.asgi_app(app)
class ConsensusService:
    """Serves the tasks of the nodes file."""

    def __init__(self) -> None:
        settings = Settings.read()
        logs.configure(settings.log_level)
        self.api = ConsensusApi.from_settings(settings)
        app.target = self.api.application

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def start(self) -> None:
        """Runs within the server's loop, before the first request."""
        await self.api.start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def stop(self) -> None:
        """Writes what waits."""
        await self.api.close()
