"""Requests that are none, or should be refused: a list by hand, and others from a grammar with a seed."""

# ruff: noqa: E501 - tables of requests

import random

HOST = b"host: localhost\r\n"
ROW = b'{"rows":[{"sepal_length":6.0,"sepal_width":2.7,"petal_length":5.1,"petal_width":1.6}]}'
PREDICT = b"POST /v1/tasks/iris/predict HTTP/1.1\r\n" + HOST + b"content-type: application/json\r\n"
GET = b"GET /v1/tasks HTTP/1.1\r\n" + HOST
CHUNKED = PREDICT + b"transfer-encoding: chunked\r\n\r\n"
WHOLE = b"%x\r\n%s\r\n0\r\n\r\n" % (len(ROW), ROW)
OFFER = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"

_LENGTHS = (
    b"+5", b"-5", b"-0", b"5 5", b"5,5", b"5, 6", b"0x5", b"5.0", b"5e0", b"", b" ", b"five", b"\xb2", b"5;",
    b"18446744073709551616", b"9" * 40, b"05", b"1_000", b"5\x00", b"5\x0b", b"\t5", b"5\t",
)  # fmt: skip
_CODINGS = (
    b"chunked, chunked", b"chunked, identity", b"identity", b"gzip", b"gzip, chunked", b"xchunked", b"chunked;q=1",
    b"\x0bchunked", b"chunked\x00", b" chunked ", b"\tchunked", b"CHUNKED", b"chunk", b"", b",chunked", b"chunked,",
)  # fmt: skip
_SIZES = (
    b"", b" 5", b"5 ", b"+5", b"-5", b"0x5", b"5_0", b"g", b"5;", b"5;a", b"5;a=b", b'5;a="b\r\n"', b"5;\x00",
    b"5 ;a", b"\t5", b"5\n", b"5\r", b"ffffffffffffffff", b"10000000000000000", b"F" * 40, b"00000000000000000005",
    b"5;" + b"a" * 100_000,
)  # fmt: skip
_TARGETS = (
    b"", b"*", b"/ /", b"//", b"/..", b"/../../etc/passwd", b"/%", b"/%zz", b"/%00", b"/\x00", b"/\xff", b"/%c0%ae",
    b"/v1/tasks#a", b"/v1/tasks?" + b"a" * 60_000, b"/" + b"a" * 60_000, b"/" + b"a" * 200_000, b"/" + b"../" * 5_000,
    b"http://localhost/v1/tasks", b"http://other.example/v1/tasks", b"https://localhost/v1/tasks", b"ftp://localhost/",
    b"localhost:443", b"v1/tasks", b"http://", b"/v1/tasks\t", b"/\x7f", b"\\v1\\tasks", b"/v1/rounds/%2e%2e",
    b"/v1/tasks/%0d%0ahost:%20a", b"/" + b"%41" * 10_000, b"/v1/tasks?limit=1&limit=2",
)  # fmt: skip
_METHODS = (
    b"", b"get", b"FOO", b"G\x00T", b"GET\t", b"TRACE", b"CONNECT", b"PRI", b"\xff\xfe", b"A" * 70_000, b"GE T",
    b"OPTIONS", b"DELETE", b"PUT", b"PROPFIND", b"M-SEARCH", b"SOURCE", b" GET", b"\tGET", b"GET,",
)  # fmt: skip
_VERSIONS = (
    b"HTTP/0.9", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/3", b"HTTP/1", b"HTTP/1.", b"HTTP/1.1 ", b"http/1.1",
    b"HTTP/1.10", b"HTTP/11", b"HTTP /1.1", b"HTTP/-1.1", b"HTTPS/1.1", b"", b"ICE/1.0", b"RTSP/1.0", b"HTTP/1.1\x00",
    b"HTTP/9.9",
)  # fmt: skip
_NAMES = (
    b"", b" x", b"x ", b"x\t", b"x\x00", b"x\x0b", b"x y", b"x\xe9", b"x(", b"x\r", b"x\n", b"x" * 70_000, b"host",
    b"content-length", b"transfer-encoding", b"upgrade", b"connection", b"expect", b"x",
)  # fmt: skip
_VALUES = (
    b"a\x00b", b"a\x0bb", b"a\rb", b"a\nb", b"a\r\n b", b"a\r\n\tb", b"\xff", b"", b" " * 60_000, b"a" * 70_000,
    b"100-continue", b"h2c", b"websocket", b"close, upgrade", b"a\x7fb", b"a", b"0",
)  # fmt: skip
_LINES = (b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\r\n", b" \r\n", b"\0\r\n", b"\x85", b"\r\n")
_REST = (b"\r\n\r\n", b"\n\n", b"\r\r", b"\r\n\n", b"\n\r\n", b"\r\n \r\n", b"\r\n")


def by_hand():
    """Some 200: each kind in its plainest form."""
    requests = [
        b"\r\n\r\n", b"\0" * 1000, b"\xff" * 1000, b"GET", b"GET /", b"GET /\r\n", b"GET / HTTP/1.1\r\n", b"a" * 300_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x01" * 500,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
        b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", b"EHLO localhost\r\n",
        b'{"rows": []}\r\n\r\n', GET, GET + b"x", GET + b"x:", PREDICT + b"content-length: 5\r\n\r\n1234",
        GET + HOST + b"\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nhost:\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a b\r\n\r\n", b"GET / HTTP/1.1\r\nhost: a, b\r\n\r\n",
        b"GET / HTTP/1.1\r\n host: a\r\n\r\n", GET + b"x: a\r\n" * 200 + b"\r\n", GET + b"nothing\r\n\r\n",
        GET + b": empty\r\n\r\n", GET + b"\x00\r\n\r\n", PREDICT + b"content-length: 5\r\ncontent-length: 6\r\n\r\n12345",
        PREDICT + b"content-length: 5\r\ncontent-length: 5\r\n\r\n12345",
        PREDICT + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        PREDICT + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
        PREDICT + b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
        PREDICT + b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        PREDICT + b"transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
        PREDICT + b"content-length:\r\n 5\r\n\r\n12345",
        b"POST /v1/tasks/iris/predict HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        CHUNKED + b"5\r\n12345", CHUNKED + b"5\r\n1234567\r\n0\r\n\r\n", CHUNKED + b"5\r\n12345\r\n0\r\n",
        CHUNKED + b"0\r\nx: a\r\ncontent-length: 9\r\n\r\n", CHUNKED + b"0\r\nhost: b\r\n\r\n",
        CHUNKED + b"0\r\n" + b"x: a\r\n" * 200 + b"\r\n", CHUNKED + b"0\r\nx: " + b"a" * 200_000 + b"\r\n\r\n",
        CHUNKED + b"0\r\n nothing\r\n\r\n", CHUNKED + b"1\r\na\r\n" * 5_000, CHUNKED + b"5\n12345\n0\n\n",
        CHUNKED + b"5\r\n12345\n0\r\n\r\n", CHUNKED + b"5\r\n12345\r0\r\n\r\n", CHUNKED + b"5;\n12345\r\n0\r\n\r\n",
        PREDICT + OFFER + b"content-length: 5\r\n\r\n1234", PREDICT + OFFER + b"content-length: x\r\n\r\n12345",
        PREDICT + OFFER + b"transfer-encoding: chunked\r\n\r\nz\r\n", PREDICT + OFFER + b"content-length: 5\r\n"
        b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n", GET + OFFER + HOST + b"\r\n", GET + OFFER + b"\r\n",
        GET + b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: eA==\r\n\r\n",
        GET + b"connection: upgrade\r\nupgrade: TLS/1.3, h2c\r\n\r\n", GET + b"upgrade: h2c\r\n\r\n",
        PREDICT + b"expect: 100-continue\r\ncontent-length: 5\r\n\r\n", PREDICT + b"expect: 200-ok\r\ncontent-length: 5\r\n\r\n",
        PREDICT + b"expect: 100-continue\r\ncontent-length: 99999999999\r\n\r\n",
        PREDICT + b"content-encoding: br\r\ncontent-length: 5\r\n\r\n12345",
        PREDICT + b"content-encoding: gzip\r\ncontent-length: 5\r\n\r\n12345",
        b"\r\n" * 3 + GET + b"\r\n", b"\r\n" * 50_000, b" " + GET + b"\r\n", GET.replace(b" ", b"  ") + b"\r\n",
        GET.replace(b" ", b"\t") + b"\r\n", GET.replace(b"\r\n", b"\n") + b"\n",
    ]  # fmt: skip
    requests += [PREDICT + b"content-length: " + length + b"\r\n\r\n12345" for length in _LENGTHS]
    requests += [PREDICT + b"transfer-encoding: " + coding + b"\r\n\r\n" + WHOLE for coding in _CODINGS]
    requests += [CHUNKED + size + b"\r\n12345\r\n0\r\n\r\n" for size in _SIZES]
    requests += [b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n" for target in _TARGETS]
    requests += [method + b" /v1/tasks HTTP/1.1\r\n" + HOST + b"\r\n" for method in _METHODS]
    requests += [b"GET /v1/tasks " + version + b"\r\n" + HOST + b"\r\n" for version in _VERSIONS]
    return requests


def from_grammar(count, seed=16):
    """So many: a request of parts, of which one to three are wrong, or fit each other badly."""
    choice = random.Random(seed)
    return [_one(choice) for _ in range(count)]


def _one(choice):
    wrong = set(
        choice.sample(
            ("method", "target", "version", "header", "line", "framing", "rest"), choice.randint(1, 3)
        )
    )
    pick = choice.choice

    def part(name, bad, good):
        return pick(bad) if name in wrong else good

    has_body = choice.random() < 0.5
    method = part("method", _METHODS, b"POST" if has_body else b"GET")
    target = part("target", _TARGETS, b"/v1/tasks/iris/predict" if has_body else b"/v1/tasks")
    line = part("line", _LINES, b"\r\n")
    headers = [b"host: localhost"]
    if "header" in wrong:
        headers += [
            pick(_NAMES) + pick((b":", b": ", b" :", b"", b"=")) + pick(_VALUES)
            for _ in range(choice.randint(1, 3))
        ]
        choice.shuffle(headers)
    body = b""
    if has_body:
        headers.append(b"content-type: application/json")
        framing, body = _framing(choice) if "framing" in wrong else ([b"content-length: %d" % len(ROW)], ROW)
        headers += framing
    rest = part("rest", _REST, b"\r\n\r\n")
    first = b" ".join([method, target, part("version", _VERSIONS, b"HTTP/1.1")])
    return first + line + line.join(headers) + rest + body


def _framing(choice):
    """Headers that say how long a body is, and a body."""
    pick = choice.choice
    chunk = pick(_SIZES) + pick((b"\r\n", b"\n", b"\r")) + b"12345" + pick((b"\r\n", b"\n", b"", b"67\r\n"))
    end = pick((b"0\r\n\r\n", b"0\n\n", b"0\r\n", b"", b"0\r\nx: a\r\n\r\n", b"00\r\n\r\n", b"0;a\r\n\r\n"))
    kinds = [
        ([b"content-length: " + pick(_LENGTHS)], b"12345"),
        ([b"transfer-encoding: " + pick(_CODINGS)], WHOLE),
        ([b"transfer-encoding: chunked"], chunk + end),
        ([b"transfer-encoding: chunked", b"content-length: " + pick(_LENGTHS)], chunk + end),
        ([b"content-length: 5", b"content-length: " + pick(_LENGTHS)], b"12345"),
        ([b"connection: upgrade", b"upgrade: h2c", b"content-length: " + pick(_LENGTHS)], b"12345"),
        ([b"connection: upgrade", b"upgrade: " + pick(_VALUES), b"transfer-encoding: chunked"], chunk + end),
        ([], b"12345"),
    ]
    return pick(kinds)
