"""Values of tokens beside a policy: two Q heads, their slow copies, and V, read off its states."""

import copy
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import PreTrainedModel

from preftune.models.adapters import reading
from preftune.models.batches import Batch
from preftune.records import BadInput

HEADS_FILE = "value_heads.safetensors"
"""Beside the policy's weights; the folder stays an ordinary one."""
GUIDANCE = "value_guidance"
"""Key in such a policy's config.json: the β it is decoded with where nothing else is said."""


class ValueHeads(nn.Module):
    """Q₁ and Q₂ of every token and V of the state, each a layer of twice the width and a readout.

    ``slow`` are the Q heads' slow copies: no gradient reaches them, :meth:`follow` moves them.
    """

    def __init__(self, hidden_size: int, vocab_size: int) -> None:
        super().__init__()
        self.q = nn.ModuleList(_head(hidden_size, vocab_size) for _ in range(2))
        self.v = _head(hidden_size, 1)
        self.slow = copy.deepcopy(self.q).requires_grad_(False)

    def q_values(self, hidden_BTH: torch.Tensor) -> list[torch.Tensor]:
        """Q₁ and Q₂ of every token, [B, T, V] each."""
        return [head(hidden_BTH).float() for head in self.q]

    def slow_q_values(self, hidden: torch.Tensor) -> torch.Tensor:
        """min(Q₁, Q₂) of the slow copies, of every token: [..., V] for states [..., H]."""
        first, second = (head(hidden).float() for head in self.slow)
        return torch.minimum(first, second)

    def values(self, hidden: torch.Tensor) -> torch.Tensor:
        """V of every state: [...] for states [..., H]."""
        return self.v(hidden).squeeze(-1).float()

    @torch.no_grad()
    def follow(self, share: float) -> None:
        """slow ← share · Q + (1 − share) · slow (Polyak)."""
        for slow, fast in zip(self.slow.parameters(), self.q.parameters(), strict=True):
            slow.lerp_(fast, share)


class StateReading(NamedTuple):
    """Before each response token: the logits that predict it, [B, T, V], the state, [B, T, H]."""

    logits_BTV: torch.Tensor
    hidden_BTH: torch.Tensor


def build_value_heads(policy: PreTrainedModel, seed: int) -> ValueHeads:
    """Fresh heads for a policy's states, drawn from ``seed``."""
    width, rows = _sizes(policy)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        heads = ValueHeads(width, rows)
    return heads.to(policy.device)


def read_states(policy: PreTrainedModel, batch: Batch) -> StateReading:
    """One pass that gives both."""
    with reading(policy):
        output = policy(
            input_ids=batch.input_ids_BS,
            attention_mask=batch.attention_mask_BS,
            position_ids=batch.position_ids_BS,
            logits_to_keep=batch.width + 1,
            output_hidden_states=True,
            use_cache=False,
        )
    hidden = output.hidden_states[-1][:, -batch.width - 1 : -1]
    return StateReading(output.logits[:, :-1], hidden)


def save_value_heads(heads: ValueHeads, folder: Path) -> None:
    """Every head into the policy's folder."""
    tensors = {name: tensor.detach().contiguous() for name, tensor in heads.state_dict().items()}
    save_file(tensors, folder / HEADS_FILE)


def load_value_heads(source: str | Path, policy: PreTrainedModel) -> ValueHeads | None:
    """The heads beside a policy, None where there are none. Raises :class:`BadInput` for broken."""
    path = Path(source) / HEADS_FILE
    if not path.is_file():
        return None
    width, rows = _sizes(policy)
    heads = ValueHeads(width, rows)
    try:
        heads.load_state_dict(load_file(path))
    except (OSError, RuntimeError, SafetensorError) as error:
        raise BadInput(
            f"The value heads do not fit the model beside them: {str(error).splitlines()[0]}",
            file=path,
            remedy="Train them again with an ilql stage.",
        ) from error
    return heads.to(policy.device).eval()


def _head(hidden_size: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(hidden_size, 2 * hidden_size), nn.ReLU(), nn.Linear(2 * hidden_size, outputs)
    )


def _sizes(policy: PreTrainedModel) -> tuple[int, int]:
    """Width of the last state and number of logits."""
    head = policy.get_output_embeddings()
    assert isinstance(head, nn.Module) and isinstance(head.weight, torch.Tensor)
    rows, width = head.weight.shape
    return width, rows
