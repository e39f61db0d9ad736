"""One pass of rows end to end through a network: the state, or the logits, of every token.

A model whose every layer hands its arguments on to the attention reads them in one sequence. Any
other reads them in a padded table a portion, to the same numbers.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from preftune.models.adapters import reading
from preftune.models.attention import FUSED, FUSED_IN_FLOAT32, as_given
from preftune.models.ragged import Places, Portion, Ragged, ragged_of
from preftune.models.rendering import Row

HANDED_ON = frozenset({FUSED, FUSED_IN_FLOAT32})
"""Attentions that are asked within portions."""
TRIED = (Row((1, 2), (3,)), Row((2,), (0,)), Row((3,), (1,)))
_KNOWN = "preftune_end_to_end"
_trying = threading.RLock()


def states_of(model: PreTrainedModel, ragged: Ragged) -> torch.Tensor:
    """The body's last state of every token, [N, H]."""
    return _states(model, ragged, None)


def states_at(model: PreTrainedModel, ragged: Ragged, places: Places) -> torch.Tensor:
    """The body's last state at each of these places, in their order; the last layer may compute
    no other."""
    return places.of(_states(model, ragged, places.distinct))


def logits_at(policy: PreTrainedModel, ragged: Ragged) -> torch.Tensor:
    """Whatever the policy makes of its states: the logits of each response token, [T, V]."""
    with reading(policy):
        if reads_end_to_end(policy, ragged.portions.longest):
            return _line(policy, ragged, logits_to_keep=ragged.before.every).logits[0]
        read = [part.line(policy(**given).logits) for part, given in _tables(ragged)]
    return torch.cat(read).index_select(0, ragged.before.every)


def reads_end_to_end(model: PreTrainedModel, longest: int) -> bool:
    """Whether the model reads rows of up to ``longest`` tokens in one sequence, by trying."""
    name = model.config._attn_implementation
    if name not in HANDED_ON or _looks_back(model) < longest:
        return False
    body = _body(model)
    with _trying:  # it changes the model's mode for a moment
        known: dict[str, bool] = body.__dict__.setdefault(_KNOWN, {})
        if name not in known:
            known[name] = _tried(model, body)
        return known[name]


@contextmanager
def evaluated(model: nn.Module) -> Iterator[None]:
    """Inside it every part of the model is in evaluation mode; afterwards as it was."""
    modes = [(part, part.training) for part in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


def _states(model: PreTrainedModel, ragged: Ragged, read: torch.Tensor | None) -> torch.Tensor:
    body = _body(model)
    with reading(model):
        if reads_end_to_end(model, ragged.portions.longest):
            return _line(body, ragged, read=read).last_hidden_state[0]
        return _by_tables(body, ragged)


def _line(network: PreTrainedModel, ragged: Ragged, **asked: Any) -> Any:
    portions = ragged.portions
    before = portions.asked
    told = network(
        input_ids=ragged.ids_N.unsqueeze(0),
        attention_mask=torch.zeros(1, 1, 1, 1, dtype=network.dtype, device=network.device),
        position_ids=ragged.positions_N.unsqueeze(0),
        use_cache=False,
        portions=portions,
        **asked,
    )
    layers = network.config.get_text_config().num_hidden_layers
    if portions.asked - before != layers:
        raise RuntimeError(
            f"{portions.asked - before} of {layers} layers of {type(network).__name__} attended "
            "within portions: rows would see each other."
        )
    return told


def _by_tables(body: PreTrainedModel, ragged: Ragged) -> torch.Tensor:
    return torch.cat(
        [part.line(body(**given).last_hidden_state) for part, given in _tables(ragged)]
    )


def _tables(ragged: Ragged) -> Iterator[tuple[Portion, dict[str, Any]]]:
    """Each portion, and what a network is given for it: a mask that is True at real tokens."""
    sizes = [part.tokens for part in ragged.portions.parts]
    lines = (ragged.ids_N.split(sizes), ragged.positions_N.split(sizes))
    for part, ids, positions in zip(ragged.portions.parts, *lines, strict=True):
        assert part.seen_G1WW is None, "prompts are shared end to end alone"
        yield (
            part,
            {
                "input_ids": part.table(ids),
                "attention_mask": part.table(torch.ones_like(ids)).bool(),
                "position_ids": part.table(positions),
                "use_cache": False,
            },
        )


@torch.no_grad()
def _tried(model: PreTrainedModel, body: PreTrainedModel) -> bool:
    """Whether a few rows give the states they give in padded tables, each layer asking once."""
    ragged = ragged_of([[row] for row in TRIED], model.device)
    with evaluated(model), as_given(model.device):
        try:
            told = _line(body, ragged).last_hidden_state[0]
        except (TypeError, ValueError, RuntimeError, IndexError):
            return False
        tables = _by_tables(body, ragged)
    apart = (told - tables).float().norm() / told.float().norm()
    return bool(apart < (1e-3 if told.dtype is torch.float32 else 2e-2))


def _looks_back(model: PreTrainedModel) -> float:
    """How many tokens a query may see: all but where windows slide or attention is in chunks."""
    config = model.config
    spans = (getattr(config, "sliding_window", None), getattr(config, "attention_chunk_size", None))
    return min(span or inf for span in spans)


def _body(model: PreTrainedModel) -> PreTrainedModel:
    body: PreTrainedModel = getattr(model, model.base_model_prefix)
    return body
