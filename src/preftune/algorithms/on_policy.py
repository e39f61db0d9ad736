"""What on-policy stories share: the loop, sampling, scoring, an iteration's optimizer steps."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import torch
from transformers import PreTrainedModel

from preftune.algorithms.constraints import (
    UNCONSTRAINED,
    Multipliers,
    first_multipliers,
    followed,
    multiplier_metrics,
    priced,
)
from preftune.algorithms.guarding import Guarding, Halt
from preftune.algorithms.kl_control import adapted
from preftune.algorithms.on_policy_inputs import OnPolicyInputs
from preftune.algorithms.reading import action_mask, drawn_with, row_batches, tabulate
from preftune.algorithms.scoring import ScoredRollout, penalised_scores, present
from preftune.artifacts import derive_seed
from preftune.models import Row, logprobs_at, micro_batches, shares_prompts
from preftune.monitoring.guards import Verdict, as_metrics
from preftune.recipe import OnPolicy
from preftune.records import Completion, Generate, Prompt, Score, StopReason
from preftune.training import Journal, Loss, Training, batch_indices, shuffled

Evaluate = Callable[[int], Mapping[str, float]]
"""Measures the current policy after an iteration (0 is before the first) and returns metrics."""

Objective = Callable[[list[int]], Loss]
"""The loss of some of an iteration's responses, by their places in it."""


class OnPolicyResult(NamedTuple):
    """Iterations done, the last KL to the reference in nats a response, and why it ended.

    ``generated_tokens`` are all that were sampled to learn from, thrown away or not. After a
    guard's ``halt`` the first two are those of the checkpoint that was kept.
    """

    iterations: int
    kl: float
    ended_by: str
    generated_tokens: int
    halt: Halt | None = None


class Turn(NamedTuple):
    """An iteration: its number from 1, its first optimizer step from 0, and its coefficients.

    ``multipliers`` are the prices of constrained parts of the reward.
    """

    number: int
    first_step: int
    kl_coefficient: float
    multipliers: Multipliers = UNCONSTRAINED


class Turns:
    """The iterations of a run, from its last checkpoint on.

    A story goes through them and closes each with what it measured: ``for turn in turns: …;
    turns.close(turn, scored, metrics)``. ``state`` and ``tensors`` travel with the checkpoints,
    for numbers and weights a story needs to go on that no optimizer holds.
    """

    def __init__(
        self,
        recipe: OnPolicy,
        inputs: OnPolicyInputs,
        training: Training,
        journal: Journal,
        evaluate: Evaluate,
    ) -> None:
        self.recipe, self.inputs, self.training = recipe, inputs, training
        self.journal, self.evaluate = journal, evaluate
        for network in (*training.networks.values(), inputs.reference):
            network.eval()  # no dropout: the first pass over fresh rollouts must give ratio 1
        self.done, self.state, self.tensors = journal.resume(training)
        self.kl = float(self.state.get("kl", 0.0))
        self.generated_tokens = int(self.state.get("generated_tokens", 0))
        self.kl_coefficient = float(self.state.get("kl_coefficient", recipe.kl.coefficient))
        self.multipliers = first_multipliers(recipe, self.state.get("multipliers", {}))
        self.ended_by = "iterations"
        self.halt: Halt | None = None
        self.guarding = Guarding(recipe, training, journal, self.state)

    @property
    def result(self) -> OnPolicyResult:
        return OnPolicyResult(self.done, self.kl, self.ended_by, self.generated_tokens, self.halt)

    def __iter__(self) -> Iterator[Turn]:
        recipe = self.recipe
        if self.done == 0 and recipe.evaluation is not None:
            self.journal.record(0, self.evaluate(0))
        with self.journal.progress(recipe.kind, recipe.iterations) as bar:
            bar.resume(self.done)
            while self.done < recipe.iterations and self.ended_by == "iterations":
                self.inputs.publish(f"iteration-{self.done}")
                first_step = self.done * recipe.epochs * recipe.minibatches
                yield Turn(self.done + 1, first_step, self.kl_coefficient, self.multipliers)
                bar.advance(1, self._says)

    def close(
        self, turn: Turn, scored: ScoredRollout, metrics: Mapping[str, float], thrown_away: int = 0
    ) -> None:
        """Writes the iteration down, moves the KL coefficient, and saves when it is time.

        ``thrown_away`` are tokens that were sampled for it and are not in ``scored``.
        """
        recipe, stop = self.recipe, self.recipe.reference_kl_stop
        self.generated_tokens += int(scored.action_mask_BT.sum()) + thrown_away
        self.done, self.kl = turn.number, scored.kl
        too_far = stop is not None and self.kl > stop.limit
        ends = too_far and stop is not None and stop.action == "end"
        row = scored.metrics() | dict(metrics) | multiplier_metrics(turn.multipliers)
        row["objective/kl_coef"] = turn.kl_coefficient
        row["episode"] = turn.number * recipe.rollouts
        row["completions/generated_tokens"] = self.generated_tokens
        row["stop/reference_kl"] = float(too_far)
        if recipe.evaluation is not None:
            last = ends or turn.number == recipe.iterations
            if last or turn.number % recipe.evaluation.every == 0:
                row |= self.evaluate(turn.number)
        verdicts = self.guarding.judge(turn.number, row)
        self.journal.record(turn.number, row | as_metrics(verdicts))
        self._says = f"score {row['objective/scores']:.2f} kl {self.kl:.2f}"
        if too_far:
            self.journal.console.line(
                f"KL to the reference is {self.kl:.1f} nats a response, past the limit"
            )
        halting = next((verdict for verdict in verdicts if verdict.level == "halt"), None)
        if halting is not None:
            self._halt(turn, halting)
            return
        if ends:
            self.ended_by = "reference_kl"
            return
        self.kl_coefficient = adapted(recipe, turn.kl_coefficient, self.kl)
        self.multipliers = followed(recipe, turn.multipliers, scored.axes)
        self.state |= {"kl_coefficient": self.kl_coefficient, "kl": self.kl}
        if self.multipliers:
            self.state["multipliers"] = self.multipliers
        self.state["generated_tokens"] = self.generated_tokens
        self.guarding.checkpoint(turn.number, verdicts, self.state, self.tensors)

    def _halt(self, turn: Turn, verdict: Verdict) -> None:
        """Back to the last good checkpoint, whose weights are the stage's model."""
        self.done, state, self.tensors = self.guarding.restore()
        self.kl, self.ended_by = float(state.get("kl", 0.0)), "guard"
        self.halt = Halt(turn.number, self.done, verdict)


def sample(
    recipe: OnPolicy, inputs: OnPolicyInputs, generate: Generate, number: int
) -> list[Completion]:
    """Responses of the current policy to the next prompts of a seeded, endless shuffle.

    The ``recipe.samples`` responses to one prompt stand side by side. ``number`` is the turn's.
    """
    each = recipe.rollouts // recipe.samples
    places = range((number - 1) * each, number * each)
    return respond(recipe, inputs, generate, places, derive_seed(inputs.seed, "rollout", number))


def respond(
    recipe: OnPolicy, inputs: OnPolicyInputs, generate: Generate, places: range, seed: int
) -> list[Completion]:
    """Responses to the prompts at these places of the shuffle, ``recipe.samples`` to each."""
    orders: dict[int, list[int]] = {}
    chosen: list[Prompt] = []
    for place in places:
        epoch, index = divmod(place, len(inputs.prompts))
        order = orders.setdefault(epoch, shuffled(len(inputs.prompts), inputs.seed, epoch))
        chosen += [inputs.prompts[order[index]]] * recipe.samples
    return generate(chosen, replace(inputs.sampling, seed=seed))


def judge(
    recipe: OnPolicy,
    inputs: OnPolicyInputs,
    completions: Sequence[Completion],
    score: Score,
    multipliers: Multipliers = UNCONSTRAINED,
) -> ScoredRollout:
    """The scores, and what policy and reference say of each token before any update."""
    axes = present(score(completions))
    raw_B = torch.tensor([each["score"] for each in axes])
    rows = [Row(c.prompt_token_ids, c.token_ids) for c in completions]
    temperature = inputs.sampling.temperature
    shares = recipe.samples > 1 and shares_prompts(inputs.policy)

    def says(network: PreTrainedModel, of: Sequence[Row]) -> torch.Tensor:
        def read(some: Sequence[Row]) -> torch.Tensor:
            return logprobs_at(network, some, temperature, shares)

        return tabulate(recipe, inputs, of, read, shares)

    drawn = drawn_with(recipe, inputs, completions, partial(says, inputs.policy))
    return ScoredRollout(
        rows=tuple(rows),
        texts=tuple(completion.text for completion in completions),
        axes=tuple(axes),
        ended_B=torch.tensor([c.stop_reason != StopReason.LENGTH for c in completions]),
        raw_scores_B=raw_B,
        scores_B=priced(penalised_scores(recipe, completions, raw_B), axes, multipliers),
        action_mask_BT=action_mask(rows),
        logprobs_BT=drawn.logprobs_BT,
        reference_logprobs_BT=says(inputs.reference, rows),
        sampler_gap=drawn.sampler_gap,
        shares_prompts=shares,
    )


def update(
    recipe: OnPolicy,
    training: Training,
    turn: Turn,
    scored: ScoredRollout,
    objective_of: Callable[[int, int], Objective],
    only: Sequence[str] | None = None,
    together: int = 1,
) -> dict[str, float]:
    """Epochs of minibatches; ends early once the KL to the rollout policy passes its limit.

    ``objective_of(tokens, responses)`` is given what the whole optimizer step counts, for its
    denominators. ``together`` neighbours in the rollout stay neighbours in every micro-batch.
    Returns the iteration's metrics: means over its optimizer steps.
    """
    count, size = recipe.rollouts // together, recipe.rollouts // recipe.minibatches // together
    order_seed = derive_seed(training.seed, "minibatches", turn.first_step)
    seen: list[dict[str, float]] = []
    stopped = 0.0
    for k in range(recipe.epochs * recipe.minibatches):
        if k and k % recipe.minibatches == 0 and _drifted(recipe, seen):
            stopped = 1.0
            break
        units = [
            range(i * together, (i + 1) * together)
            for i in batch_indices(count, size, k, order_seed)
        ]
        indices = [i for unit in units for i in unit]
        tokens = int(scored.action_mask_BT[indices].sum())
        if together == 1:
            shares = scored.shares_prompts and list(training.networks) == ["policy"]
            micro = row_batches(scored.rows, indices, recipe.micro_batch_tokens, shares)
        else:
            lengths = [together * max(len(scored.rows[i]) for i in unit) for unit in units]
            groups = micro_batches(lengths, recipe.micro_batch_tokens)
            micro = [[i for place in group for i in units[place]] for group in groups]
        objective = objective_of(tokens, len(indices))
        at = turn.first_step + k
        report = training.step(micro, objective, at=at, only=only, together=together)
        means = {
            name: total if name.endswith("_max") else total / tokens
            for name, total in report.sums.items()
        }
        norms = {f"{name}/grad_norm": norm for name, norm in report.grad_norms.items()}
        rate = {"lr": report.learning_rates.get("policy", 0.0)}
        seen.append(means | norms | rate | report.besides)
    return _update_metrics(seen) | {"stop/epoch_kl": stopped}


def _drifted(recipe: OnPolicy, seen: Sequence[Mapping[str, float]]) -> bool:
    if recipe.epoch_kl_stop is None:
        return False
    last_epoch = seen[-recipe.minibatches :]
    mean = sum(step["policy/approxkl_avg"] for step in last_epoch) / len(last_epoch)
    return mean > recipe.epoch_kl_stop


def _update_metrics(seen: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means over the iteration's optimizer steps, and the first step's own numbers.

    Without a policy's pass there is no ratio to speak of.
    """
    first = seen[0]
    means = {name: sum(step[name] for step in seen) / len(seen) for name in first}
    if "ratio_max" not in first:
        return means
    square = means.pop("ratio_square")
    del means["ratio_max"]
    return means | {
        "val/ratio_var": square - means["val/ratio"] ** 2,
        "first_pass/ratio_max_error": first["ratio_max"],
        "first_pass/approxkl": first["policy/approxkl_avg"],
        "first_pass/clipfrac": first.get("policy/clipfrac_avg", 0.0),
    }
