"""Every metric's name, unit and meaning. Where TRL has a name for a thing, it is TRL's.

A name with ``{name}`` stands for a family: ``rewards/{name}/mean`` covers
``rewards/length/mean``. ``eval_`` before a name is the same thing on validation rows. Names that
begin with ``user/`` are free.
"""

import re
from dataclasses import replace
from difflib import get_close_matches
from functools import cache

from preftune.monitoring.metric import Metric
from preftune.monitoring.watched import watched

USER = "user/"
EVAL = "eval_"


LM = ("pretrain", "sft")
RM = ("reward_model",)
PAIRS = ("dpo", "ipo", "orpo", "simpo", "spin")
OFFLINE = (*PAIRS, "kto")
MARGINS = (*OFFLINE, "online_dpo")
RANKED = (*PAIRS, "online_dpo")
LEARNERS = (*LM, *RM, *OFFLINE)
GROUPS = ("rloo", "reinforce_plus_plus", "grpo", "dr_grpo", "dapo", "gspo", "online_dpo")
LOSS_KL = ("reinforce_plus_plus", "grpo", "dr_grpo", "dapo", "gspo")
TWO_ENDED = ("grpo", "dr_grpo", "dapo", "gspo")
PPO = ("ppo", "a2c", "trpo", "nlpo")  # those with a critic
ON_POLICY = (*PPO, "reinforce", *GROUPS)
CLIPS = ("ppo", "nlpo")
CLIPPED = (*CLIPS, "rloo", *LOSS_KL)
TRPO = ("trpo",)

EVERYWHERE = (
    Metric("loss", "nats", "The training loss, averaged over the whole optimizer step.", LEARNERS),
    Metric("grad_norm", "1", "L2 norm of the gradient before clipping.", LEARNERS),
    Metric("learning_rate", "1", "Learning rate of this step.", LEARNERS),
    Metric("epoch", "epochs", "Passes over the training rows so far.", LEARNERS),
    Metric("num_tokens", "tokens", "Tokens trained on so far, padding not counted."),
    Metric("tokens_per_second", "tokens/s", "Tokens worked on a second in this step."),
    Metric("seconds", "s", "Wall time of this step."),
)

SELECTION = (
    Metric(
        "selected/scores",
        "score",
        "Mean score of the responses that the round learns from.",
        ("rejection_sampling",),
    ),
    Metric(
        "selected/count",
        "responses",
        "Responses that the round learns from, earlier rounds' included where they accumulate.",
        ("rejection_sampling",),
    ),
)

TOKEN_VALUES = (
    Metric("loss/q", "reward^2", "Squared error of both Q heads, mean over tokens.", ("ilql",)),
    Metric("loss/v", "reward^2", "Expectile loss of V, mean over tokens.", ("ilql",)),
    Metric("loss/conservative", "nats", "The CQL term of both Q heads, unweighted.", ("ilql",)),
    Metric("loss/imitation", "nats", "The imitation (AWAC) term, unweighted.", ("ilql",)),
    Metric("value/mean_q", "reward", "Mean slow Q of the tokens written.", ("ilql",)),
    Metric("value/mean_v", "reward", "Mean V before the tokens written.", ("ilql",)),
)

LANGUAGE_MODEL = (
    Metric("entropy", "nats/token", "Mean entropy of the model's next-token distribution.", LM),
    Metric("mean_token_accuracy", "share", "Trained tokens that the model ranks first.", LM),
    Metric("eval_loss", "nats", "The training loss on the validation rows.", LEARNERS),
)

REWARD_MODEL = (
    Metric(
        "accuracy",
        "share",
        "Pairs whose chosen side scores higher, ties half; rankings whose best scores highest; "
        "steps on the right side of 0.",
        RM,
    ),
    Metric("margin", "score", "Mean score of the chosen side minus that of the rejected.", RM),
    Metric("min_reward", "score", "Lowest score in the step.", RM),
    Metric("mean_reward", "score", "Mean score over both sides.", RM),
    Metric("max_reward", "score", "Highest score in the step.", RM),
    Metric("eval_accuracy", "share", "The accuracy on the validation rows.", RM),
    Metric(
        "mean_absolute_error", "rating", "Mean distance of a score from its rating, over axes.", RM
    ),
    Metric("ece", "share", "Expected calibration error: |stated - observed| over bins.", RM),
)

PREFERENCE = (
    Metric(
        "rewards/chosen",
        "1",
        "Mean implicit reward of the chosen answers: beta times the log-ratio to the reference "
        "(KTO: of the desirable ones; ORPO and SimPO: weight times the mean log-probability).",
        OFFLINE,
    ),
    Metric("rewards/rejected", "1", "The same of the rejected (undesirable) answers.", OFFLINE),
    Metric("rewards/margins", "1", "Reward of the chosen minus that of the rejected.", MARGINS),
    Metric("rewards/accuracies", "share", "Pairs whose chosen side has the higher reward.", RANKED),
    Metric("logps/chosen", "nats/response", "Log-probability of the chosen answers.", OFFLINE),
    Metric("logps/rejected", "nats/response", "Log-probability of the rejected ones.", OFFLINE),
    Metric(
        "nll_loss",
        "nats/token",
        "Minus the mean log-probability of the chosen answers' tokens, mean over pairs.",
        ("dpo", "orpo"),
    ),
    Metric("log_odds_chosen", "nats", "Log-odds of chosen minus that of rejected.", ("orpo",)),
    Metric("round", "rounds", "The round of self-play, from 1.", ("spin",)),
)

OBJECTIVE = (
    Metric(
        "objective/kl",
        "nats/response",
        "KL of the policy from the reference: sum over a response's tokens of the log-ratio "
        "(k1), mean over responses.",
        ON_POLICY,
    ),
    Metric(
        "objective/kl_coef", "score/nat", "Coefficient of the KL penalty in this step.", ON_POLICY
    ),
    Metric(
        "objective/entropy",
        "nats/response",
        "Minus the log-probability of a sampled response, mean over responses.",
        ON_POLICY,
    ),
    Metric(
        "objective/non_score_reward",
        "score",
        "The part of the reward that is no score: minus coefficient times KL, per response.",
        ON_POLICY,
    ),
    Metric(
        "objective/rlhf_reward", "score", "Score plus non-score reward, per response.", ON_POLICY
    ),
    Metric("objective/scores", "score", "Mean score that the responses are trained on.", ON_POLICY),
)

UPDATE = (
    Metric(
        "policy/approxkl_avg",
        "nats/token",
        "KL to the rollout policy: half the mean squared log-ratio (k2), mean over updates.",
        ON_POLICY,
    ),
    Metric("policy/clipfrac_avg", "share", "Tokens whose policy ratio was clipped.", CLIPPED),
    Metric("policy/entropy_avg", "nats/token", "Mean entropy over trained tokens.", ON_POLICY),
    Metric("policy/grad_norm", "1", "L2 norm of the policy's gradient before clipping.", ON_POLICY),
    Metric("loss/policy_avg", "1", "Policy loss, mean over the step's updates.", ON_POLICY),
    Metric("loss/value_avg", "score^2", "Value loss, mean over the step's updates.", PPO),
    Metric(
        "loss/ptx_avg",
        "nats/token",
        "Loss of the pretraining text that is mixed in, before its coefficient.",
        ("ppo",),
    ),
    Metric("val/clipfrac_avg", "share", "Tokens whose value was clipped.", CLIPS),
    Metric(
        "val/ratio", "1", "Mean ratio of policy to rollout policy, over trained tokens.", ON_POLICY
    ),
    Metric("val/ratio_var", "1", "Variance of that ratio over the step's updates.", ON_POLICY),
    Metric("val/num_eos_tokens", "tokens", "End-of-sequence tokens in the responses.", ON_POLICY),
    Metric("value/grad_norm", "1", "L2 norm of the value network's gradient.", PPO),
    Metric(
        "value/explained_variance",
        "1",
        "1 minus the variance of (return - value) over that of the return; 1 is perfect, 0 no use.",
        PPO,
    ),
    Metric(
        "value/mean_return", "score", "Mean return that the value network learns to predict.", PPO
    ),
    Metric("lr", "1", "Learning rate of the policy in this step.", ON_POLICY),
    Metric("eps", "episodes/s", "Episodes (responses) trained on a second.", ON_POLICY),
    Metric("episode", "episodes", "Episodes (responses) trained on so far.", ON_POLICY),
)

COMPARED = (
    Metric(
        "reward_std",
        "score",
        "Standard deviation of the rewards of one prompt's responses, mean over prompts.",
        GROUPS,
    ),
    Metric(
        "frac_reward_zero_std",
        "share",
        "Prompts whose responses all have the same reward, which teaches nothing.",
        GROUPS,
    ),
    Metric(
        "kl",
        "nats",
        "The KL in the loss by the recipe's estimator, a token; KTO's reference point, the "
        "log-ratio on mismatched answers, a response.",
        (*LOSS_KL, "kto"),
    ),
    Metric("clip_ratio/low_mean", "share", "Tokens held at the lower end of the clip.", TWO_ENDED),
    Metric("clip_ratio/high_mean", "share", "Tokens held at the upper end.", TWO_ENDED),
    Metric(
        "sampling/groups_drawn",
        "1",
        "Groups drawn for every group trained on; more than 1 where groups without spread were "
        "drawn again.",
        ("dapo",),
    ),
)

TRUST_REGION = (
    Metric(
        "trust_region/accepted",
        "0 or 1",
        "1 when the policy moved; 0 when no step was good enough and the weights were put back.",
        TRPO,
    ),
    Metric(
        "trust_region/kl", "nats/token", "Mean KL of the step, old policy to new; 0 for none.", TRPO
    ),
    Metric("trust_region/gain", "1", "What the step added to the surrogate.", TRPO),
    Metric(
        "trust_region/backtracks", "steps", "Times the line search made the step shorter.", TRPO
    ),
)

SAFETY = (
    Metric(
        "first_pass/ratio_max_error",
        "1",
        "Largest |ratio - 1| over fresh rollouts before the first update; must be about 0.",
        ON_POLICY,
    ),
    Metric(
        "first_pass/approxkl",
        "nats/token",
        "The approxkl in that pass; must be about 0.",
        ON_POLICY,
    ),
    Metric("first_pass/clipfrac", "share", "Clipped tokens in that pass; must be 0.", ON_POLICY),
    Metric(
        "stop/epoch_kl", "0 or 1", "1 when KL to the rollout policy ended the epochs.", ON_POLICY
    ),
    Metric(
        "stop/reference_kl", "0 or 1", "1 when KL to the reference passed its limit.", ON_POLICY
    ),
)

COMPLETIONS = (
    Metric("completions/mean_length", "tokens", "Mean length of the responses.", ON_POLICY),
    Metric("completions/eos_rate", "share", "Responses that ended by themselves.", ON_POLICY),
    Metric(
        "completions/distinct_2", "share", "Distinct word pairs among all word pairs.", ON_POLICY
    ),
    Metric(
        "completions/generated_tokens",
        "tokens",
        "Tokens sampled so far to learn from, those thrown away too.",
        (*ON_POLICY, "rejection_sampling"),
    ),
    Metric("rewards/{name}/mean", "score", "Mean of one named part of the score.", ON_POLICY),
    Metric("rewards/{name}/std", "score", "Standard deviation of that part.", ON_POLICY),
    Metric(
        "constraints/{name}/multiplier",
        "score",
        "What a unit of a constrained part of the score costs in this iteration.",
        ON_POLICY,
    ),
)

JUDGEMENT = (
    Metric("judge/win_rate", "share", "Wins against the SFT model by the judge, ties half."),
    Metric("judge/win_rate_low", "share", "Lower end of its 95 % interval over prompts."),
    Metric("judge/win_rate_high", "share", "Upper end of its 95 % interval over prompts."),
    Metric("judge/score", "score", "Mean score by the judge, which is never trained on."),
    Metric("measured/win_rate", "share", "The same by the judge that is only recorded."),
    Metric("measured/win_rate_low", "share", "Lower end of its 95 % interval over prompts."),
    Metric("measured/win_rate_high", "share", "Upper end of its 95 % interval over prompts."),
    Metric("measured/score", "score", "Mean score by the judge that is only recorded."),
    Metric("judge/axes/{name}", "score", "Mean of one axis of the judge."),
)

SECTIONS = {
    "Any stage": EVERYWHERE,
    "Language modelling": LANGUAGE_MODEL,
    "Reward model": REWARD_MODEL,
    "Rejection sampling": SELECTION,
    "ILQL": TOKEN_VALUES,
    "Preferences without a reward model": PREFERENCE,
    "What the policy is trained for": OBJECTIVE,
    "The policy's and the value network's updates": UPDATE,
    "Responses compared with each other": COMPARED,
    "The trust region": TRUST_REGION,
    "Checks and stops": SAFETY,
    "Responses": COMPLETIONS,
    "Judgement during training": JUDGEMENT,
    "Guards": watched(ON_POLICY),
}

METRICS: dict[str, Metric] = {m.name: m for section in SECTIONS.values() for m in section}
"""Every listed metric by its name (families by their pattern)."""


def describe(name: str) -> Metric:
    """The metric of this name, pattern, ``eval_`` or ``user/`` name; ValueError when unknown."""
    found = _find(name)
    if found is None:
        near = get_close_matches(name, METRICS, n=1)
        hint = f"; the nearest is {near[0]!r}" if near else ""
        raise ValueError(
            f"{name!r} is no metric of preftune{hint}. List it in preftune.monitoring, "
            f"or begin its name with {USER!r}."
        )
    return found


@cache
def _find(name: str) -> Metric | None:
    if name in METRICS:
        return METRICS[name]
    if name.startswith(USER) and len(name) > len(USER):
        return Metric(name, "", "A metric of the user's own.")
    for pattern, metric in METRICS.items():
        regex = re.escape(pattern).replace(re.escape("{name}"), r"[^/{}]+")
        if regex != re.escape(pattern) and re.fullmatch(regex, name):
            return replace(metric, name=name)
    if name.startswith(EVAL) and not name.startswith(EVAL * 2):
        base = _find(name.removeprefix(EVAL))
        if base is not None and not base.name.startswith(USER):
            return replace(base, name=name, meaning=f"On validation rows: {base.meaning}")
    return None


def metrics_page() -> str:
    """The page ``docs/metrics.md``: every metric, by section."""
    lines = [
        "# Metrics",
        "",
        "Every curve a run writes to `metrics.jsonl`, one JSON object a step. This page is made",
        'from the code: `python -c "from preftune.monitoring import metrics_page as p; '
        "print(p(), end='')\" > docs/metrics.md`.",
        "",
        "- `step` counts the optimizer steps of the stage; on-policy it is one batch of fresh",
        "  responses with all its updates. No step stands in the file twice.",
        "- A value that is not a finite number is written as `null`; `nonfinite` lists its name.",
        "- `{name}` stands for any name without a slash.",
        "- `eval_` before a name is the same thing on validation rows.",
        "- Names that begin with `user/` are yours; any other unlisted name is refused.",
        "- Shares are between 0 and 1. A score has the unit of whoever gave it.",
        "",
    ]
    for title, section in SECTIONS.items():
        lines += [f"## {title}", "", "| name | unit | written by | meaning |", "|---|---|---|---|"]
        lines += [_row(metric) for metric in section]
        lines.append("")
    return "\n".join(lines[:-1]) + "\n"


def _row(metric: Metric) -> str:
    writers = ", ".join(metric.stems) or "any"
    meaning = metric.meaning.replace("|", "\\|")
    return f"| `{metric.name}` | {metric.unit} | {writers} | {meaning} |"
