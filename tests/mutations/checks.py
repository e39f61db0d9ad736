"""The fast checks that mutants are shown to: a few tests of the numbers rooms in each."""

from pathlib import Path

import pytest

from tests.algorithms import (
    test_dapo,
    test_groups,
    test_ipo,
    test_kto,
    test_offline,
    test_on_policy,
    test_online_dpo,
    test_orpo,
    test_ppo,
    test_rejection_sampling,
    test_reward_model,
    test_sft,
    test_simpo,
    test_spin,
)
from tests.evaluation import test_best_of_n
from tests.maths import (
    test_action_masks,
    test_advantages,
    test_aggregation,
    test_baselines,
    test_kl,
    test_masked,
    test_overlong,
    test_segments,
)
from tests.maths.losses import test_dpo as preferences
from tests.maths.losses import test_grpo, test_gspo, test_ilql, test_trpo
from tests.maths.losses import test_kto as verdicts
from tests.maths.losses import test_orpo as odds
from tests.maths.losses import test_ppo as losses
from tests.models import test_batches, test_networks, test_value_heads
from tests.pipeline import test_pair_rows
from tests.rewards import test_compose
from tests.rollouts import test_native


def policy_loss(folder: str) -> None:
    for case in (
        (1.0, 1.3, -1.2, 0.0),
        (-1.0, 0.7, 0.8, 0.0),
        (-1.0, 1.5, 1.5, 1.5),
        (1.0, 0.7, -0.7, -0.7),
    ):
        losses.test_truth_table(*case)
    losses.test_advantages_and_old_logprobs_are_constants()


def masks(folder: str) -> None:
    for side in ("left", "right"):
        losses.test_what_is_masked_changes_neither_loss_nor_gradient(side)
    test_masked.test_whitening_has_the_population_s_values()
    test_masked.test_scaling_keeps_the_mean()


def advantages(folder: str) -> None:
    test_advantages.test_hand_values()
    test_advantages.test_gamma_and_lambda_are_not_interchangeable()


def rewards(folder: str) -> None:
    test_advantages.test_rewards_pay_for_kl_at_every_token_and_score_at_the_last_real_one()
    test_on_policy.test_the_reward_is_at_the_last_real_token()


def kl(folder: str) -> None:
    test_kl.test_expectations_on_a_categorical()
    test_kl.test_k1_may_be_negative_and_changes_sign_when_swapped()


def credit(folder: str) -> None:
    test_on_policy.test_kl_is_paid_at_every_token()
    test_on_policy.test_returns_are_taken_before_advantages_are_whitened()


def controller(folder: str) -> None:
    control = {"kind": "adaptive_gain", "coefficient": 0.2, "target": 0.5, "gain": 0.1}
    test_ppo.test_the_coefficient_follows_the_kl_of_whole_responses(control, Path(folder))
    test_on_policy.test_kl_is_paid_at_every_token()


def first_pass(folder: str) -> None:
    test_ppo.test_before_the_first_step_the_ratio_is_one("gpt2", 0.7, Path(folder))


def sampler(folder: str) -> None:
    test_native.test_logprobs_are_those_the_trainer_computes("llama", 0.7)


def position(folder: str) -> None:
    test_networks.test_the_score_is_read_at_the_last_real_token(1)
    test_networks.test_values_are_read_before_each_token()


def company(folder: str) -> None:
    for family in ("gpt2", "llama"):
        test_networks.test_logprobs_do_not_depend_on_company(family)


def columns(folder: str) -> None:
    test_batches.test_prompts_end_and_responses_begin_in_one_column()


def supervised(folder: str) -> None:
    test_sft.test_the_loss_is_the_completions_alone(Path(folder))


def preference(folder: str) -> None:
    test_reward_model.test_the_first_row_is_what_the_fresh_model_says(Path(folder))


def warm_up(folder: str) -> None:
    test_ppo.test_while_the_critic_warms_up_the_policy_does_not_move(Path(folder))


def stops(folder: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        test_ppo.test_kl_to_the_rollout_policy_ends_the_epochs_not_the_run(Path(folder), patch)


def segments(folder: str) -> None:
    test_segments.test_a_return_is_a_sum_over_real_steps()
    test_segments.test_losses_by_hand(1.0, 0.3453780)
    test_segments.test_members_learn_from_their_own_sample_only()
    test_segments.test_disagreement_is_about_the_winner_not_the_reward()


def values(folder: str) -> None:
    test_ilql.test_expectile_loss_by_hand()
    test_ilql.test_q_loss_by_hand()
    test_ilql.test_conservative_loss_by_hand()
    test_ilql.test_guided_logits_by_hand()
    test_value_heads.test_slow_heads_follow_by_their_share_and_have_no_gradient()


def best_of(folder: str) -> None:
    test_best_of_n.test_picks_by_proxy_and_reports_gold()
    test_best_of_n.test_the_policy_is_the_maximum_s_distribution()
    test_rejection_sampling.test_the_best_is_kept_and_the_first_of_equals()
    test_rejection_sampling.test_cut_off_responses_are_not_kept()


def parts(folder: str) -> None:
    test_compose.test_the_weighted_sum_of_the_parts_that_apply()
    try:
        test_compose.test_gold_among_the_parts_is_refused()
    except pytest.fail.Exception as missed:
        raise AssertionError(str(missed)) from missed  # nothing was refused


def margins(folder: str) -> None:
    preferences.test_the_margin_by_hand()
    preferences.test_the_reference_has_no_gradient()


def smoothing(folder: str) -> None:
    preferences.test_smoothed_targets_by_hand()
    preferences.test_the_unbiased_loss_by_hand()


def kto(folder: str) -> None:
    verdicts.test_weights()
    verdicts.test_the_reference_point_is_a_mean_above_zero()
    verdicts.test_the_reference_point_carries_no_gradient()


def mismatches(folder: str) -> None:
    test_kto.test_every_prompt_gets_the_next_answer_to_another_prompt()


def orpo(folder: str) -> None:
    odds.test_odds_of_a_half_are_even()
    odds.test_hand_values()


def means(folder: str) -> None:
    test_simpo.test_the_first_row_is_what_the_fresh_policy_says(Path(folder))


def offline(folder: str) -> None:
    test_offline.test_dropout_is_off("dpo", Path(folder))


def spin(folder: str) -> None:
    test_spin.test_every_round_begins_in_agreement_with_its_opponent(Path(folder))


def baselines(folder: str) -> None:
    test_baselines.test_one_right_answer_of_four()


def groups(folder: str) -> None:
    test_groups.test_groups_are_neighbours()


def aggregation(folder: str) -> None:
    test_aggregation.test_hand_values("token_mean", 3.0)


def surrogate(folder: str) -> None:
    test_grpo.test_truth_table(1.0, 1.25, -1.25, -1.25, (0, 0))
    test_grpo.test_advantages_old_and_reference_are_constants()


def kl_losses(folder: str) -> None:
    test_grpo.test_kl_losses_and_their_slopes()


def sequence_ratio(folder: str) -> None:
    test_gspo.test_the_ratio_is_the_geometric_mean()


def overlong(folder: str) -> None:
    test_overlong.test_the_paper_s_own_lengths(18_432, -0.5)


def dynamic_sampling(folder: str) -> None:
    test_dapo.test_after_the_refills_flat_groups_fill_up()


def online_labels(folder: str) -> None:
    test_online_dpo.test_labels()


def trust_region(folder: str) -> None:
    test_trpo.test_the_step_of_delta_and_the_kl_it_really_has()


def second_clip(folder: str) -> None:
    for case in ((-1.0, 5.0, 3.0, 0.0), (1.0, 5.0, -1.2, 0.0), (-1.0, 2.9, 2.9, 2.9)):
        losses.test_the_second_clip(*case)


def allowed(folder: str) -> None:
    test_action_masks.test_the_fewest_most_likely_tokens(0.5, [False, True, False, True])
    test_action_masks.test_what_is_left_sums_to_one()


def conventions(folder: str) -> None:
    test_ipo.test_the_two_conventions_are_not_the_same(Path(folder))


def odds_of_means(folder: str) -> None:
    test_orpo.test_the_first_row_is_what_the_fresh_policy_says(Path(folder))


def pair_rows(folder: str) -> None:
    test_pair_rows.test_both_sides_have_one_prompt_and_end(Path(folder))
