"""One thread for each model, which writes whatever is asked of it together."""

import copy
import itertools
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from preftune.models import Renderer, load_policy, load_tokenizer, renderer_for
from preftune.pipeline.measure import torch_device
from preftune.pipeline.origins import model_folder
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
    decoder: PreTrainedTokenizerBase = field(init=False)
    """A tokenizer of the thread's own: one may not be used by two at one time."""
    _waiting: deque[Job] = field(default_factory=deque)
    _turn: threading.Condition = field(default_factory=threading.Condition)
    _closed: bool = False
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
            if len(self._waiting) + len(jobs) > self.most_waiting:
                raise Overloaded
            self._waiting.extend(jobs)
            self._turn.notify()

    def prompt_ids(self, turns: Sequence[Message]) -> tuple[int, ...]:
        """A conversation's ids; without a chat template its turns are joined by line ends."""
        if self.renderer.tokenizer.chat_template is not None:
            return self.renderer.prompt_ids(tuple(turns))
        return self.renderer.prompt_ids("\n".join(turn.content for turn in turns))

    def _work(self) -> None:
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._waiting or self._closed)
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


def open_models(
    named: Sequence[str], *, device: str = "auto", batch_size: int = 64
) -> dict[str, Served]:
    """Models by the names clients use: ``FOLDER`` or ``NAME=FOLDER``, the folder a policy's or a
    stage's, or ``hub:NAME``. Raises :class:`BadInput` for two of one name.
    """
    found: dict[str, Served] = {}
    for given in named:
        name, source = _split(given)
        if name in found:
            raise BadInput(
                f"Two models are called {name!r}.", remedy="Give one a name: NAME=MODEL."
            )
        folder = model_folder(source)
        policy = load_policy(folder, torch_device(device))
        tokenizer = load_tokenizer(str(folder).removeprefix("hub:"))
        renderer = renderer_for(policy, tokenizer, folder)
        found[name] = Served(name, policy, renderer, batch_size)
    return found


def _split(given: str) -> tuple[str, str]:
    """Name and source; a folder without a name is called as it is, a ``model`` as its parent."""
    name, equals, source = given.partition("=")
    if equals and name and source and not Path(given).exists():
        return name, source
    parts = Path(given.removeprefix("hub:")).parts
    tail = list(itertools.dropwhile(lambda part: part == "model", reversed(parts)))
    return (tail[0] if tail else given), given
