"""The public API of the consensus service, as an ASGI application of its own."""

from concord.api.app import ConsensusApi

__all__ = ["ConsensusApi"]
