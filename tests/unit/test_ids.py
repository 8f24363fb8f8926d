"""Ids are random, of the size that was asked for, and never repeat."""

import os

from concord.util.ids import Ids


def test_ids_never_repeat():
    fresh = Ids()
    assert len({fresh.hex(16) for _ in range(10_000)}) == 10_000


def test_an_id_has_the_size_that_was_asked_for():
    fresh = Ids()
    assert [len(fresh.hex(size)) for size in (8, 16, 8)] == [16, 32, 16]


def test_a_fork_does_not_repeat_its_parents_ids():
    fresh = Ids()
    fresh.hex(16)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, fresh.hex(16).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 64).decode() != fresh.hex(16)
    os.close(read)
    os.close(write)
