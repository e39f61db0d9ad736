"""One thread for each model, which writes whatever is asked of it together."""

import copy
import itertools
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from preftune.models import Renderer, load_tokenizer, renderer_for
from preftune.pipeline.measure import torch_device
from preftune.pipeline.profiles import open_profiled
from preftune.recipe.profiles import AT, split_profile
from preftune.records import BadInput, Message
from preftune.rollouts.streaming import Stream, Written, stream_answers
from preftune.serving.answers import Answer

Tell = Callable[[Answer], None]
"""Called from the worker's thread each time an answer has grown or ended."""


class Overloaded(Exception):
    """More is waiting than a model may keep waiting."""


@dataclass(slots=True)
class Job:
    """One answer being written for a client."""

    stream: Stream
    answer: Answer
    tell: Tell


@dataclass(slots=True)
class Served:
    """A model and the thread that writes with it.

    Jobs that wait are taken together, at most ``batch_size``, and written to their end; what
    arrives meanwhile is the next batch.
    """

    name: str
    policy: PreTrainedModel
    renderer: Renderer
    batch_size: int = 64
    most_waiting: int = 4096
    said: str = ""
    """A preference profile in words, before the first turn of a user."""
    decoder: PreTrainedTokenizerBase = field(init=False)
    """A tokenizer of the thread's own: one may not be used by two at one time."""
    _waiting: deque[Job] = field(default_factory=deque)
    _turn: threading.Condition = field(default_factory=threading.Condition)
    _closed: bool = False
    _writing: bool = False
    _thread: threading.Thread | None = None

    def __post_init__(self) -> None:
        self.decoder = copy.deepcopy(self.renderer.tokenizer)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._work, name=f"serve {self.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends what is being written, and the thread."""
        with self._turn:
            self._closed = True
            self._turn.notify()
        if self._thread is not None:
            self._thread.join()

    def submit(self, jobs: Sequence[Job]) -> None:
        """Puts jobs in line. Raises :class:`Overloaded`."""
        with self._turn:
            if self._closed or len(self._waiting) + len(jobs) > self.most_waiting:
                raise Overloaded
            self._waiting.extend(jobs)
            self._turn.notify()

    @property
    def idle(self) -> bool:
        """Whether nothing is written or waits."""
        with self._turn:
            return not self._waiting and not self._writing

    def text_ids(self, prompt: str) -> tuple[int, ...]:
        """A plain prompt's ids."""
        return self.renderer.prompt_ids(self.said + prompt)

    def prompt_ids(self, turns: Sequence[Message]) -> tuple[int, ...]:
        """A conversation's ids; without a chat template its turns are joined by line ends."""
        if self.said:
            turns = _told(self.said, turns)
        if self.renderer.tokenizer.chat_template is not None:
            return self.renderer.prompt_ids(tuple(turns))
        return self.renderer.prompt_ids("\n".join(turn.content for turn in turns))

    def _work(self) -> None:
        while True:
            with self._turn:
                self._writing = False
                self._turn.wait_for(lambda: self._waiting or self._closed)
                self._writing = True
                if self._closed:
                    return
                count = min(self.batch_size, len(self._waiting))
                jobs = [self._waiting.popleft() for _ in range(count)]
            try:
                self._write([job for job in jobs if not job.stream.ended])
            except Exception as error:  # told to the clients; the thread goes on
                for job in jobs:
                    job.answer.fail(f"{type(error).__name__}: {error}")
                    job.tell(job.answer)

    def _write(self, jobs: Sequence[Job]) -> None:
        if not jobs:
            return
        by_stream = {id(job.stream): job for job in jobs}
        for written in stream_answers(self.policy, [job.stream for job in jobs]):
            for token in written:
                self._add(by_stream[id(token.stream)], token)
            if self._closed:
                return

    def _add(self, job: Job, token: Written) -> None:
        if job.stream.ended:
            return
        job.answer.add(token)
        job.stream.ended = job.answer.finish_reason is not None
        job.tell(job.answer)


def _told(said: str, turns: Sequence[Message]) -> list[Message]:
    first = next((place for place, turn in enumerate(turns) if turn.role == "user"), 0)
    return [
        Message(turn.role, said + turn.content) if place == first else turn
        for place, turn in enumerate(turns)
    ]


def open_served(name: str, source: str, device: torch.device, batch_size: int) -> Served:
    """A model that is not started yet, by its source with or without a profile."""
    opened = open_profiled(source, device)
    tokenizer = load_tokenizer(str(opened.folder).removeprefix("hub:"))
    renderer = renderer_for(opened.policy, tokenizer, opened.folder)
    return Served(name, opened.policy, renderer, batch_size, said=opened.said)


def open_models(
    named: Sequence[str], *, device: str = "auto", batch_size: int = 64
) -> dict[str, Served]:
    """Models by the names clients use: ``SOURCE`` or ``NAME=SOURCE``, the source a policy's or a
    stage's folder, ``hub:NAME`` or a file of profiles. Raises :class:`BadInput` for two of one
    name.
    """
    found: dict[str, Served] = {}
    for given in named:
        name, source = split_name(given)
        if name in found:
            raise BadInput(
                f"Two models are called {name!r}.", remedy="Give one a name: NAME=MODEL."
            )
        found[name] = open_served(name, source, torch_device(device), batch_size)
    return found


def profiled_sources(named: Sequence[str]) -> dict[str, str]:
    """The sources of models by name that a profile may be asked of: those without one already."""
    pairs = [split_name(given) for given in named]
    return {name: source for name, source in pairs if split_profile(source)[1] is None}


def split_name(given: str) -> tuple[str, str]:
    """Name and source; a folder without a name is called as it is, a ``model`` as its parent."""
    name, equals, source = given.partition("=")
    if equals and name and source and AT not in name and not Path(given).exists():
        return name, source
    parts = Path(given.removeprefix("hub:")).parts
    tail = list(itertools.dropwhile(lambda part: part == "model", reversed(parts)))
    return (tail[0] if tail else given), given
