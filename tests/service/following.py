"""Nodes that serve their desired versions, as pods and `concord up` do, around stand-in models."""

import dataclasses
import json

from concord.node.app import NodeApi
from concord.node.challenger import Challenger
from concord.observability.logs import AccessLog
from tests.service.stack import IRIS, StandInModel, species


class FollowingNode:
    """A node that reads its desired versions at every request, as if it were restarted at once.

    Attributes:
        answers: Version → the class that it names.
        packaged: The version that it serves without desired versions.
    """

    def __init__(self, folder, node, answers, packaged="7", schema=IRIS):
        self.path = folder / f"{schema.task}.{node}"
        self.node, self.answers, self.packaged, self.schema = node, answers, packaged, schema
        self.url = ""
        self._serves, self._app = None, None
        self.follows = True
        self.digest = "0" * 64
        """What it states of its champion's file."""

    def read_desired(self):
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    async def __call__(self, scope, receive, send):
        if self.follows or self._app is None:
            desired = self.read_desired()
            serves = desired.get("champion", self.packaged), desired.get("challenger"), self.digest
            if serves != self._serves:
                self._serves, self._app = serves, self._load(*serves[:2])
        await self._app(scope, receive, send)

    def _load(self, champion, challenger):
        model = self._model(champion)
        beside = Challenger(self._model(challenger), model.info) if challenger else None
        return NodeApi(model, AccessLog(enabled=False), challenger=beside).application

    def _model(self, version):
        model = StandInModel(self.schema, self.node, self.answers[version], version)
        model.info = dataclasses.replace(model.info, digest=self.digest)
        return model


def naming(**classes):
    """Version → a model's function: `naming(v7=2, v9=1)`."""
    return {name.removeprefix("v"): species(k) for name, k in classes.items()}
