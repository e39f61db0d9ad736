"""Writing several answers at one time, token by token, each with its own sampling.

The same tokens as :class:`preftune.rollouts.NativeEngine` for the same seed, place and prompt,
whoever else is in the batch.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from transformers import PreTrainedModel

from preftune.artifacts import derive_seed
from preftune.models import Row, ValueHeads, collate
from preftune.records import Sampling
from preftune.rollouts.cache import generation_cache
from preftune.rollouts.guiding import Reader
from preftune.rollouts.sampling import draw


@dataclass(slots=True)
class Stream:
    """One answer to be written.

    ``place`` tells answers to one prompt with one seed apart. ``top`` most likely tokens are
    told with every token. Setting ``ended`` takes the row out before the next token.
    """

    prompt_ids: tuple[int, ...]
    sampling: Sampling
    place: int = 0
    top: int = 0
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """A token of one stream. Log-probabilities are the model's own, before any temperature."""

    stream: Stream
    token: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()


@dataclass(slots=True)
class _Live:
    """Rows still being written; ``uniforms`` [rows, longest answer]."""

    streams: list[Stream]
    uniforms: np.ndarray
    mask_BS: torch.Tensor
    positions_B: torch.Tensor
    lengths: list[int] = field(default_factory=list)


@torch.no_grad()
def stream_answers(
    policy: PreTrainedModel, streams: Sequence[Stream], heads: ValueHeads | None = None
) -> Iterator[list[Written]]:
    """Yields one token of every live stream at a time, until all have ended.

    Whoever reads sets ``ended``; a stream ends by itself at its ``max_new_tokens``. Prompts fit
    into the context together with ``max_new_tokens``: the caller sees to that.
    """
    reader = Reader(policy, heads)
    batch = collate([Row(s.prompt_ids, ()) for s in streams], 0, policy.device)
    longest = max(stream.sampling.max_new_tokens for stream in streams)
    cache = generation_cache(policy.config, batch.input_ids_BS.shape[1] + longest)
    live = _Live(
        list(streams),
        np.stack([_uniforms(stream, longest) for stream in streams]),
        batch.attention_mask_BS,
        batch.position_ids_BS[:, -1],
        [0] * len(streams),
    )
    inputs, positions = batch.input_ids_BS, batch.position_ids_BS
    for step in range(longest):
        logits = reader.next_logits(
            _guided(live.streams),
            input_ids=inputs,
            attention_mask=live.mask_BS,
            position_ids=positions,
            past_key_values=cache,
        )
        tokens = _drawn(logits, live, step)
        yield _told(logits, tokens, live)
        for row, stream in enumerate(live.streams):
            live.lengths[row] += 1
            stream.ended |= live.lengths[row] >= stream.sampling.max_new_tokens
        kept = [row for row, stream in enumerate(live.streams) if not stream.ended]
        if not kept:
            return
        if len(kept) < len(live.streams):
            rows = torch.tensor(kept, device=policy.device)
            cache.batch_select_indices(rows)
            tokens = tokens[rows]
            live = _Live(
                [live.streams[row] for row in kept],
                live.uniforms[kept],
                live.mask_BS[rows],
                live.positions_B[rows],
                [live.lengths[row] for row in kept],
            )
        ones = live.mask_BS.new_ones(len(kept), 1)
        live.mask_BS = torch.cat([live.mask_BS, ones], dim=1)
        live.positions_B = live.positions_B + 1
        inputs, positions = tokens.unsqueeze(1), live.positions_B.unsqueeze(1)


def _guided(streams: Sequence[Stream]) -> Sampling:
    """What the network is read with; guidance is one for all of a batch."""
    return streams[0].sampling


def _drawn(logits: torch.Tensor, live: _Live, step: int) -> torch.Tensor:
    """A token for each row, rows of equal sampling together, [B]."""
    groups: dict[Sampling, list[int]] = {}
    for row, stream in enumerate(live.streams):
        alike = replace(stream.sampling, seed=0, max_new_tokens=1, stop_token_ids=())
        groups.setdefault(alike, []).append(row)
    tokens = torch.zeros(len(live.streams), dtype=torch.long, device=logits.device)
    for sampling, rows in groups.items():
        uniforms = torch.from_numpy(live.uniforms[rows, step]).to(logits.device)
        places = torch.tensor(rows, device=logits.device)
        tokens[places], _ = draw(logits[places], uniforms, sampling)
    return tokens


def _told(logits: torch.Tensor, tokens: torch.Tensor, live: _Live) -> list[Written]:
    logprobs = torch.log_softmax(logits.float(), dim=-1)
    own = logprobs.gather(-1, tokens.unsqueeze(-1)).squeeze(-1).tolist()
    most = max(stream.top for stream in live.streams)
    values, ids = logprobs.topk(min(most, logprobs.shape[-1]), dim=-1)
    tops = [
        list(zip(*pair, strict=True)) for pair in zip(ids.tolist(), values.tolist(), strict=True)
    ]
    return [
        Written(stream, token, logprob, tuple(top[: stream.top]))
        for stream, token, logprob, top in zip(
            live.streams, tokens.tolist(), own, tops, strict=True
        )
    ]


def _uniforms(stream: Stream, longest: int) -> np.ndarray:
    seed = derive_seed(stream.sampling.seed, "tokens")
    return np.random.default_rng([seed, stream.place]).random(longest)
