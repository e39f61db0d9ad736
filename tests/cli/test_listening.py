"""The socket servers listen on."""

import socket

import pytest

from preftune.cli.listening import listen
from preftune.records import BadInput


def test_answers_are_sent_as_they_are_written() -> None:
    with listen("127.0.0.1", 0) as listening:
        client = socket.create_connection(listening.getsockname()[:2])
        accepted, _ = listening.accept()
        with client, accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert accepted.proto == socket.IPPROTO_TCP


def test_a_taken_port_is_refused_with_its_name() -> None:
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with pytest.raises(BadInput, match=f"port {port}: Address already in use"):
            listen("127.0.0.1", port)
