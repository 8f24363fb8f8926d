"""A consensus service with metrics of its own, and a Prometheus that answers what a test tells it to."""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from concord.observability import metrics
from tests.unit.frontend.fake_service import FakeService


class Meters:
    """The metrics of one process, made as `concord.observability.metrics` makes its own."""

    def __init__(self, started=1000.0):
        self.registry = CollectorRegistry()
        self.started = Gauge("process_start_time_seconds", "Start.", registry=self.registry)
        self.started.set(started)
        self.http = self._counter(metrics.HTTP_REQUESTS)
        self.rounds = self._counter(metrics.ROUNDS)
        self.seconds = self._histogram(metrics.ROUND_SECONDS)
        self.overhead = self._histogram(metrics.OVERHEAD_SECONDS)
        self.agreement = self._histogram(metrics.AGREEMENT)

    def ask(self, task="flower", *, times=1, seconds=0.003, overhead=0.0015, status="ok", http="200"):
        """So many requests of one row each."""
        for _ in range(times):
            self.http.labels("/v1/tasks/{task}/predict", "POST", http).inc()
            self.rounds.labels(task, status).inc()
            self.seconds.labels(task).observe(seconds)
            self.overhead.labels(task).observe(overhead)
            if status != "no_quorum":
                self.agreement.labels(task).observe(0.75)

    def look_at_tasks(self):
        """A request that is no prediction."""
        self.http.labels("/v1/tasks", "GET", "200").inc()

    def text(self):
        return generate_latest(self.registry).decode()

    def _counter(self, like):
        return Counter(like._name, like._documentation, like._labelnames, registry=self.registry)

    def _histogram(self, like):
        bounds = like._upper_bounds if hasattr(like, "_upper_bounds") else like._kwargs["buckets"]
        return Histogram(
            like._name, like._documentation, like._labelnames, buckets=bounds, registry=self.registry
        )


@dataclass
class LiveService(FakeService):
    """Answers `/metrics` as well.

    Attributes:
        meters: What they say; None: there are none.
        replicas: Where there are several, each look is answered by another.
    """

    meters: Meters | None = field(default_factory=Meters)
    replicas: list[Meters] = field(default_factory=list)

    def metrics(self):
        if self.replicas:
            self.meters = self.replicas.pop(0)
            self.replicas.append(self.meters)
        return self.meters

    def _handler(self):
        fake, plain = self, super()._handler()

        class Handler(plain):
            def do_GET(self):  # noqa: N802 - http.server's name
                if self.path != "/metrics":
                    super().do_GET()
                    return
                meters = fake.metrics()
                body = b"" if meters is None else meters.text().encode()
                self.send_response(404 if meters is None else 200)
                self.send_header("content-type", "text/plain; version=1.0.0; charset=utf-8")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler


@dataclass
class FakePrometheus:
    """Answers range queries.

    Attributes:
        answer: Query → value at every step; None: no series.
        status: Another HTTP status than 200 refuses all of them.
        body: Said instead, as by a server that is no Prometheus.
        asked: Every query with its span.
    """

    answer: object = lambda _query: 1.0
    status: int = 200
    body: bytes | None = None
    asked: list[dict[str, str]] = field(default_factory=list)

    def start(self):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self):
        self._server.shutdown()
        self._server.server_close()

    def document(self, asked):
        if self.status != 200:
            return {"status": "error", "errorType": "bad_data", "error": "parse error: no such thing"}
        value = self.answer(asked["query"])
        start, end, step = (int(asked[name]) for name in ("start", "end", "step"))
        values = [[at, str(value)] for at in range(start, end + 1, step)]
        series = [] if value is None else [{"metric": {}, "values": values}]
        return {"status": "success", "data": {"resultType": "matrix", "result": series}}

    def _handler(self):
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                form = self.rfile.read(int(self.headers["content-length"])).decode()
                asked = {name: values[0] for name, values in parse_qs(form).items()}
                fake.asked.append({**asked, "path": self.path})
                body = json.dumps(fake.document(asked)).encode() if fake.body is None else fake.body
                self.send_response(fake.status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args):
                pass

        return Handler
