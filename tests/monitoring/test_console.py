"""Progress for people, with a clock that the test turns."""

import io
import re
import subprocess
import sys
from dataclasses import dataclass

import pytest

from preftune.monitoring import Console


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def lines(stream: io.StringIO) -> list[str]:
    """What was written, without the time of day that begins each line."""
    written = stream.getvalue().splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in written)
    return [line[9:] for line in written]


def test_plain_lines_come_first_last_and_every_five_seconds() -> None:
    clock, stream = Clock(), io.StringIO()
    console = Console("plain", stream, clock)
    with console.progress("ppo", total=200) as bar:
        for step in range(200):
            clock.now += 0.25
            bar.advance(1, note=f"score {step}")
    assert lines(stream) == [
        "ppo 0/200",
        *(
            f"ppo {20 * k}/200 ({10 * k} %) 0:{50 - 5 * k:02} left, score {20 * k - 1}"
            for k in range(1, 11)
        ),
        "ppo 200/200 done in 0:50, score 199",
    ]


def test_what_an_earlier_attempt_did_says_nothing_about_the_speed_of_this_one() -> None:
    clock, stream = Clock(), io.StringIO()
    with Console("plain", stream, clock).progress("ppo", total=100) as bar:
        bar.resume(50)
        clock.now += 10
        bar.advance(10)
        clock.now += 5
        bar.advance(40)
    assert lines(stream)[:2] == ["ppo 0/100", "ppo 60/100 (60 %) 0:40 left"]


def test_a_note_stays_until_another_comes() -> None:
    stream = io.StringIO()
    with Console("plain", stream, Clock()).progress("sft", total=2) as bar:
        bar.advance(1, note="loss 1.5")
        bar.advance()
    assert lines(stream)[-1] == "sft 2/2 done in 0:00, loss 1.5"


def test_an_unknown_total_and_long_times() -> None:
    clock, stream = Clock(), io.StringIO()
    with Console("plain", stream, clock).progress("rows") as bar:
        clock.now += 3725.4
        bar.advance(1000)
    assert lines(stream) == ["rows", "rows 1000", "rows 1000 done in 1:02:05"]


def test_an_error_passes_through_and_the_last_line_says_stopped() -> None:
    stream = io.StringIO()
    with pytest.raises(KeyError), Console("plain", stream, Clock()).progress("ppo", total=9) as bar:
        bar.advance(2)
        raise KeyError
    assert lines(stream)[-1] == "ppo 2/9 stopped in 0:00"


def test_lines_keep_their_brackets() -> None:
    stream = io.StringIO()
    Console("plain", stream).line("a [bold]b[/bold]")
    assert lines(stream) == ["a [bold]b[/bold]"]
    stream = io.StringIO()
    Console("rich", stream).line("a [bold]b[/bold]")
    assert stream.getvalue() == "a [bold]b[/bold]\n"


def test_silent_writes_nothing() -> None:
    stream = io.StringIO()
    console = Console("silent", stream)
    with console.progress("x", total=1) as bar:
        bar.advance()
    console.line("x")
    assert stream.getvalue() == ""
    assert bar.done == 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_auto_is_rich_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert Console("auto", Terminal()).mode == "rich"
    assert Console("auto", io.StringIO()).mode == "plain"
    monkeypatch.setenv("TERM", "dumb")
    assert Console("auto", Terminal()).mode == "plain"


def test_rich_bars_stand_inside_one_another_and_end_as_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    console = Console("auto", stream, Clock())
    with console.progress("run", total=2) as outer:
        with console.progress("ppo [1]", total=3) as inner:
            inner.advance(3, note="score [x]")
        with pytest.raises(ValueError), console.progress("eval", total=3):
            raise ValueError
        outer.advance(2)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    for sentence in (
        "ppo [1] 3/3 done in 0:00, score [x]\n",
        "eval 0/3 stopped in 0:00\n",
        "run 2/2 done in 0:00\n",
    ):
        assert sentence in text.replace("\r", "")
    assert "ppo [1]" not in text.split("done in 0:00, score [x]")[-1]
    assert stream.getvalue().count("\x1b[?25l") == stream.getvalue().count("\x1b[?25h") == 1
    with console.progress("again", total=1) as bar:
        bar.advance()
    assert "again 1/1 done in 0:00\n" in stream.getvalue()


def test_a_closed_stream_does_not_end_the_work() -> None:
    stream = io.StringIO()
    console = Console("plain", stream)
    stream.close()
    with console.progress("x", total=1) as bar:
        bar.advance()


def test_the_default_is_stderr_and_stdout_stays_empty() -> None:
    program = (
        "from preftune.monitoring import Console\n"
        "console = Console()\n"
        "with console.progress('x', total=1) as bar: bar.advance()\n"
        "console.line('y')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, timeout=120
    )
    assert done.stdout == b""
    assert done.stderr.count(b"\n") == 3
