"""The clients of the bench over HTTP: what they send, how they read, what they count."""

import json
import math
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from preftune.cli import bench, bench_web
from preftune.records import RunFailed


@contextmanager
def answering(pieces: Sequence[bytes], asked: list[bytes]) -> Iterator[int]:
    """A server for one request, which sends its answer in these pieces; ``asked`` gets it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            taken, _ = listening.accept()
            with taken:
                taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                asked.append(taken.recv(1 << 16))
                for piece in pieces:
                    taken.sendall(piece)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(listening.getsockname()[1])
        thread.join(60)


@pytest.mark.parametrize("cut", [1, 5, 20, 46, 47, 48, 60, 1000])
def test_an_answer_is_read_whole_however_it_arrives(cut: int) -> None:
    body = '{"ä": [1, 2], "text": "' + "x" * 200 + '"}'
    whole = (
        f"HTTP/1.1 200 OK\r\nX: 1\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}".encode()
    )
    asked: list[bytes] = []
    with answering([whole[:cut], whole[cut:]], asked) as port:
        told = bench_web._Connection(port, "pft_1").post("/api/x", {"ö": 1})
    assert told == json.loads(body)
    said, _, sent = asked[0].decode().partition("\r\n\r\n")
    lines = said.split("\r\n")
    assert lines[0] == "POST /api/x HTTP/1.1" and "Authorization: Bearer pft_1" in lines
    assert f"Content-Length: {len(sent)}" in lines and json.loads(sent) == {"ö": 1}


def test_a_refusal_and_an_end_are_said() -> None:
    refused = b"HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\n{}"
    for pieces, sentence in (([refused], "409 Conflict"), ([refused[:30]], "hung up")):
        with answering(pieces, []) as port, pytest.raises(RunFailed, match=sentence):
            bench_web._Connection(port, "s").post("/", {})


def test_rows_tell_pace_and_processor_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"workers": 4}
    paces = [bench_web.HttpPace(300, 2.0, 3.0, 0.5), bench_web.HttpPace(100, 1.0, 5.0, 0.7)]
    monkeypatch.setattr(bench_web, "http_rounds", lambda given: paces)
    rows = {row["work"]: row for row in bench.feedback_http(asked)}
    assert {name: row["ours"] for name, row in rows.items()} == pytest.approx(
        {
            "feedback over HTTP": 125.0,
            "feedback over HTTP, server": 4.0,
            "feedback over HTTP, clients": 0.6,
        }
    )
    assert rows["feedback over HTTP"]["clients"] == 4
    paces[1] = bench_web.HttpPace(100, 1.0, math.nan, 0.7)
    assert "feedback over HTTP, server" not in {row["work"] for row in bench.feedback_http(asked)}


def test_processor_time_is_that_of_the_process() -> None:
    before = bench_web._processor_seconds(os.getpid())
    assert abs(before - sum(os.times()[:2])) < 0.1
    assert math.isnan(bench_web._processor_seconds(2**22 + 1))
