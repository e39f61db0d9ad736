"""Talking with a policy: one turn at a time, token by token."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

from preftune.artifacts import derive_seed
from preftune.models import (
    GUIDANCE,
    Renderer,
    Row,
    ValueHeads,
    collate,
    load_tokenizer,
    load_value_heads,
    renderer_for,
)
from preftune.pipeline.measure import open_score, torch_device
from preftune.pipeline.profiles import open_profiled
from preftune.records import BadInput, Message, Prompt, Sampling, Score, Text
from preftune.rollouts import BestOf, NativeEngine
from preftune.rollouts.cache import generation_cache
from preftune.rollouts.guiding import Reader
from preftune.rollouts.sampling import draw

UNFINISHED = "\ufffd"
"""What a character decodes to before all of its bytes are there."""


@dataclass(slots=True)
class Conversation:
    """A policy and what has been said. ``turns`` alternate user and assistant after ``system``.

    With a chat template the turns go through it; without one they are joined by line ends and the
    model continues the text. With a ``picker`` every answer is the best of several.
    """

    policy: PreTrainedModel
    renderer: Renderer
    sampling: Sampling
    system: str | None = None
    turns: tuple[Message, ...] = ()
    stop_reason: str = ""
    tokens: int = 0
    value_heads: ValueHeads | None = None
    picker: "Picker | None" = None
    score: float | None = None
    """What the picker's reward model gave the last answer."""
    said: str = ""
    """A preference profile, before the first turn."""

    def say(self, text: str) -> Iterator[str]:
        """Adds the user's turn and yields the answer piece by piece; then it is a turn too."""
        asked = (*self.turns, Message("user", text))
        sampling = replace(self.sampling, seed=derive_seed(self.sampling.seed, len(self.turns)))
        pieces: list[str] = []
        answer = self._stream if self.picker is None else self._picked
        for piece in answer(asked, sampling):
            pieces.append(piece)
            yield piece
        self.turns = (*asked, Message("assistant", "".join(pieces)))

    def forget(self) -> None:
        """Starts the conversation again."""
        self.turns = ()

    @property
    def _room(self) -> int:
        """The longest prompt. Raises :class:`BadInput` when there is no room for one."""
        room = self.renderer.context - self.sampling.max_new_tokens
        if room < 1:
            raise BadInput(
                f"The model's context of {self.renderer.context} tokens leaves no room for a "
                "prompt.",
                remedy="Lower --max-new-tokens.",
            )
        return room

    def _text(self, turns: tuple[Message, ...]) -> Text:
        if self.said:
            turns = (replace(turns[0], content=self.said + turns[0].content), *turns[1:])
        if self.renderer.tokenizer.chat_template is not None:
            first = () if self.system is None else (Message("system", self.system),)
            return (*first, *turns)
        parts = [] if self.system is None else [self.system]
        return "\n".join([*parts, *(turn.content for turn in turns)])

    def _picked(self, turns: tuple[Message, ...], sampling: Sampling) -> Iterator[str]:
        """The best of several answers, in one piece."""
        assert self.picker is not None
        engine = NativeEngine(
            self.policy, self.renderer, "", longest_prompt=self._room, value_heads=self.value_heads
        )
        best_of = BestOf(engine, self.picker.score, self.picker.n)
        ((completion, self.score),) = best_of.pick([Prompt(self._text(turns))], sampling)
        self.tokens, self.stop_reason = len(completion.token_ids), str(completion.stop_reason)
        yield completion.text

    @torch.no_grad()
    def _stream(self, turns: tuple[Message, ...], sampling: Sampling) -> Iterator[str]:
        prompt_ids = self.renderer.prompt_ids(self._text(turns))[-self._room :]
        tokenizer, device = self.renderer.tokenizer, self.policy.device
        reader = Reader(self.policy, self.value_heads)
        batch = collate([Row(prompt_ids, ())], 0, device)
        cache = generation_cache(self.policy.config, len(prompt_ids) + sampling.max_new_tokens)
        stream = np.random.default_rng([derive_seed(sampling.seed, "tokens"), 0])
        uniforms = stream.random(sampling.max_new_tokens)
        inputs, positions = batch.input_ids_BS, batch.position_ids_BS
        written: list[int] = []
        said = ""
        self.stop_reason = "length"
        for uniform in uniforms:
            logits = reader.next_logits(
                sampling, input_ids=inputs, position_ids=positions, past_key_values=cache
            )
            tokens, _ = draw(logits, torch.tensor([uniform], device=device), sampling)
            written.append(int(tokens))
            self.tokens = len(written)
            if written[-1] == tokenizer.eos_token_id:
                self.stop_reason = "eos"
                written.pop()
                break
            text = str(tokenizer.decode(written, skip_special_tokens=True))
            if text.startswith(said) and not text.endswith(UNFINISHED):
                yield text[len(said) :]
                said = text
            inputs, positions = tokens.unsqueeze(1), positions[:, -1:] + 1
        yield str(tokenizer.decode(written, skip_special_tokens=True))[len(said) :]


@dataclass(frozen=True, slots=True)
class Picker:
    """How many answers are drawn, and what says which of them is best."""

    score: Score
    n: int


@dataclass(frozen=True, slots=True)
class Wishes:
    """How answers are made beyond sampling: the best of n by a reward model, guided by values.

    ``value_guidance`` None is the model's own β, 0 off.
    """

    best_of: int = 1
    reward_model: str | None = None
    value_guidance: float | None = None


def open_conversation(
    model: str | Path,
    sampling: Sampling,
    *,
    system: str | None = None,
    device: str = "auto",
    wishes: Wishes = Wishes(),  # noqa: B008
) -> Conversation:
    """A conversation with a policy's folder, a stage's folder, or ``hub:NAME``.

    With a preference profile behind the name: see :func:`open_profiled`.
    """
    opened = open_profiled(model, torch_device(device))
    folder, policy = opened.folder, opened.policy
    tokenizer = load_tokenizer(str(folder).removeprefix("hub:"))
    heads = load_value_heads(folder, policy)
    strength = wishes.value_guidance
    if strength is None:
        strength = 0.0 if heads is None else float(getattr(policy.config, GUIDANCE, 0.0))
    return Conversation(
        policy,
        renderer_for(policy, tokenizer, folder),
        replace(sampling, value_guidance=strength),
        system,
        value_heads=heads,
        picker=_picker(wishes, policy.device),
        said=opened.said,
    )


def _picker(wishes: Wishes, device: torch.device) -> Picker | None:
    if wishes.best_of == 1 and wishes.reward_model is None:
        return None
    if wishes.reward_model is None:
        raise BadInput(
            f"The best of {wishes.best_of} answers needs someone who says which that is.",
            remedy="Add --reward-model with a reward model's folder.",
        )
    if wishes.best_of == 1:
        raise BadInput(
            "One answer leaves a reward model nothing to choose from.", remedy="Add --best-of 4."
        )
    return Picker(open_score(wishes.reward_model, device), wishes.best_of)
