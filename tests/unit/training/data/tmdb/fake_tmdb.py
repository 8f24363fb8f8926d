"""A server that answers as TMDB documents: version 3, twenty films a page, both kinds of keys."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

KEY = "0123456789abcdef0123456789abcdef"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.e30.c2VjcmV0LXRva2Vu"
PAGE = 20


def film(number, year=2024, **facts):
    """What `movie/{id}` tells, as far as anybody here asks."""
    told = {
        "adult": False,
        "id": number,
        "title": f"Film {number}",
        "release_date": f"{year}-{1 + number % 12:02}-{1 + number % 28:02}",
        "budget": 1_000_000 + number,
        "revenue": 5_000_000,
        "runtime": 100,
        "vote_count": 100,
        "vote_average": 6.5,
        "status": "Released",
    }
    return told | facts


class FakeTmdb:
    """TMDB with these films.

    `faults` are statuses that the next requests get instead of an answer; `asked` are the requests.
    """

    def __init__(self, films):
        self.films = {one["id"]: one for one in films}
        self.asked, self.faults, self.headers, self.most_pages = [], [], [], None
        self._lock = threading.Lock()
        tmdb = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                status, document, headers = tmdb.answer(self.path, self.headers)
                body = json.dumps(document).encode()
                self.send_response(status)
                for name, value in {"content-length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/3"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path, headers):
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        with self._lock:
            self.asked.append(
                parts.path.removeprefix("/3") + (f"?{query['page']}" if "page" in query else "")
            )
            self.headers.append(dict(headers))
            fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            return fault
        if query.get("api_key") != KEY and headers.get("authorization") != f"Bearer {TOKEN}":
            return refusal(401, 7, "Invalid API key: You must be granted a valid key.")
        if parts.path == "/3/discover/movie":
            return self._discover(query)
        number = int(parts.path.rpartition("/")[2])
        if number not in self.films:
            return refusal(404, 34, "The resource you requested could not be found.")
        return 200, self.films[number], {}

    def _discover(self, query):
        page = int(query["page"])
        if not 1 <= page <= 500:
            return refusal(400, 22, "Invalid page: Pages start at 1 and max at 500.")
        found = sorted(
            (
                one
                for one in self.films.values()
                if query["primary_release_date.gte"]
                <= one["release_date"]
                <= query["primary_release_date.lte"]
                and one["vote_count"] >= int(query["vote_count.gte"])
            ),
            key=lambda one: (one["release_date"], one["id"]),
        )
        results = [{"id": one["id"], "title": one["title"]} for one in found[(page - 1) * PAGE : page * PAGE]]
        total = -(-len(found) // PAGE)
        if self.most_pages and total > self.most_pages:
            total = 501
        return 200, {"page": page, "results": results, "total_pages": total, "total_results": len(found)}, {}


def refusal(status, code, message, **headers):
    return status, {"success": False, "status_code": code, "status_message": message}, headers
