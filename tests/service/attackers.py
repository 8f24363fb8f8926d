"""Attackers, each a process of its own, so that the CPU that it takes is not its victim's.

    python -m tests.service.attackers ATTACK PORT SECONDS

An attack says `begun` once it is under way, goes on for so many seconds, and prints what it saw as JSON.
Each is bounded in connections, in bytes and by pauses, since it shares two cores with what it attacks.
"""

import contextlib
import json
import os
import resource
import socket
import sys
import time

PREDICT = b"POST /v1/tasks/iris/predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
CHUNK = 64 << 10
PAUSE = 0.02
"""Between two rounds of an attack, in seconds."""


class Target:
    """Where the service listens, and how long to go on."""

    def __init__(self, port, seconds):
        self._address, self._seconds = ("127.0.0.1", port), seconds
        self._end = float("inf")

    def connect(self, buffer=None):
        """A connection that does not block; with buffers of so many bytes."""
        connection = socket.socket()
        if buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        connection.settimeout(5)
        connection.connect(self._address)
        connection.settimeout(0)
        return connection

    def begin(self):
        """Says that the attack is under way."""
        sys.stdout.write("begun\n")
        sys.stdout.flush()
        self._end = time.monotonic() + self._seconds

    def turns(self, pause=PAUSE):
        """Goes on until the time is over."""
        while time.monotonic() < self._end:
            yield
            time.sleep(pause)


def send(connection, data):
    """Sends what is taken at once; returns how much that was, and None where the connection is closed."""
    try:
        return connection.send(data)
    except BlockingIOError:
        return 0
    except OSError:
        return None


def receive(connection):
    """What has come; None where the connection is closed."""
    try:
        return connection.recv(CHUNK) or None
    except BlockingIOError:
        return b""
    except OSError:
        return None


def header(target, megabytes):
    """One header of so many megabytes at a time, sent as fast as it is taken."""
    return _endless(target, b"GET /v1/tasks HTTP/1.1\r\nhost: localhost\r\nx-long: ", int(megabytes) << 20)


def after_413(target, _):
    """Bodies of ten gigabytes, that go on after they were refused; 64 MB of each at most."""
    return _endless(target, PREDICT + b"content-length: 10000000000\r\n\r\n", 64 << 20)


def _endless(target, beginning, most):
    """One connection after the other sends on until it is closed, or so many bytes were taken."""
    target.begin()
    most_sent, statuses = 0, set()
    for _ in target.turns(0.1):
        # Of small buffers, so that what was sent was received.
        with target.connect(CHUNK) as connection:
            send(connection, beginning)
            sent, quiet = 0, 0
            while quiet < 2000 and sent < most:
                taken = send(connection, b"a" * CHUNK)
                if taken is None:
                    break
                sent, quiet = sent + taken, 0 if taken else quiet + 1
                statuses.add((receive(connection) or b"")[9:12].decode())
                if not taken:
                    time.sleep(0.001)
        most_sent = max(most_sent, sent)
    return {"most_sent": most_sent, "statuses": sorted(statuses - {""})}


def _kept_open(target, count, greeting, turns):
    """Connections that each send a greeting; those that were closed are opened again, twenty a turn."""
    connections = []
    for _ in turns:
        kept = [connection for connection in connections if receive(connection) is not None]
        for connection in set(connections) - set(kept):
            connection.close()
        connections = kept
        for _ in range(min(20, count - len(connections))):
            with contextlib.suppress(OSError):
                connections.append(target.connect())
                send(connections[-1], greeting)
        yield connections


def _hold_open(target, count, greeting):
    """Opens that many, and opens again what is closed."""
    target.begin()
    opened = 0
    for connections in _kept_open(target, count, greeting, target.turns(0.05)):
        opened = max(opened, len(connections))
    return {"opened": opened}


def half_open(target, count):
    """Connections that send the beginning of a request and no more."""
    return _hold_open(target, int(count), b"GET /v1/tasks HTTP/1.1\r\nhost: loc")


def idle(target, count):
    """Connections that each ask once, and then stay."""
    return _hold_open(target, int(count), b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")


def unfinished_bodies(target, count):
    """Bodies of a megabyte that lack their last byte."""
    head = PREDICT + b"content-length: 1000000\r\n\r\n"
    connections, answers = [], set()

    def post(data):
        connection = target.connect()
        while data:
            taken = send(connection, data)
            if taken is None:
                break
            data = data[taken:]
            if not taken:
                time.sleep(0.001)
        return connection

    target.begin()
    refused = 0
    for _ in target.turns(0.005):
        if len(connections) < int(count):
            connections.append(post(head + b" " * 999_999))
        for connection in [*connections]:
            data = receive(connection)
            if data:
                answers.add(data[9:12].decode())
            if data or data is None:
                refused += bool(data)
                connection.close()
                connections.remove(connection)
    return {"answers": sorted(answers), "refused": refused, "open": len(connections)}


def _flood(target, count, greeting, data, pause):
    """Connections that send the same again and again, and read whatever comes."""
    connections = {}
    statuses = {}
    target.begin()
    for _ in target.turns(pause):
        while len(connections) < count:
            try:
                connection = target.connect()
            except OSError:
                break
            connections[connection] = greeting
        for connection, rest in [*connections.items()]:
            taken = send(connection, rest or data)
            got = receive(connection)
            if taken is None or got is None:
                connection.close()
                del connections[connection]
                continue
            connections[connection] = (rest or data)[taken:]
            if got.startswith(b"HTTP/1.1 "):
                status = got[9:12].decode()
                statuses[status] = statuses.get(status, 0) + 1
    return {"statuses": statuses}


def one_byte_chunks(target, _):
    """Bodies in chunks of one byte."""
    return _flood(target, 8, PREDICT + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n" * 2000, PAUSE)


def pipelined(target, _):
    """Some 1,600 requests a second on many connections, sixteen at a time without waiting for an answer."""
    get = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n"
    return _flood(target, 20, get, get * 16, 0.2)


def documents(target, _):
    """The API's documents, which are large, from several connections."""
    head = b" HTTP/1.1\r\nhost: localhost\r\n\r\n"
    both = b"GET /openapi.json" + head + b"GET /docs" + head
    return _flood(target, 4, both, both, 0.1)


def slow_readers(target, count):
    """Callers who ask for large answers, again and again, and read none of them."""
    asked = b"GET /v1/rounds?limit=500 HTTP/1.1\r\nhost: localhost\r\n\r\n" * 200
    connections = []
    target.begin()
    for _ in target.turns(0.1):
        if len(connections) < int(count):
            connections.append(target.connect(4096))
            send(connections[-1], asked)
    return {"open": len(connections)}


ATTACKS = {
    attack.__name__: attack
    for attack in (
        header, half_open, idle, unfinished_bodies, after_413, one_byte_chunks, pipelined, documents,
        slow_readers,
    )
}  # fmt: skip


def main(attack, port, seconds):
    from concord.util.tether import end_with_parent

    end_with_parent(os.getppid())
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    name, _, number = attack.partition(":")
    seen = ATTACKS[name](Target(int(port), float(seconds)), int(number or 0))
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main(*sys.argv[1:])
