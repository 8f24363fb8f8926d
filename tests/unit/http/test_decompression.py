"""A compressed body is decompressed whole, or refused; never is more made of it than the limit."""

import gzip
import tracemalloc
import zlib

import pytest

from concord.errors import BodyTooLarge, CallerError, WrongMediaType
from concord.http.decompression import decompress

TEXT = b'{"rows": []}' * 9


def raw_deflate(body):
    return zlib.compress(body, wbits=-15)


@pytest.mark.parametrize(
    ("coding", "compress"),
    [
        ("gzip", gzip.compress),
        ("GZIP ", gzip.compress),
        ("x-gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", raw_deflate),
        ("identity", bytes),
        ("", bytes),
    ],
)
def test_a_body_is_what_was_compressed(coding, compress):
    assert decompress(compress(TEXT), coding, len(TEXT)) == TEXT


@pytest.mark.parametrize(
    ("coding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw_deflate)]
)
def test_one_byte_over_the_limit_is_refused(coding, compress):
    with pytest.raises(BodyTooLarge):
        decompress(compress(TEXT), coding, len(TEXT) - 1)


def test_a_bomb_takes_no_more_memory_than_the_limit():
    bomb = gzip.compress(b"\0" * (1 << 24))
    tracemalloc.start()
    with pytest.raises(BodyTooLarge):
        decompress(bomb, "gzip", 1 << 16)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 19


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no gzip",
        gzip.compress(TEXT)[:-1],
        gzip.compress(TEXT)[:9],
        gzip.compress(TEXT) + b"more",
        gzip.compress(TEXT) + gzip.compress(b""),
        gzip.compress(TEXT)[:-8] + b"\0" * 8,
    ],
    ids=["empty", "other", "cut", "head only", "trailing", "two members", "wrong checksum"],
)
def test_what_is_not_one_whole_stream_is_refused(body):
    with pytest.raises(CallerError) as caught:
        decompress(body, "gzip", 1000)
    assert caught.value.code == "invalid_compression"


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "nonsense"])
def test_another_coding_is_refused_by_name(coding):
    with pytest.raises(WrongMediaType, match="gzip or deflate") as caught:
        decompress(TEXT, coding, 1000)
    assert caught.value.field == "content-encoding"
