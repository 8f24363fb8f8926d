"""A port that is taken is named, with one that is free."""

import os
import socket
from dataclasses import replace

import pytest

from concord.cli.up.ports import Ports, PortTaken, check_ports, is_free
from concord.errors import ConfigurationError


@pytest.fixture
def taken():
    """A port on which something listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_port_is_free_until_something_listens(taken):
    assert not is_free("127.0.0.1", taken)


def test_a_taken_port_is_named_with_who_has_it_and_a_free_base(taken):
    ports = Ports("127.0.0.1", taken, page=False, mlflow=False)
    with pytest.raises(PortTaken, match=f"Port {taken}.*process {os.getpid()}") as caught:
        check_ports(ports)
    assert caught.value.offer is None or f"--port {caught.value.offer}" in caught.value.message


def test_the_page_counts_only_if_it_is_wanted(taken):
    ports = Ports("127.0.0.1", taken - 80, mlflow=False)
    with pytest.raises(PortTaken, match="for the page"):
        check_ports(ports)
    check_ports(replace(ports, page=False))


def test_nodes_take_the_next_free_port(taken):
    ports = Ports("127.0.0.1", taken - 10)
    free = ports.find_free("127.0.0.1", 3)
    assert len(free) == 3
    assert taken not in free


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(ConfigurationError, match="no address of this machine"):
        is_free("192.0.2.1", 7400)
