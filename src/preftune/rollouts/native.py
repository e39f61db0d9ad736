"""The built-in engine: batched sampling with a key–value cache, for any causal language model.

Prompts of similar length go together; rows that have ended leave the batch. Every row draws from
its own stream of random numbers (seed, place in the request), so its tokens do not depend on
which rows it shares a batch with.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from transformers import PreTrainedModel
from transformers.cache_utils import Cache

from preftune.artifacts import derive_seed
from preftune.models import ActionMask, Renderer, Row, ValueHeads, collate
from preftune.monitoring import Console
from preftune.records import BadInput, Completion, Prompt, Sampling, StopReason
from preftune.rollouts.cache import generation_cache
from preftune.rollouts.guiding import Reader
from preftune.rollouts.sampling import draw

SHRINK = 0.875
"""The batch is compacted when this share of its rows, or fewer, are still writing."""


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
        room = self.renderer.context - sampling.max_new_tokens
        room = room if self.longest_prompt is None else min(room, self.longest_prompt)
        ids = [_fitted(self.renderer.prompt_ids(p.text), room, self.too_long) for p in prompts]
        order = sorted(range(len(ids)), key=lambda index: (len(ids[index]), ids[index], index))
        stops = {self.renderer.tokenizer.eos_token_id, *sampling.stop_token_ids}
        done: dict[int, Completion] = {}
        for start in range(0, len(order), self.batch_size):
            group = order[start : start + self.batch_size]
            uniforms = _uniforms(sampling, group)
            reader = Reader(self.policy, self.value_heads, self.mask)
            tokens = _generate(reader, [ids[i] for i in group], uniforms, stops, sampling)
            for index, (written, logprobs) in zip(group, tokens, strict=True):
                done[index] = self._completion(prompts[index], ids[index], written, logprobs, stops)
        return [done[index] for index in range(len(prompts))]

    def _completion(
        self,
        prompt: Prompt,
        prompt_ids: tuple[int, ...],
        written: list[int],
        logprobs: list[float],
        stops: set[int],
    ) -> Completion:
        tokenizer = self.renderer.tokenizer
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


@dataclass(slots=True)
class _Writing:
    """The rows still being written: their places, the cache they share, their attention mask."""

    places: np.ndarray
    caches: list[Cache]
    mask_BS: torch.Tensor
    positions_B: torch.Tensor
    written: list[list[int]] = field(default_factory=list)
    logprobs: list[list[float]] = field(default_factory=list)

    def keep(self, rows: torch.Tensor) -> None:
        self.repeat(rows)
        self.places = self.places[rows.cpu().numpy()]

    def repeat(self, rows: torch.Tensor) -> None:
        """What was read of each row, for these rows in this order."""
        for cache in self.caches:
            cache.batch_select_indices(rows)
        self.mask_BS, self.positions_B = self.mask_BS[rows], self.positions_B[rows]


@torch.no_grad()
def _generate(
    reader: Reader,
    prompts: Sequence[tuple[int, ...]],
    uniforms_BT: np.ndarray,
    stops: set[int],
    sampling: Sampling,
) -> list[tuple[list[int], list[float]]]:
    """Tokens and their log-probabilities for each prompt, the stop token included."""
    device: torch.device = reader.policy.device
    different = list(dict.fromkeys(prompts))  # a prompt asked several times is read once
    batch = collate([Row(ids, ()) for ids in different], 0, device)
    width = batch.input_ids_BS.shape[1]
    state = _Writing(
        places=np.arange(len(prompts)),
        caches=[
            generation_cache(network.config, width + sampling.max_new_tokens)
            for network in reader.networks
        ],
        mask_BS=batch.attention_mask_BS,
        positions_B=batch.position_ids_BS[:, -1],
        written=[[] for _ in prompts],
        logprobs=[[] for _ in prompts],
    )
    inputs, positions = batch.input_ids_BS, batch.position_ids_BS
    live = np.ones(len(prompts), dtype=bool)
    for t in range(sampling.max_new_tokens):
        logits = reader.masked_logits(
            sampling,
            state.caches,
            input_ids=inputs,
            attention_mask=state.mask_BS,
            position_ids=positions,
        )
        if t == 0 and len(different) < len(prompts):
            place = {ids: index for index, ids in enumerate(different)}
            copies = torch.tensor([place[ids] for ids in prompts], device=device)
            state.repeat(copies)
            logits = logits[copies]
        uniforms = torch.from_numpy(uniforms_BT[state.places, t]).to(device)
        tokens, logprobs = draw(logits, uniforms, sampling)
        live &= _write(state, live, tokens, logprobs, stops)
        if not live.any():
            break
        if live.sum() <= SHRINK * len(live):
            rows = torch.from_numpy(np.flatnonzero(live)).to(device)
            state.keep(rows)
            tokens, live = tokens[rows], live[live]
        ones = state.mask_BS.new_ones(len(state.places), 1)
        state.mask_BS = torch.cat([state.mask_BS, ones], dim=1)
        state.positions_B = state.positions_B + 1
        inputs, positions = tokens.unsqueeze(1), state.positions_B.unsqueeze(1)
    return list(zip(state.written, state.logprobs, strict=True))


def _write(
    state: _Writing,
    live: np.ndarray,
    tokens: torch.Tensor,
    logprobs: torch.Tensor,
    stops: set[int],
) -> np.ndarray:
    """Adds a token to every live row; True where the row goes on."""
    token_list, logprob_list = tokens.tolist(), logprobs.tolist()
    for row in np.flatnonzero(live):
        place = state.places[row]
        state.written[place].append(token_list[row])
        state.logprobs[place].append(logprob_list[row])
    return np.array([token not in stops for token in token_list])


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
