"""Whatever bytes come, there is an answer or a close, and nothing that follows is taken for a request."""

import asyncio
import gzip
import re
from dataclasses import dataclass, field

import h11
import pytest

from tests.service.malformed import GET, HOST, OFFER, PREDICT, ROW, WHOLE, by_hand, from_grammar
from tests.service.served import predict, serving_in_processes

pytestmark = [pytest.mark.slow, pytest.mark.guard]

LONGEST = 35
"""Seconds that any of them may take: a body has 30, and the sweep that ends it comes once a second. The
rest is for a shared machine, where five hundred of them begin at once."""

ALLOWED_FAULTS = {501, 503, 505}

HIDDEN = b"hidden-request"
FOLLOWING = b"GET /v1/tasks HTTP/1.1\r\n" + HOST + b"x-request-id: " + HIDDEN + b"\r\n\r\n"
"""What follows each of them on its connection; an answer to it has its id."""

AT_A_TIME = 500
"""The service may open 1,024 files. Most of the time is that of bodies that never end."""


@dataclass
class Outcome:
    """What became of one of them: how it ended, and everything that was answered."""

    request: bytes
    ended: str = "hangs"
    answered: bytes = b""
    next_is_answered: bool = False
    statuses: list[int] = field(default_factory=list)

    def __str__(self):
        return f"{self.request[:300]!r} {self.ended} {self.answered[:300]!r}"


async def outcome_of(port, request, turns):
    async with turns:
        outcome = Outcome(request)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            async with asyncio.timeout(LONGEST + 5):
                await _converse(outcome, reader, writer)
        except TimeoutError:
            pass
        finally:
            writer.close()
    outcome.statuses = [int(head[9:12]) for head in _heads(outcome.answered)]
    outcome.next_is_answered = await _is_answered(port)
    return outcome


async def _converse(outcome, reader, writer):
    began = asyncio.get_running_loop().time()
    try:
        writer.write(outcome.request + FOLLOWING)
        await writer.drain()
        while data := await reader.read(1 << 16):
            outcome.answered += data
            if HIDDEN in outcome.answered:
                break
        outcome.ended = "following is answered" if data else "closed"
    except ConnectionError:
        outcome.ended = "closed"
    if asyncio.get_running_loop().time() - began > LONGEST:
        outcome.ended = f"late: {asyncio.get_running_loop().time() - began:.1f} s"


async def _is_answered(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GET + b"connection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer.startswith(b"HTTP/1.1 200 OK")


def _heads(answered):
    """The heads of answers, which have none of a request's words in their bodies."""
    return [b"HTTP/1.1 " + part for part in answered.split(b"HTTP/1.1 ")[1:] if part[:3].isdigit()]


def is_whole(request):
    """Whether another parser takes it for one whole request, with nothing behind it."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 17)
    # These may be taken: empty lines before a request, several spaces in its first line (RFC 9112, 2.2, 3).
    request = re.sub(rb"\A([^\s]+) +([^\s]+) +(HTTP/)", rb"\1 \2 \3", request.lstrip(b"\r\n"))
    events = []
    try:
        connection.receive_data(request)
        while not events or isinstance(events[-1], h11.Request | h11.Data):
            events.append(connection.next_event())
    except h11.RemoteProtocolError:
        return False
    return isinstance(events[-1], h11.EndOfMessage) and not connection.trailing_data[0]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving_in_processes(tmp_path_factory.mktemp("served")) as served:
        yield served


@pytest.fixture(scope="module")
def outcomes(served):
    async def ask_all():
        turns = asyncio.Semaphore(AT_A_TIME)
        requests = dict.fromkeys([*by_hand(), *from_grammar(400)])
        return await asyncio.gather(*(outcome_of(served.port, request, turns) for request in requests))

    return asyncio.run(ask_all())


def test_at_least_three_hundred_malformed_requests_were_sent(outcomes):
    assert sum(not is_whole(outcome.request) for outcome in outcomes) >= 300


def test_each_is_answered_or_closed_in_time(outcomes):
    assert [str(outcome) for outcome in outcomes if outcome.ended[:4] in ("hang", "late")] == []


def test_none_is_a_fault_of_the_server(outcomes):
    faults = [
        o for o in outcomes if any(status >= 500 and status not in ALLOWED_FAULTS for status in o.statuses)
    ]
    assert [str(outcome) for outcome in faults] == []


def test_what_follows_is_answered_only_after_a_whole_request(outcomes):
    answered = [outcome for outcome in outcomes if HIDDEN in outcome.answered and outcome.request.strip()]
    assert [str(outcome) for outcome in answered if not is_whole(outcome.request)] == []


def test_what_follows_a_whole_request_is_answered_second(outcomes):
    answered = [outcome for outcome in outcomes if HIDDEN in outcome.answered and outcome.request.strip()]
    assert [str(o) for o in answered if len([status for status in o.statuses if status >= 200]) != 2] == []


def test_the_same_server_answers_a_good_request_after_each(outcomes):
    assert [str(outcome) for outcome in outcomes if not outcome.next_is_answered] == []


def test_afterwards_every_node_is_up_and_votes(served, outcomes):
    assert (len(outcomes) > 300, served.down(), predict(served.http)["verdicts"][0]["status"]) == (
        True,
        [],
        "ok",
    )


WRONG = b'{"rows":[{"sepal_length":"long"}]}'
PACKED = gzip.compress(ROW)
KINDS = [
    (b"GET /livez HTTP/1.1\r\n" + HOST, b"", 200),
    (PREDICT + b"content-length: %d\r\n" % len(ROW), ROW, 200),
    (PREDICT + b"transfer-encoding: chunked\r\n", WHOLE, 200),
    (PREDICT + OFFER + b"content-length: %d\r\n" % len(ROW), ROW, 200),
    (b"GET /nowhere HTTP/1.1\r\n" + HOST, b"", 404),
    (PREDICT + b"content-length: %d\r\n" % len(WRONG), WRONG, 422),
    (b"HEAD /v1/tasks HTTP/1.1\r\n" + HOST, b"", 200),
    (PREDICT + b"content-encoding: gzip\r\ncontent-length: %d\r\n" % len(PACKED), PACKED, 200),
    (PREDICT + OFFER + b"transfer-encoding: chunked\r\n", WHOLE, 200),
    (b"GET /v1/tasks HTTP/1.1\r\n" + HOST, b"", 200),
]


def test_a_thousand_mixed_requests_in_a_pipeline_get_their_answers_in_order(served):
    async def ask():
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        asked = [KINDS[n * 7 % len(KINDS)] for n in range(1000)]
        for n, (head, body, _) in enumerate(asked):
            writer.write(head + b"x-request-id: mixed-%d\r\n\r\n" % n + body)
        answered = []
        for head, _, _ in asked:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines[1:] if line)
            if not head.startswith(b"HEAD"):
                await reader.readexactly(int(headers["content-length"]))
            answered.append((headers["x-request-id"], int(lines[0].split()[1])))
        writer.close()
        return answered, [(f"mixed-{n}", status) for n, (_, _, status) in enumerate(asked)]

    answered, expected = asyncio.run(asyncio.wait_for(ask(), 120))
    assert answered == expected
