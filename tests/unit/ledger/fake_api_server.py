"""A stand-in for kube-apiserver on loopback: the wire is real, and so is what it refuses.

It keeps objects of any resource in memory with what Concord relies on: resourceVersions of one counter
and 409 on an old one, 409 on a second creation, 422 for a change of an immutable ConfigMap or one of
more than 1 MiB, 404 for a PUT of what is not there, label selectors, pages of lists, and answers that
hold metadata alone. Its faults are ordered by setting `fault`.
"""

import base64
import json
import re
import threading
import time
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

_PATH = re.compile(
    r"/apis?/(?:v1|apps/v1)/namespaces/(?P<namespace>[^/]+)/(?P<resource>[a-z]+)(?:/(?P<name>[^/]+))?"
)
_VERBS = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
LIMIT = 1 << 20


class FakeApiServer:
    """Starts at once; `url` is its address.

    Attributes:
        fault: None; `down` (the connection is closed), `hang` (nobody answers until it is lifted),
            `lost` (a write is carried out and 500 answered), `reset` (carried out, the connection closed),
            or a status to answer. Set `fault_verbs` to strike those alone.
        struck: How many requests the fault has met.
        writes: Time, verb and name of every write that was carried out.
        calls: Every call's verb, resource, name and bytes of the answer.
        tokens: The `Authorization` headers that came.
    """

    def __init__(self, namespaces=("concord",)):
        self.namespaces = set(namespaces)
        self.objects, self.version = {}, 100
        self.fault, self.fault_verbs = None, set(_VERBS.values())
        self.struck = 0
        self.forbidden = set()
        self.writes, self.calls, self.tokens = [], [], []
        self.lock = threading.Lock()
        self.lifted = threading.Event()
        self.page = 500
        self._server = None
        self.start()

    def start(self, port=0):
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.fake = self
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self):
        self.lift()
        self._server.shutdown()
        self._server.server_close()

    def lift(self):
        """Ends the fault."""
        self.fault = None
        self.lifted.set()
        self.lifted = threading.Event()

    def put(self, name, namespace="concord", resource="configmaps", **fields):
        """Makes an object as helm or kubectl would."""
        body = {"metadata": {"name": name} | fields.pop("metadata", {}), **fields}
        with self.lock:
            return self._store((namespace, resource, name), body)

    def object(self, name, namespace="concord", resource="configmaps"):
        return self.objects.get((namespace, resource, name))

    def remove(self, name, namespace="concord", resource="configmaps"):
        del self.objects[namespace, resource, name]

    def kubeconfig(self, path, namespace="concord", **user):
        """Writes a kubeconfig that leads here."""
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "contexts": [
                {"name": "fake", "context": {"cluster": "fake", "user": "me", "namespace": namespace}}
            ],
            "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
            "users": [{"name": "me", "user": user}],
        }
        path.write_text(json.dumps(document))
        return path

    # What the handler asks; under the lock

    def answer(self, verb, namespace, resource, name, body, query):
        key = (namespace, resource, name)
        if (verb, resource) in self.forbidden:
            return _status(
                403,
                f'{resource} "{name}" is forbidden: User "system:serviceaccount:concord:tester" cannot '
                f'{verb} resource "{resource}" in API group "" in the namespace "{namespace}"',
            )
        if verb == "create":
            return self._create(namespace, resource, body)
        if verb == "list":
            return 200, self._list(namespace, resource, query)
        return self._on_one(verb, key, body)

    def _on_one(self, verb, key, body):
        _, resource, name = key
        if key not in self.objects:
            return _status(404, f'{resource} "{name}" not found')
        if verb == "get":
            return 200, self.objects[key]
        if verb == "delete":
            return 200, self.objects.pop(key)
        if verb == "patch":
            body = _merged(deepcopy(self.objects[key]), body)
        return self._replace(key, body)

    def _create(self, namespace, resource, body):
        key = (namespace, resource, body["metadata"]["name"])
        if namespace not in self.namespaces:
            return _status(404, f'namespaces "{namespace}" not found')
        if key in self.objects:
            return _status(409, f'{resource} "{key[2]}" already exists')
        if "resourceVersion" in body["metadata"]:
            return _status(400, "resourceVersion should not be set on objects to be created")
        return refused if (refused := _invalid(body)) else (201, self._store(key, body))

    def _replace(self, key, body):
        old = self.objects[key]
        stated = body["metadata"].get("resourceVersion", old["metadata"]["resourceVersion"])
        if stated != old["metadata"]["resourceVersion"] or body["metadata"].get("uid") not in {
            None,
            old["metadata"]["uid"],
        }:
            return _status(
                409,
                f'Operation cannot be fulfilled on {key[1]} "{key[2]}": the object has been modified; please '
                "apply your changes to the latest version and try again",
            )
        if old.get("immutable") and any(
            old.get(f) != body.get(f) for f in ("data", "binaryData", "immutable")
        ):
            return _status(422, "field is immutable when `immutable` is set")
        return refused if (refused := _invalid(body)) else (200, self._store(key, body))

    def _store(self, key, body):
        self.version += 1
        body = deepcopy(body)
        uid = self.objects[key]["metadata"]["uid"] if key in self.objects else f"uid-{self.version}"
        body["metadata"] |= {"namespace": key[0], "resourceVersion": str(self.version), "uid": uid}
        self.objects[key] = body
        return body

    def _list(self, namespace, resource, query):
        labels = dict(part.split("=", 1) for part in query.get("labelSelector", "").split(",") if part)
        items = sorted(
            (
                item
                for (space, kind, _), item in self.objects.items()
                if (space, kind) == (namespace, resource)
                and labels.items() <= item["metadata"].get("labels", {}).items()
            ),
            key=lambda item: item["metadata"]["name"],
        )
        start, limit = int(query.get("continue", 0)), min(self.page, int(query.get("limit", self.page)))
        metadata = {"resourceVersion": str(self.version)}
        if len(items) > start + limit:
            metadata["continue"] = str(start + limit)
        return {"kind": "List", "metadata": metadata, "items": items[start : start + limit]}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Closed connections are what its faults are made of.
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    # Or a small answer waits 40 ms for the client's acknowledgement.
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def log_message(self, *_args):
        pass

    def handle_any(self):
        fake, parts = self.server.fake, urlsplit(self.path)
        match = _PATH.fullmatch(unquote(parts.path))
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        verb = _VERBS[self.command]
        if verb == "get" and not match["name"]:
            verb = "list"
        fault = (
            fake.fault if verb in fake.fault_verbs or (verb == "list" and "get" in fake.fault_verbs) else None
        )
        fake.struck += fault is not None
        if fault == "hang":
            fake.lifted.wait()
            fault = "down"
        if fault == "down":
            self.close_connection = True
            return
        fake.tokens.append(self.headers.get("Authorization"))
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if isinstance(fault, int):
            status, document = _status(fault, f"ordered {fault}")
        else:
            with fake.lock:
                status, document = fake.answer(
                    verb, match["namespace"], match["resource"], match["name"], body, query
                )
                document = deepcopy(document)
                if status < 300 and verb not in {"get", "list"}:
                    name = match["name"] or body["metadata"]["name"]
                    fake.writes.append((time.monotonic(), verb, name))
        if fault == "reset":
            self.close_connection = True
            return
        if fault == "lost":
            status, document = _status(500, "etcdserver: request timed out")
        if status < 300 and "PartialObjectMetadata" in self.headers.get("Accept", ""):
            document = _metadata_alone(document)
        self.reply(status, document, verb, match)

    def reply(self, status, document, verb, match):
        data = json.dumps(document).encode()
        self.server.fake.calls.append((verb, match["resource"], match["name"], len(data)))
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = handle_any  # noqa: N815 - the names that http.server calls
    do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815


def _metadata_alone(document):
    if "items" in document:
        # As the real one, which says `null` where it finds nothing.
        return document | {"items": [{"metadata": item["metadata"]} for item in document["items"]] or None}
    return {"kind": "PartialObjectMetadata", "metadata": document["metadata"]}


def _merged(target, changes):
    for name, value in changes.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, dict):
            target[name] = _merged(target.get(name) or {}, value)
        else:
            target[name] = value
    return target


def _invalid(body):
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", body["metadata"]["name"]):
        return _status(422, f'Invalid value: "{body["metadata"]["name"]}": a lowercase RFC 1123 subdomain')
    size = sum(len(value.encode()) for value in (body.get("data") or {}).values())
    size += sum(len(base64.b64decode(value)) for value in (body.get("binaryData") or {}).values())
    return _status(422, "data: Too long: may not be more than 1048576 bytes") if size > LIMIT else None


def _status(code, message):
    return code, {"kind": "Status", "status": "Failure", "message": message, "code": code}
