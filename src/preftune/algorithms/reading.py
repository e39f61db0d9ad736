"""What networks say of a rollout's responses: as a table, and a micro-batch at a time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch

from preftune.algorithms.guarding import GAP, sampler_gap
from preftune.algorithms.on_policy_inputs import OnPolicyInputs
from preftune.algorithms.scoring import ScoredRollout
from preftune.maths.masked import masked_sum
from preftune.maths.ratios import ratio_statistics
from preftune.models import (
    LONGEST,
    Batch,
    Row,
    TokenStatistics,
    by_prompt,
    collate,
    micro_batches,
    packed_length,
    statistics_of_rows,
)
from preftune.recipe import OnPolicy
from preftune.records import Completion
from preftune.training import dealt, side_by_side, workers

PROBE = 4
"""Responses whose log-probabilities are compared before the engine's own are taken."""
EQUAL = 1e-4
"""Nats a token by which the engine's may differ from the policy's: rounding of float32."""


def action_mask(rows: Sequence[Row]) -> torch.Tensor:
    """True at the tokens of each response, [B, T]."""
    lengths = torch.tensor([len(row.response_ids) for row in rows])
    return torch.arange(int(lengths.max())) < lengths.unsqueeze(-1)


@torch.no_grad()
def tabulate(
    recipe: OnPolicy,
    inputs: OnPolicyInputs,
    rows: Sequence[Row],
    read: Callable[[Sequence[Row]], torch.Tensor],
    shares_prompts: bool = False,
) -> torch.Tensor:
    """What ``read`` says of every response token, [B, T], 0 where masked; no gradient.

    With ``shares_prompts`` it reads a prompt once, so rows of one prompt come together.
    """
    mask_BT = action_mask(rows)
    table_BT = torch.zeros(mask_BT.shape)

    def fill(indices: list[int]) -> None:
        told_BT = read([rows[i] for i in indices]).float().cpu()
        table_BT[indices, : told_BT.shape[1]] = told_BT

    groups = row_batches(rows, range(len(rows)), recipe.micro_batch_tokens, shares_prompts)
    side_by_side(fill, [part for group in groups for part in dealt(group, workers())])
    return torch.where(mask_BT, table_BT, table_BT.new_zeros(()))


class DrawnWith(NamedTuple):
    """Log-probabilities that responses were drawn with, [B, T], 0 where masked, and how far the
    engine's own are from the policy's."""

    logprobs_BT: torch.Tensor
    sampler_gap: Mapping[str, float]


def drawn_with(
    recipe: OnPolicy,
    inputs: OnPolicyInputs,
    completions: Sequence[Completion],
    read: Callable[[Sequence[Row]], torch.Tensor],
) -> DrawnWith:
    """What the policy reads, or what the engine told where ``old_logprobs`` asks for it and the
    first responses prove the two equal. ``read`` gives a table of rows, [B, T]."""
    rows = [Row(c.prompt_token_ids, c.token_ids) for c in completions]
    told = all(len(each.logprobs) == len(each.token_ids) for each in completions)
    if recipe.old_logprobs == "engine" and told and not inputs.restricted:
        gap = sampler_gap(completions[:PROBE], read(rows[:PROBE]))
        if gap[f"{GAP}/max"] <= EQUAL:
            return DrawnWith(_told(completions), gap)
    table_BT = read(rows)
    return DrawnWith(table_BT, {} if inputs.restricted else sampler_gap(completions, table_BT))


def _told(completions: Sequence[Completion]) -> torch.Tensor:
    told = [torch.tensor(each.logprobs) for each in completions]
    return torch.nn.utils.rnn.pad_sequence(told, batch_first=True)


def row_batches(
    rows: Sequence[Row], indices: Sequence[int], max_tokens: int, shares_prompts: bool
) -> list[list[int]]:
    """These rows in micro-batches; where prompts are read once, those of one prompt together."""
    longest = min(LONGEST, max_tokens) if shares_prompts else 0
    groups = by_prompt([rows[i] for i in indices], longest)
    units = [[indices[place] for place in group] for group in groups]
    lengths = [packed_length([rows[i] for i in unit]) for unit in units]
    batches = micro_batches(lengths, max_tokens)
    return [[index for place in batch for index in units[place]] for batch in batches]


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Some responses of a rollout, and what the policy says of them now (with gradient)."""

    indices: list[int]
    batch: Batch
    now: TokenStatistics

    @property
    def mask_BT(self) -> torch.Tensor:
        return self.batch.action_mask_BT

    def of(self, table_BT: torch.Tensor) -> torch.Tensor:
        """These responses' part of a table of the whole rollout, [B, T] or [B]."""
        part = table_BT[self.indices]
        return (part[:, : self.batch.width] if part.ndim > 1 else part).to(self.mask_BT.device)

    def sums(self, scored: ScoredRollout) -> dict[str, torch.Tensor]:
        """Sums over tokens that every story records: entropy and the ratio to the rollout."""
        ratio = ratio_statistics(
            logprobs_BT=self.now.logprobs_BT,
            old_logprobs_BT=self.of(scored.logprobs_BT),
            action_mask_BT=self.mask_BT,
        )
        return {
            "policy/approxkl_avg": ratio.approxkl_sum,
            "policy/entropy_avg": masked_sum(values_BT=self.now.entropy_BT, mask_BT=self.mask_BT),
            "val/ratio": ratio.ratio_sum,
            "ratio_square": ratio.ratio_square_sum,
            "ratio_max": ratio.ratio_max_error,
        }


def micro_batch(
    inputs: OnPolicyInputs,
    scored: ScoredRollout,
    indices: list[int],
    entropy_learns: bool = False,
) -> MicroBatch:
    """These responses through the policy as it is now."""
    rows = [scored.rows[i] for i in indices]
    temperature = inputs.sampling.temperature
    now = statistics_of_rows(
        inputs.policy, rows, temperature, scored.shares_prompts, entropy_learns
    )
    return MicroBatch(indices, collate(rows, inputs.pad_id, inputs.policy.device), now)
