"""What a person sees while something runs, on stderr: bars on a terminal, lines elsewhere."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal, TextIO

from rich.console import Console as RichConsole
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

Mode = Literal["auto", "rich", "plain", "silent"]
LINE_EVERY = 5.0
"""Seconds between two plain lines of one bar."""


@dataclass(slots=True)
class Bar:
    """How far one thing has come. ``total`` None means nobody knows."""

    name: str
    total: int | None
    started: float
    show: Callable[["Bar"], None] = field(repr=False)
    done: int = 0
    earlier: int = 0
    """Of ``done``, what an earlier attempt did: it says nothing about the speed of this one."""
    note: str = ""
    shown: float | None = None
    state: Literal["running", "done", "stopped"] = "running"

    def advance(self, count: int = 1, note: str | None = None) -> None:
        """``count`` more are done; ``note`` (a few words: "score 1.2 kl 3.4") replaces the last."""
        self.done += count
        self.note = self.note if note is None else note
        self.show(self)

    def resume(self, count: int) -> None:
        """``count`` were done by an attempt that was stopped."""
        self.earlier = count
        self.advance(count)


class Console:
    """Progress and lines for people, never on stdout.

    ``mode``: ``rich`` draws bars, ``plain`` writes a line about every five seconds and the
    first and last always, ``silent`` writes nothing, ``auto`` is rich on a terminal and plain
    elsewhere. ``clock`` gives seconds.
    """

    def __init__(
        self,
        mode: Mode = "auto",
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stream = sys.stderr if stream is None else stream
        self.clock = clock
        terminal = self.stream.isatty() and os.environ.get("TERM") != "dumb"
        self.mode: Mode = ("rich" if terminal else "plain") if mode == "auto" else mode
        self._rich = RichConsole(file=self.stream, force_terminal=True if terminal else None)
        self._live: Progress | None = None
        self._tasks: dict[int, TaskID] = {}

    def line(self, text: str) -> None:
        """One line of text, above any bars."""
        if self.mode == "rich":
            self._rich.print(text, markup=False, highlight=False, soft_wrap=True)
        elif self.mode == "plain":
            # A terminal or pipe that has gone away must not end the work.
            with suppress(OSError, ValueError):
                print(time.strftime("%H:%M:%S"), text, file=self.stream, flush=True)

    @contextmanager
    def progress(self, name: str, total: int | None = None) -> Iterator[Bar]:
        """``with console.progress("ppo", total=steps) as bar: bar.advance(1, note=...)``.

        Bars may stand inside one another. An error passes through and the bar says "stopped".
        """
        show = {"rich": self._show_rich, "plain": self._show_plain, "silent": _show_nothing}
        bar = Bar(name, total, self.clock(), show[self.mode])
        bar.show(bar)
        try:
            yield bar
        except BaseException:
            bar.state = "stopped"
            raise
        else:
            bar.state = "done"
        finally:
            bar.show(bar)

    def _show_plain(self, bar: Bar) -> None:
        now = self.clock()
        due = bar.shown is None or now - bar.shown >= LINE_EVERY
        if due or bar.state != "running":
            bar.shown = now
            self.line(_sentence(bar, now))

    def _show_rich(self, bar: Bar) -> None:
        if self._live is None:
            self._live = _progress(self._rich)
            self._live.start()
        if id(bar) not in self._tasks:
            self._tasks[id(bar)] = self._live.add_task(bar.name, total=bar.total, note="")
        task = self._tasks[id(bar)]
        self._live.update(task, completed=bar.done, note=bar.note)
        if bar.state == "running":
            return
        self._live.remove_task(self._tasks.pop(id(bar)))
        self._live.refresh()
        if not self._tasks:
            self._live.stop()
            self._live = None
        self.line(_sentence(bar, self.clock()))


def _show_nothing(bar: Bar) -> None:
    pass


def _sentence(bar: Bar, now: float) -> str:
    """``ppo 120/500 (24 %) 0:31 left, score 1.2``; at the end the time it took."""
    spent = now - bar.started
    count = f"{bar.done}" if bar.total is None else f"{bar.done}/{bar.total}"
    words = [bar.name] if bar.total is None and not bar.done else [bar.name, count]
    if bar.state != "running":
        words.append(f"{bar.state} in {_duration(spent)}")
    elif bar.total and bar.done > bar.earlier:
        left = spent / (bar.done - bar.earlier) * max(bar.total - bar.done, 0)
        words.append(f"({100 * bar.done // bar.total} %) {_duration(left)} left")
    return " ".join(words) + (f", {bar.note}" if bar.note else "")


def _duration(seconds: float) -> str:
    """0:07, 12:30, 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _progress(console: RichConsole) -> Progress:
    note = TextColumn(
        "{task.fields[note]}",
        markup=False,
        table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1),
    )
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        note,
        console=console,
        transient=True,
        expand=True,
    )
