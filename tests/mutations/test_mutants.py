"""Every seeded bug turns its check red, and without it the check is green."""

from pathlib import Path

import pytest

from tests.mutations.mutants import Mutant, outcome

REWARDS, EVALUATION = "preftune.rewards", "preftune.evaluation"
MATHS, MODELS, STORY = "preftune.maths", "preftune.models", "preftune.algorithms"
WHERE = "tests.mutations.checks"

MUTANTS = [
    Mutant("KL sign flipped in the reward", f"{MATHS}.advantages",
           "-kl_coefficient * kl_BT", "kl_coefficient * kl_BT", "rewards"),
    Mutant("policy and reference swapped", f"{MATHS}.kl",
           "return logprobs_BT - reference_logprobs_BT",
           "return reference_logprobs_BT - logprobs_BT", "kl"),
    Mutant("KL clamped at zero", f"{MATHS}.kl",
           "return logprobs_BT - reference_logprobs_BT",
           "return (logprobs_BT - reference_logprobs_BT).clamp(min=0)", "kl"),
    Mutant("minimum for maximum in the clip", f"{MATHS}.losses.ppo",
           "worse_BT = torch.maximum(plain_BT, clipped_BT)",
           "worse_BT = torch.minimum(plain_BT, clipped_BT)", "policy_loss"),
    Mutant("ratio of the new to the new", f"{MATHS}.ratios",
           "logprobs_BT - old_logprobs_BT.detach()", "logprobs_BT - logprobs_BT.detach()",
           "policy_loss"),
    Mutant("advantages not detached", f"{MATHS}.losses.ppo",
           "advantages_BT.detach()", "advantages_BT", "policy_loss"),
    Mutant("returns after whitening", f"{STORY}.critic",
           "returns_BT=estimated.returns_BT",
           "returns_BT=whiten(values_BT=estimated.advantages_BT, mask_BT=mask)"
           " + values_BT * mask", "credit"),
    Mutant("whitening over padding", f"{MATHS}.masked",
           "mask_BT.sum().clamp(min=1)", "mask_BT.numel()", "masks"),
    Mutant("whitening removes the rewards' mean", f"{MATHS}.masked",
           "epsilon=epsilon) + mean", "epsilon=epsilon)", "masks"),
    Mutant("score at the first token", f"{MATHS}.advantages",
           "action_mask_BT.flip(-1).cumsum(-1).flip(-1) == 1",
           "action_mask_BT.cumsum(-1) == 1", "rewards"),
    Mutant("score at the last column", f"{MATHS}.advantages",
           "is_last_BT = action_mask_BT & (action_mask_BT.flip(-1).cumsum(-1).flip(-1) == 1)",
           "is_last_BT = torch.arange(action_mask_BT.shape[1]) == action_mask_BT.shape[1] - 1",
           "rewards"),
    Mutant("logits read one token late", f"{MODELS}.networks",
           "return output.logits[:, :-1]", "return output.logits[:, 1:]", "sampler"),
    Mutant("values read one token late", f"{MODELS}.networks",
           "hidden[:, -batch.width - 1 : -1]", "hidden[:, -batch.width :]", "position"),
    Mutant("mean over all columns", f"{STORY}.sft",
           "denominator=tokens)", "denominator=mask.numel())", "supervised"),
    Mutant("prompts are learned", f"{STORY}.sft",
           "mask = batch.action_mask_BT", "mask = torch.ones_like(batch.action_mask_BT)",
           "supervised"),
    Mutant("γ and λ: λ forgotten", f"{MATHS}.advantages",
           "gamma * lam * advantage_B", "gamma * advantage_B", "advantages"),
    Mutant("γ and λ swapped", f"{MATHS}.advantages",
           "gamma * next_values_BT", "lam * next_values_BT", "advantages"),
    Mutant("temperature missing in the reference", f"{STORY}.on_policy",
           "response_logprobs(network, batch, temperature)",
           "response_logprobs(network, batch, 1.0 if network is inputs.reference else temperature)",
           "credit"),
    Mutant("temperature missing in the loss", f"{STORY}.on_policy",
           "response_statistics(inputs.policy, batch, temperature, entropy_learns)",
           "response_statistics(inputs.policy, batch, 1.0, entropy_learns)", "first_pass"),
    Mutant("temperature missing in the sampler", "preftune.rollouts.sampling",
           "logits_BV.float() / sampling.temperature", "logits_BV.float()", "sampler"),
    Mutant("dropout left on", f"{STORY}.on_policy",
           "network.eval()", "network.train()", "first_pass"),
    Mutant("controller fed the mean over tokens", f"{STORY}.on_policy",
           "mask_BT=self.action_mask_BT)) / len(self.rows)",
           "mask_BT=self.action_mask_BT)) / int(self.action_mask_BT.sum())", "controller"),
    Mutant("score read at the last column", f"{MODELS}.batches",
           "return prompt_columns + self.action_mask_BT.sum(-1) - 1",
           "return prompt_columns + 0 * self.action_mask_BT.sum(-1) + self.width - 1", "position"),
    Mutant("positions count the padding", f"{MODELS}.batches",
           "np.maximum(mask.cumsum(-1) - 1, 0)",
           "np.broadcast_to(np.arange(mask.shape[1]), mask.shape).copy()", "padding"),
    Mutant("chosen and rejected swapped", f"{MATHS}.losses.reward_model",
           "chosen_scores_B - rejected_scores_B - margins_B",
           "rejected_scores_B - chosen_scores_B - margins_B", "preference"),
    Mutant("the policy moves during the warm-up", f"{STORY}.ppo",
           'only = ["value"] if warming(recipe, turn.number) else None', "only = None", "warm_up"),
    Mutant("the epochs' stop is ignored", f"{STORY}.on_policy",
           "return mean > recipe.epoch_kl_stop", "return False", "stops"),
    Mutant("TRPO's KL the other way round", f"{MATHS}.losses.trpo",
           "old_logprobs_BTV.exp() * (old_logprobs_BTV - logprobs_BTV)",
           "logprobs_BTV.exp() * (logprobs_BTV - old_logprobs_BTV)", "trust_region"),
    Mutant("the step's length forgets the two", f"{MATHS}.losses.trpo",
           "(2 * kl_limit / curvature)", "(kl_limit / curvature)", "trust_region"),
    Mutant("the second clip holds good advantages", f"{MATHS}.losses.ppo",
           "held_BT = (advantages_BT < 0) &", "held_BT = (advantages_BT > 0) &", "second_clip"),
    Mutant("the top-p set leaves out its last token", f"{MATHS}.action_masks",
           "before_BTV < top_p", "ordered_BTV.cumsum(-1) < top_p", "allowed"),
    Mutant("the value may not be clipped", f"{MATHS}.losses.ppo",
           "zero = values_BT.new_zeros(())\n", "zero = values_BT\n", "masks"),
    Mutant("a mean over the clip for the sum", f"{MATHS}.segments",
           "rewards_MNT.new_zeros(())).sum(-1)", "rewards_MNT.new_zeros(())).mean(-1)",
           "segments"),
    Mutant("no lapse in the loss", f"{MATHS}.segments",
           "sure = math.log1p(-lapse)", "sure = 0.0", "segments"),
    Mutant("held-out comparisons train too", f"{MATHS}.segments",
           "(weights_MN * losses_MN)", "losses_MN", "segments"),
    Mutant("disagreement about rewards, not the winner", f"{MATHS}.segments",
           "torch.sigmoid(first_returns_MN - second_returns_MN)",
           "(first_returns_MN - second_returns_MN)", "segments"),
    Mutant("the expectile's sides swapped", f"{MATHS}.losses.ilql",
           "torch.where(u_BT < 0, 1 - tau, tau)", "torch.where(u_BT < 0, tau, 1 - tau)", "values"),
    Mutant("the value of this state for the next", f"{MATHS}.losses.ilql",
           "torch.cat([values_BT[:, 1:], torch.zeros_like(values_BT[:, :1])], dim=1)",
           "values_BT", "values"),
    Mutant("Q's target not detached", f"{MATHS}.losses.ilql",
           "torch.where(action_mask_BT, values_BT.detach(), zero)",
           "torch.where(action_mask_BT, values_BT, zero)", "values"),
    Mutant("guided away from what is worth more", f"{MATHS}.losses.ilql",
           "+ strength * advantages_BV", "- strength * advantages_BV", "values"),
    Mutant("the slow heads never move", f"{MODELS}.value_heads",
           "slow.lerp_(fast, share)", "slow.lerp_(fast, 0.0)", "values"),
    Mutant("best of n picked by gold", f"{EVALUATION}.best_of_n",
           "order = np.argsort(proxy,", "order = np.argsort(gold,", "best_of"),
    Mutant("the worst is kept", f"{STORY}.rejection_sampling",
           "return [max(known,", "return [min(known,", "best_of"),
    Mutant("cut-off responses are kept", f"{STORY}.rejection_sampling",
           "if one.ended or not recipe.drop_unfinished", "if True", "best_of"),
    Mutant("a part's weight is forgotten", f"{REWARDS}.compose",
           "part.weight * value[TOTAL]", "value[TOTAL]", "parts"),
    Mutant("gold may be a part", f"{REWARDS}.compose",
           'if "gold" in origins:', 'if "gold" in ():', "parts"),
]  # fmt: skip


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_seeded_bug_is_caught(mutant: Mutant, tmp_path: Path) -> None:
    said = outcome(mutant, f"{WHERE}:{mutant.check}", str(tmp_path))
    assert said != "green" and "hangs" not in said
    assert "is not there any more" not in said and "SyntaxError" not in said, said


@pytest.mark.parametrize(
    ("module", "check"), sorted({(mutant.module, mutant.check) for mutant in MUTANTS})
)
def test_the_same_source_put_in_place_is_green(module: str, check: str, tmp_path: Path) -> None:
    """It is the bug that turns a check red, not the way it is put there."""
    unchanged = Mutant("nothing", module, "import", "import", check)
    assert outcome(unchanged, f"{WHERE}:{check}", str(tmp_path)) == "green"
