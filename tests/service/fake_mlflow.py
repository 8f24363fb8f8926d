"""A stand-in for MLflow's registry on loopback: the wire is real, and so is what it answers to seven calls.

`tests/service/test_registry_mlflow.py` puts the same questions to a real `mlflow server`, so that both agree.
"""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

MISSING = "RESOURCE_DOES_NOT_EXIST"


class FakeMlflow:
    """Starts at once; `url` is its address.

    Attributes:
        models: Name → `{"aliases": {…}, "tags": {…}, "versions": {number: tags}}`.
        metrics: Run id → metric → value.
        fault: None, or a status to answer with.
        calls: Every call's method and path.
    """

    def __init__(self):
        self.models, self.metrics, self.fault, self.calls = {}, {}, None, []
        self.lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.fake = self
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def register(self, name, version, **tags):
        """Registers a version with tags, `digest` and `schema` among them."""
        model = self.models.setdefault(name, {"aliases": {}, "tags": {}, "versions": {}})
        model["versions"][version] = {f"concord.{key}": value for key, value in tags.items()}

    def aliases(self, name):
        return dict(self.models[name]["aliases"])

    def tags(self, name):
        return dict(self.models[name]["tags"])

    def answer(self, method, path, given):
        """Status and body; under the lock."""
        if path == "model-versions/search":
            return 200, self._search(re.fullmatch(r"name='(.*)'", given["filter"])[1])
        if path == "runs/get":
            if given["run_id"] not in self.metrics:
                return _missing(f"Run with id={given['run_id']} not found")
            found = [{"key": k, "value": v} for k, v in self.metrics[given["run_id"]].items()]
            return 200, {"run": {"info": {"run_id": given["run_id"]}, "data": {"metrics": found}}}
        model = self.models.get(given["name"])
        if model is None:
            return _missing(f"Registered Model with name={given['name']} not found")
        return self._on_model(method, path.removeprefix("registered-models/"), given, model)

    def _on_model(self, method, path, given, model):
        if path == "get":
            aliases = [{"alias": k, "version": v} for k, v in model["aliases"].items()]
            tags = [{"key": k, "value": v} for k, v in model["tags"].items()]
            return 200, {"registered_model": {"name": given["name"], "aliases": aliases, "tags": tags}}
        if path == "alias" and method == "POST":
            if given["version"] not in model["versions"]:
                return _missing(f"Model Version (name={given['name']}, version={given['version']}) not found")
            model["aliases"][given["alias"]] = given["version"]
        elif path == "alias":
            model["aliases"].pop(given["alias"], None)
        elif path == "set-tag":
            model["tags"][given["key"]] = given["value"]
        elif path == "delete-tag":
            model["tags"].pop(given["key"], None)
        else:
            return 404, {"error_code": "ENDPOINT_NOT_FOUND", "message": path}
        return 200, {}

    def _search(self, name):
        if name not in self.models:
            return {}
        versions = [
            {
                "name": name,
                "version": version,
                "creation_timestamp": 1_700_000_000_000 + int(version),
                "run_id": f"run{version}",
                "status": "READY",
                "tags": [{"key": k, "value": v} for k, v in tags.items()],
            }
            for version, tags in self.models[name]["versions"].items()
        ]
        return {"model_versions": versions}


def _missing(message):
    return 404, {"error_code": MISSING, "message": message}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def _answer(self):
        fake, parts = self.server.fake, urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        given = dict(parse_qsl(parts.query)) if self.command == "GET" else json.loads(body)
        path = parts.path.removeprefix("/api/2.0/mlflow/")
        with fake.lock:
            fake.calls.append((self.command, path))
            if fake.fault:
                status, document = fake.fault, {"error_code": "INTERNAL_ERROR", "message": "as told"}
            else:
                status, document = fake.answer(self.command, path, given)
        data = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - names of the standard library
