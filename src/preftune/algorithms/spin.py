"""SPIN: play against the previous iterate until its answers cannot be told from demonstrations.

Chen et al. 2024. A round freezes the policy as the opponent, lets it answer every prompt, and runs
DPO with the demonstration as chosen, the opponent's answer as rejected and the opponent as the
reference. Where policy and demonstrations agree the gradient is zero, so it ends there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from transformers import PreTrainedModel

from preftune.algorithms.offline import (
    Objective,
    ReferencedPairs,
    all_logprobs,
    grouped,
    margins_over,
    pair_metrics,
    read_pairs,
)
from preftune.algorithms.reward_batches import Pair
from preftune.artifacts import derive_seed
from preftune.maths.losses.dpo import dpo_loss
from preftune.models import Row
from preftune.recipe import SPIN
from preftune.records import Generate, Prompt, Sampling
from preftune.training import Journal, Loss, Training, batch_indices, load_weights, weights_of
from preftune.training.order import steps_per_epoch


@dataclass(frozen=True, slots=True)
class SPINInputs:
    """The policy that learns, prompts and their demonstrations as rows of ids, in one order.

    ``publish`` hands the policy's weights to the engine under a version, before each round.
    """

    policy: PreTrainedModel
    prompts: Sequence[Prompt]
    demonstrations: Sequence[Row]
    sampling: Sampling
    publish: Callable[[str], None]
    seed: int


@dataclass(frozen=True, slots=True)
class SPINResult:
    """Optimizer steps done over all rounds, and the share of pairs won at the last step.

    ``generated_tokens`` are those of the opponents' answers.
    """

    steps: int
    accuracy: float
    generated_tokens: int


def spin(recipe: SPIN, inputs: SPINInputs, generate: Generate, journal: Journal) -> SPINResult:
    """Leaves the weights of the last round in ``inputs.policy``."""
    policy, count = inputs.policy, len(inputs.demonstrations)
    per_epoch = steps_per_epoch(count, recipe.batch_size)
    per_round = per_epoch * recipe.epochs
    total = per_round * recipe.rounds
    training = Training({"policy": policy}, {"policy": recipe.optimizer}, total, inputs.seed)
    policy.eval()  # no dropout: a round begins with policy and opponent in exact agreement
    done, state, opponent = journal.resume(training)
    tokens, accuracy = state.get("num_tokens", 0.0), state.get("accuracy", 0.5)
    written: dict[str, int] = dict(state.get("written", {}))
    part: ReferencedPairs | None = None

    with journal.progress("spin", total) as bar:
        bar.resume(done)
        for at in range(done, total):
            step, turn = at + 1, at // per_round + 1
            if at % per_round == 0:
                opponent, part = weights_of(policy), None
            if part is None:
                part = play(recipe, inputs, generate, opponent, turn)
                written[str(turn)] = sum(len(pair.rejected.response_ids) for pair in part.pairs)
            drawn = batch_indices(count, recipe.batch_size, at, inputs.seed)
            groups = grouped(policy, part, drawn, recipe.micro_batch_tokens)
            report = training.step(groups, objective(recipe, inputs, part, drawn), at=at)
            tokens += report.sums["num_tokens"]
            accuracy = report.sums["rewards/accuracies"]
            values = report.sums | {
                "loss": report.loss,
                "grad_norm": report.grad_norms["policy"],
                "learning_rate": report.learning_rates["policy"],
                "epoch": step / per_epoch,
                "round": float(turn),
                "num_tokens": tokens,
            }
            journal.record(step, values)
            bar.advance(1, f"round {turn} loss {report.loss:.3f}")
            state = {"num_tokens": tokens, "accuracy": accuracy, "written": written}
            journal.checkpoint(step, training, state, opponent)
    return SPINResult(total, accuracy, sum(written.values()))


def play(
    recipe: SPIN,
    inputs: SPINInputs,
    generate: Generate,
    opponent: dict[str, torch.Tensor],
    turn: int,
) -> ReferencedPairs:
    """The opponent answers every prompt; demonstrations over its answers, with its word on both."""
    now = weights_of(inputs.policy)
    load_weights(inputs.policy, opponent)
    inputs.publish(f"round-{turn}")
    seed = derive_seed(inputs.seed, "self-play", turn)
    answers = generate(inputs.prompts, replace(inputs.sampling, seed=seed))
    pairs = []
    for shown, answer in zip(inputs.demonstrations, answers, strict=True):
        prompt = min(shown.prompt_ids, answer.prompt_token_ids, key=len)  # as much as both fit
        pairs.append(Pair(Row(prompt, shown.response_ids), Row(prompt, answer.token_ids)))
    rows = [pair.chosen for pair in pairs] + [pair.rejected for pair in pairs]
    sums = all_logprobs(inputs.policy, rows, recipe.micro_batch_tokens)
    load_weights(inputs.policy, now)
    return ReferencedPairs(pairs, *sums.split(len(pairs)))


def objective(
    recipe: SPIN, inputs: SPINInputs, part: ReferencedPairs, drawn: Sequence[int]
) -> Objective:
    """The mean over the drawn pairs of −log σ(λ h) (eq. 4.7 with the logistic loss)."""
    count = len(drawn)

    def loss(indices: list[int]) -> Loss:
        now = read_pairs(inputs.policy, part, indices)
        opponent = part.reference(indices, now)
        margins = margins_over(now, opponent)
        total = dpo_loss(
            margins_B=margins,
            probabilities_B=now.probabilities_B,
            weights_B=now.weights_B,
            beta=recipe.beta,
            denominator=count,
        )
        chosen = recipe.beta * (now.chosen_B - opponent.chosen_B)
        rejected = recipe.beta * (now.rejected_B - opponent.rejected_B)
        return Loss(total, pair_metrics(now, chosen, rejected, count))

    return loss
