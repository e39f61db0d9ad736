"""The step TRPO's policy makes: natural gradient, line search, or back where it was."""

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from preftune.algorithms.critic import CreditedRollout, CriticInputs
from preftune.algorithms.reading import micro_batch
from preftune.maths.logprobs import token_logprobs
from preftune.maths.losses.trpo import conjugate_gradient, mean_kl, step_length, surrogate
from preftune.models import Batch, collate, micro_batches, response_logits, twice_differentiable
from preftune.recipe import TRPO


class Region:
    """The trust region around ``old``, and the step inside it. Means are over response tokens."""

    def __init__(
        self,
        recipe: TRPO,
        inputs: CriticInputs,
        rollout: CreditedRollout,
        old: PreTrainedModel,
        kl_limit: float,
    ) -> None:
        self.recipe, self.inputs, self.rollout, self.old = recipe, inputs, rollout, old
        self.limit = kl_limit
        self.tokens = int(rollout.scored.action_mask_BT.sum())
        self.parameters = [p for p in inputs.policy.parameters() if p.requires_grad]

    def step(self) -> dict[str, float]:
        """Moves the policy, or leaves it exactly as it was; says which."""
        gradient_N, seen = self.gradient()
        direction_N = conjugate_gradient(
            product=self.curved,
            gradient_N=gradient_N,
            iterations=self.recipe.cg_iterations,
            damping=self.recipe.cg_damping,
        )
        length = step_length(
            direction_N=direction_N, curved_N=self.curved(direction_N), kl_limit=self.limit
        )
        before = [p.detach().clone() for p in self.parameters]
        start, _ = self.reached()
        for tries in range(self.recipe.line_search_steps):
            self.put(before, direction_N * length * self.recipe.backtrack**tries)
            value, kl = self.reached()
            if kl <= self.limit and value > start:
                found = {"kl": kl, "gain": value - start, "backtracks": float(tries)}
                return seen | _named(found | {"accepted": 1.0})
        self.put(before, None)
        found = {"kl": 0.0, "gain": 0.0, "backtracks": float(self.recipe.line_search_steps)}
        return seen | _named(found | {"accepted": 0.0})

    def gradient(self) -> tuple[torch.Tensor, dict[str, float]]:
        """The surrogate's gradient at the old policy, [N], and what that pass saw."""
        scored, total_N = self.rollout.scored, torch.zeros(())
        sums = {"policy/entropy_avg": 0.0}
        worst = 0.0
        for indices in self._groups(len(scored.rows)):
            micro = micro_batch(self.inputs, scored, indices)
            objective = surrogate(
                logprobs_BT=micro.now.logprobs_BT,
                old_logprobs_BT=micro.of(scored.logprobs_BT),
                advantages_BT=micro.of(self.rollout.advantages_BT),
                action_mask_BT=micro.mask_BT,
                denominator=self.tokens,
            )
            total_N = total_N.to(objective.device) + self._slope(objective)
            found = micro.sums(scored)
            worst = max(worst, float(found["ratio_max"]))
            sums = {name: sums[name] + float(found[name]) / self.tokens for name in sums}
        norm = {"policy/grad_norm": float(total_N.norm())}
        return total_N.detach(), sums | norm | {"first_pass/ratio_max_error": worst}

    def curved(self, vector_N: torch.Tensor) -> torch.Tensor:
        """The Fisher matrix times ``vector_N``: the gradient of (∇KL · v), [N]."""
        rows = self.rollout.scored.rows[: self.recipe.fisher_responses]
        tokens = sum(len(row.response_ids) for row in rows)
        total_N = torch.zeros_like(vector_N)
        for indices in self._groups(len(rows)):
            batch = self._batch(indices)
            with twice_differentiable():
                logits = response_logits(self.inputs.policy, batch)
                kl = self._kl(logits.detach(), logits, batch, tokens)
                along = self._slope(kl, create_graph=True).dot(vector_N)
                total_N = total_N + self._slope(along)
        return total_N

    @torch.no_grad()
    def reached(self) -> tuple[float, float]:
        """The surrogate and the mean KL(old ‖ new) at the weights as they are."""
        scored, value, kl = self.rollout.scored, 0.0, 0.0
        for indices in self._groups(len(scored.rows)):
            batch = self._batch(indices)
            theirs, ours = (response_logits(net, batch) for net in (self.old, self.inputs.policy))
            now, then = (
                token_logprobs(
                    logits_BTV=logits,
                    tokens_BT=batch.response_ids_BT,
                    temperature=self.inputs.sampling.temperature,
                )
                for logits in (ours, theirs)
            )
            advantages_BT = self.rollout.advantages_BT[indices, : batch.width].to(now.device)
            value += float(
                surrogate(
                    logprobs_BT=now,
                    old_logprobs_BT=then,
                    advantages_BT=advantages_BT,
                    action_mask_BT=batch.action_mask_BT,
                    denominator=self.tokens,
                )
            )
            kl += float(self._kl(theirs, ours, batch, self.tokens))
        return value, kl

    @torch.no_grad()
    def put(self, before: Sequence[torch.Tensor], step_N: torch.Tensor | None) -> None:
        """The weights ``before``, and a step from there."""
        for parameter, origin in zip(self.parameters, before, strict=True):
            parameter.copy_(origin)
        if step_N is not None:
            sizes = [p.numel() for p in self.parameters]
            for parameter, part in zip(self.parameters, step_N.split(sizes), strict=True):
                parameter.add_(part.view_as(parameter))

    def _kl(self, old: torch.Tensor, now: torch.Tensor, batch: Batch, tokens: int) -> torch.Tensor:
        return mean_kl(
            old_logits_BTV=old,
            logits_BTV=now,
            action_mask_BT=batch.action_mask_BT,
            temperature=self.inputs.sampling.temperature,
            denominator=tokens,
        )

    def _slope(self, value: torch.Tensor, create_graph: bool = False) -> torch.Tensor:
        parts = torch.autograd.grad(
            value, self.parameters, create_graph=create_graph, materialize_grads=True
        )
        return torch.cat([part.reshape(-1) for part in parts])

    def _groups(self, count: int) -> list[list[int]]:
        lengths = [len(row) for row in self.rollout.scored.rows[:count]]
        return micro_batches(lengths, self.recipe.micro_batch_tokens)

    def _batch(self, indices: Sequence[int]) -> Batch:
        rows = [self.rollout.scored.rows[i] for i in indices]
        return collate(rows, self.inputs.pad_id, self.inputs.policy.device)


def _named(found: dict[str, float]) -> dict[str, float]:
    return {f"trust_region/{name}": value for name, value in found.items()}
