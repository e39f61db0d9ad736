"""The built-in engine: batched sampling with a key–value cache, for any causal language model.

Prompts of similar length go together; rows that have ended leave the batch. Every row draws from
its own stream of random numbers (seed, place in the request), so its tokens do not depend on
which rows it shares a batch with. Rows with the same prompt share what was read of it, and
batches are written side by side where the process has several workers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedModel

from preftune.artifacts import derive_seed
from preftune.models import ActionMask, Renderer, ValueHeads
from preftune.monitoring import Console
from preftune.records import BadInput, Completion, Prompt, Sampling, StopReason
from preftune.rollouts.guiding import Reader
from preftune.rollouts.memory import NewMemory, reading
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
        size = self._group_size(len(order))
        groups = [order[start : start + size] for start in range(0, len(order), size)]
        with reading(reader.networks, sampling.max_new_tokens) as memory_of:

            def written(group: list[int]) -> list[_Tokens]:
                asked = [ids[index] for index in group]
                uniforms = _uniforms(sampling, group)
                return _generate(reader, memory_of, asked, uniforms, stops, sampling)

            answers = side_by_side(written, groups)
        done = {
            index: self._completion(prompts[index], ids[index], tokens, stops)
            for group, rows in zip(groups, answers, strict=True)
            for index, tokens in zip(group, rows, strict=True)
        }
        return [done[index] for index in range(len(prompts))]

    def _group_size(self, rows: int) -> int:
        """Rows generated together: a full batch, or less where every worker gets a share."""
        share = -(-rows // workers())
        return min(self.batch_size, max(share, LEAST))

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


class _Writing:
    """Tokens and log-probabilities of every row so far, the stop token included."""

    def __init__(self, rows: int, longest: int) -> None:
        self._tokens = np.zeros((rows, longest), dtype=np.int64)
        self._logprobs = np.zeros((rows, longest))
        self._lengths = np.zeros(rows, dtype=np.int64)

    def write(self, rows: np.ndarray, tokens: np.ndarray, logprobs: np.ndarray) -> None:
        """The next token of these rows."""
        at = self._lengths[rows]
        self._tokens[rows, at], self._logprobs[rows, at] = tokens, logprobs
        self._lengths[rows] += 1

    def rows(self) -> list[_Tokens]:
        return [
            (tokens[:length].tolist(), logprobs[:length].tolist())
            for tokens, logprobs, length in zip(
                self._tokens, self._logprobs, self._lengths, strict=True
            )
        ]


@torch.no_grad()
def _generate(
    reader: Reader,
    memory_of: NewMemory,
    prompts: Sequence[tuple[int, ...]],
    uniforms_BT: np.ndarray,
    stops: set[int],
    sampling: Sampling,
) -> list[_Tokens]:
    """Tokens and their log-probabilities for each prompt, the stop token included."""
    device: torch.device = reader.policy.device
    different = {ids: index for index, ids in enumerate(dict.fromkeys(prompts))}
    memory = memory_of(list(different))
    writing = _Writing(len(prompts), sampling.max_new_tokens)
    prompt_of_row = np.array([different[ids] for ids in prompts])
    places, live = np.arange(len(prompts)), np.ones(len(prompts), dtype=bool)
    ends = np.array(sorted(stops))
    logits = torch.cat([reader.masked_logits(sampling, portion) for portion in memory.first()])
    memory.answer(prompt_of_row)
    logits = logits[torch.from_numpy(prompt_of_row).to(device)]
    for t in range(sampling.max_new_tokens):
        uniforms = torch.from_numpy(uniforms_BT[places, t]).to(device)
        tokens, logprobs = draw(logits, uniforms, sampling)
        drawn = tokens.cpu().numpy()
        writing.write(places[live], drawn[live], logprobs.cpu().numpy()[live])
        live &= (drawn[:, None] != ends).all(1)
        if not live.any() or t + 1 == sampling.max_new_tokens:
            break
        rows = memory.keep(live)
        if rows is not None:
            places, live = places[rows], live[rows]
            tokens = tokens[torch.from_numpy(rows).to(device)]
        logits = reader.masked_logits(sampling, memory.then(tokens))
    return writing.rows()


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
