"""Scores that may become rewards: reward models, functions, rules, their sum; gold never does."""

from preftune.rewards.callable import CallableScore, load_callable
from preftune.rewards.compose import (
    Combine,
    ComposedScore,
    Part,
    part_metrics,
    parts_of,
    training_score,
    weighted_sum,
)
from preftune.rewards.ensemble import EnsembleScore, LinearPart, aggregated
from preftune.rewards.judged import PropositionScore, RatingScore
from preftune.rewards.reward_model import RewardModelScore, same_vocabulary, scores_side_by_side
from preftune.rewards.rule_based import Ordered, RuleBasedScore, RuleWeights, fit_rule_weights
from preftune.rewards.rules import RuleScore
from preftune.rewards.several_objectives import (
    WEIGHTS,
    SwitchedSum,
    UnpromptedScore,
    prompted_sum,
    unprompted,
)

__all__ = [
    "CallableScore",
    "Combine",
    "ComposedScore",
    "EnsembleScore",
    "LinearPart",
    "Ordered",
    "Part",
    "PropositionScore",
    "RatingScore",
    "RewardModelScore",
    "RuleBasedScore",
    "RuleScore",
    "RuleWeights",
    "SwitchedSum",
    "UnpromptedScore",
    "WEIGHTS",
    "aggregated",
    "fit_rule_weights",
    "load_callable",
    "part_metrics",
    "parts_of",
    "prompted_sum",
    "same_vocabulary",
    "scores_side_by_side",
    "training_score",
    "unprompted",
    "weighted_sum",
]
