"""The built-in engine: batched sampling with a key–value cache, for any causal language model.

Prompts of similar length go together. Rows that have ended leave, and prompts that wait take their
room while the others go on (continuous batching). Every row draws from its own stream of random
numbers (seed, place in the request), so its tokens do not depend on which rows it shares a batch
with. Rows with the same prompt share what was read of it, and several workers write side by side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from transformers import PreTrainedModel

from preftune.artifacts import derive_seed
from preftune.models import ActionMask, Renderer, Row, ValueHeads, dealt_by_prompt
from preftune.monitoring import Console
from preftune.records import BadInput, Completion, Prompt, Sampling, StopReason
from preftune.rollouts.guiding import Reader
from preftune.rollouts.memory import Memory, NewMemory, reading
from preftune.rollouts.sampling import draw
from preftune.training import side_by_side, workers

LEAST = 64
"""Fewer rows than this are not divided among workers."""

_Tokens = tuple[list[int], list[float]]


@dataclass(slots=True)
class NativeEngine:
    """A policy that answers prompts: a :class:`preftune.records.Generate`.

    ``version`` names the weights now in ``policy``; the owner sets it after an update. Prompts
    longer than ``longest_prompt`` tokens, or than the context leaves room for, lose their start
    (or are refused: ``too_long = "fail"``). ``value_heads`` are needed for value guidance only;
    with a ``mask`` only what it allows is written.
    """

    policy: PreTrainedModel
    renderer: Renderer
    version: str
    batch_size: int = 256
    longest_prompt: int | None = None
    too_long: str = "truncate_prompt_left"
    console: Console | None = None
    value_heads: ValueHeads | None = None
    mask: ActionMask | None = None

    def __call__(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        """One completion for each prompt, in order. Same seed, prompts and weights: same tokens.

        Raises :class:`BadInput` when ``max_new_tokens`` leaves no room for a prompt, or for a
        prompt that is too long when ``too_long`` is ``fail``.
        """
        ids = self._prompt_ids(prompts, sampling)
        order = sorted(range(len(ids)), key=lambda index: (len(ids[index]), ids[index], index))
        stops = {self.renderer.tokenizer.eos_token_id, *sampling.stop_token_ids}
        reader = Reader(self.policy, self.value_heads, self.mask)
        hands = dealt_by_prompt([Row(ids[index], ()) for index in order], _hands(len(order)))
        groups = [[order[place] for place in hand] for hand in hands]
        with reading(reader.networks, sampling.max_new_tokens) as memory_of:

            def written(group: list[int]) -> list[_Tokens]:
                asked = [ids[index] for index in group]
                writing = Writing(asked, _uniforms(sampling, group), stops)
                _generate(reader, memory_of, writing, sampling, self.batch_size)
                return writing.rows()

            answers = side_by_side(written, groups)
        done = {
            index: self._completion(prompts[index], ids[index], tokens, stops)
            for group, rows in zip(groups, answers, strict=True)
            for index, tokens in zip(group, rows, strict=True)
        }
        return [done[index] for index in range(len(prompts))]

    def _prompt_ids(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[tuple[int, ...]]:
        room = self.renderer.context - sampling.max_new_tokens
        room = room if self.longest_prompt is None else min(room, self.longest_prompt)
        texts = dict.fromkeys(prompt.text for prompt in prompts)
        ids = {text: _fitted(self.renderer.prompt_ids(text), room, self.too_long) for text in texts}
        return [ids[prompt.text] for prompt in prompts]

    def _completion(
        self,
        prompt: Prompt,
        prompt_ids: tuple[int, ...],
        tokens: _Tokens,
        stops: set[int],
    ) -> Completion:
        tokenizer = self.renderer.tokenizer
        written, logprobs = tokens
        ended = written[-1] in stops
        body = written[:-1] if ended else written
        reason = StopReason.STOP if ended else StopReason.LENGTH
        return Completion(
            prompt=prompt,
            text=str(tokenizer.decode(body, skip_special_tokens=True)),
            stop_reason=StopReason.EOS if written[-1] == tokenizer.eos_token_id else reason,
            policy_version=self.version,
            prompt_token_ids=prompt_ids,
            token_ids=tuple(written),
            logprobs=tuple(logprobs),
        )


class Writing:
    """What a request's rows have written: tokens, the stop token included, and log-probabilities.

    ``uniforms_BT`` are the numbers each draws its tokens with.
    """

    def __init__(
        self, prompts: Sequence[tuple[int, ...]], uniforms_BT: np.ndarray, stops: set[int]
    ) -> None:
        self.prompts = prompts
        self._uniforms, self._longest = uniforms_BT, uniforms_BT.shape[1]
        self._stops = np.array(sorted(stops))
        self._tokens = np.zeros(uniforms_BT.shape, dtype=np.int64)
        self._logprobs = np.zeros(uniforms_BT.shape)
        self._lengths = np.zeros(len(prompts), dtype=np.int64)

    def uniforms(self, rows: np.ndarray) -> np.ndarray:
        """The number each of these draws its next token with; any for one that has ended."""
        return self._uniforms[rows, np.minimum(self._lengths[rows], self._longest - 1)]

    def write(self, rows: np.ndarray, tokens: np.ndarray, logprobs: np.ndarray) -> np.ndarray:
        """The next token of these rows; which of them go on."""
        at = self._lengths[rows]
        self._tokens[rows, at], self._logprobs[rows, at] = tokens, logprobs
        self._lengths[rows] += 1
        stopped = (tokens[:, None] == self._stops).any(1)
        return ~stopped & (self._lengths[rows] < self._longest)

    def rows(self) -> list[_Tokens]:
        return [
            (tokens[:length].tolist(), logprobs[:length].tolist())
            for tokens, logprobs, length in zip(
                self._tokens, self._logprobs, self._lengths, strict=True
            )
        ]


@torch.no_grad()
def _generate(
    reader: Reader, memory_of: NewMemory, writing: Writing, sampling: Sampling, room: int
) -> None:
    """Writes all rows to their ends, at most ``room`` at once."""
    device: torch.device = reader.policy.device
    places, live = np.arange(0), np.ones(0, dtype=bool)
    memory: Memory | None = None
    logits = torch.empty(0, device=device)
    begun, count = 0, len(writing.prompts)
    while begun < count or memory is not None:
        free = room - int(live.sum())
        if begun < count and (memory is None or free >= (1 - memory.refill) * room):
            upto = begun + _fitting(writing.prompts[begun:], free)
            new, told = _begun(reader, memory_of, writing.prompts[begun:upto], sampling)
            if memory is None:
                memory, logits = new, told
            else:
                memory.join(new)
                logits = torch.cat([logits, told])
            places = np.append(places, np.arange(begun, upto))
            live = np.append(live, np.ones(upto - begun, dtype=bool))
            begun = upto
        assert memory is not None
        uniforms = torch.from_numpy(writing.uniforms(places)).to(device)
        tokens, logprobs = draw(logits, uniforms, sampling)
        drawn, chances = tokens.cpu().numpy(), logprobs.cpu().numpy()
        live[live] = writing.write(places[live], drawn[live], chances[live])
        if not live.any():
            places, live, memory = places[:0], live[:0], None
            continue
        rows = memory.keep(live)
        if rows is not None:
            places, live = places[rows], live[rows]
            tokens = tokens[torch.from_numpy(rows).to(device)]
        logits = reader.masked_logits(sampling, memory.then(tokens))


def _begun(
    reader: Reader, memory_of: NewMemory, prompts: Sequence[tuple[int, ...]], sampling: Sampling
) -> tuple[Memory, torch.Tensor]:
    """What was read of these prompts, and the logits of each row's first token."""
    different = {ids: index for index, ids in enumerate(dict.fromkeys(prompts))}
    memory = memory_of(list(different))
    prompt_of_row = np.array([different[ids] for ids in prompts])
    logits = torch.cat([reader.masked_logits(sampling, portion) for portion in memory.first()])
    memory.answer(prompt_of_row)
    return memory, logits[torch.from_numpy(prompt_of_row).to(logits.device)]


def _fitting(prompts: Sequence[tuple[int, ...]], room: int) -> int:
    """How many of these there is room for, equal ones together if they can be."""
    fitting = 0
    for _, equal in groupby(prompts):
        count = sum(1 for _ in equal)
        if fitting + count > room:
            break
        fitting += count
    return fitting or min(room, len(prompts))


def _hands(rows: int) -> int:
    """How many workers share these rows."""
    return max(1, min(workers(), rows // LEAST))


def _uniforms(sampling: Sampling, places: Sequence[int]) -> np.ndarray:
    """[rows, max_new_tokens] numbers in [0, 1); row i of a request always gets the same."""
    seed = derive_seed(sampling.seed, "tokens")
    streams = [np.random.default_rng([seed, place]) for place in places]
    return np.stack([stream.random(sampling.max_new_tokens) for stream in streams])


def _fitted(ids: tuple[int, ...], room: int, too_long: str) -> tuple[int, ...]:
    if room < 1:
        raise BadInput(
            "The model's context leaves no room for a prompt.",
            remedy="Lower sampling.max_new_tokens.",
        )
    if len(ids) <= room:
        return ids
    if too_long == "fail":
        raise BadInput(
            f"A prompt has {len(ids)} tokens and the context leaves room for {room}.",
            remedy='Set too_long = "truncate_prompt_left" or "skip", or shorten the prompts.',
        )
    return ids[-room:]
