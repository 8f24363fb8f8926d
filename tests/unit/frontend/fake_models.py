"""A fake service with versions of models, and a fake MLflow with their runs and pictures."""

import json
import threading
from dataclasses import asdict, dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from concord.errors import ConcordError
from concord.types.models import (
    Appointed,
    Comparison,
    Contender,
    DesiredVersions,
    ListedVersion,
    ModelView,
    RegistryView,
)
from frontend.data.mlflow import PNG
from tests.unit.frontend.fake_nodes import refusal
from tests.unit.frontend.fake_service import FakeService

# One white dot.
PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c4944415408d763f8ffff3f0005fe02fea7356981000000004945 4e44ae426082".replace(" ", "")
)
assert PICTURE.startswith(PNG)


def listed(version, value=0.9, aliases=(), metric="accuracy"):
    return ListedVersion(
        version, "2026-01-31T09:00:00+00:00", list(aliases), f"run{version}", "d" * 64, metric, value
    )


def model(node="forest", **changes):
    """A model with three versions, of which the second answers."""
    base = ModelView(
        f"flower.{node}",
        "flower",
        node,
        "2",
        None,
        "serving",
        None,
        "1",
        DesiredVersions("2", None),
        rolling=False,
        registry=RegistryView("2", None, [listed("3", 0.95), listed("2", 0.9, ["champion"]), listed("1")]),
    )
    return replace(base, **changes)


def tried(**changes):
    """The same, with its third version beside it."""
    base = model(challenger="3", phase="probation", wanted=DesiredVersions("2", "3"))
    return replace(base, **changes)


def comparison(**changes):
    base = Comparison(
        "flower.forest",
        "probation",
        "2026-01-31T09:00:00.000+00:00",
        "hit",
        Contender("2", 0.9),
        Contender("3", 0.9375),
        160,
        0.0375,
        0.0125,
        0.0625,
        "better",
    )
    return replace(base, **changes)


@dataclass
class FakeModels(FakeService):
    """What a test sets before it looks at the models.

    Attributes:
        views: What `/v1/models` answers.
        compared: What a comparison answers, or an error.
        decided: What was decided: path and body.
        appointed: What a decision answers, or an error to refuse it with.
    """

    views: list[ModelView] = field(default_factory=lambda: [model(), model("knn")])
    compared: Comparison | ConcordError = field(default_factory=comparison)
    decided: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    appointed: ModelView | ConcordError = field(default_factory=model)

    def get(self, path: str) -> tuple[int, Any]:
        parts = urlsplit(path).path.strip("/").split("/")
        if parts == ["v1", "models"]:
            return 200, {"models": [asdict(view) for view in self.views]}
        if parts[-1] == "compare":
            return (
                refusal(self.compared)
                if isinstance(self.compared, ConcordError)
                else (200, asdict(self.compared))
            )
        return super().get(path)

    def post(self, path: str, body: Any, request_id: str) -> tuple[int, Any]:
        if not path.startswith("/v1/models/"):
            return super().post(path, body, request_id)
        self.decided.append((path, body))
        if isinstance(self.appointed, ConcordError):
            return refusal(self.appointed)
        self.views = [self.appointed if view.name == self.appointed.name else view for view in self.views]
        return 202, asdict(Appointed(self.appointed))


@dataclass
class FakeMlflow:
    """MLflow's REST API and its artifacts, as far as a page asks for them.

    Attributes:
        metrics: Run → metric → value; another run is not there.
        plots: Run → file name → bytes.
        broken: Whether every answer is an error of its own.
        requests: Paths that were asked for.
        authorization: The header without which nothing is answered.
    """

    metrics: dict[str, dict[str, float]] = field(
        default_factory=lambda: {
            "run3": {"accuracy": 0.95, "log_loss": 0.5, "house_rule": 7},
            "run2": {"accuracy": 0.9, "log_loss": 0.25},
        }
    )
    plots: dict[str, dict[str, bytes]] = field(
        default_factory=lambda: {
            "run3": {"confusion_matrix.png": PICTURE, "roc.png": PICTURE},
            "run2": {"confusion_matrix.png": PICTURE},
        }
    )
    broken: bool = False
    requests: list[str] = field(default_factory=list)
    authorization: str | None = None

    def start(self) -> "FakeMlflow":
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                fake.requests.append(self.path)
                is_known = fake.authorization in (None, self.headers.get("authorization"))
                status, body, kind = fake.answer(self.path) if is_known else (401, b"", "text/plain")
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str) -> tuple[int, bytes, str]:
        split = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        run = query["run_id"]
        if self.broken:
            return 500, b"<html>", "text/html"
        if run not in self.metrics:
            return 404, json.dumps({"error_code": "RESOURCE_DOES_NOT_EXIST"}).encode(), "application/json"
        if split.path == "/get-artifact":
            result = self.plots.get(run, {}).get(query["path"].removeprefix("plots/"))
            return (200, result, "image/png") if result else (404, b"{}", "application/json")
        if split.path.endswith("/runs/get"):
            metrics = [{"key": key, "value": value} for key, value in self.metrics[run].items()]
            document = {"run": {"info": {"experiment_id": "5"}, "data": {"metrics": metrics}}}
        else:
            files = self.plots.get(run, {})
            document = {"files": [{"path": f"plots/{name}", "is_dir": False} for name in files]}
        return 200, json.dumps(document).encode(), "application/json"
