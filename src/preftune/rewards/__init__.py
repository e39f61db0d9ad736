"""Scores that may become rewards: reward models, functions, rules, their sum; gold never does."""

from preftune.rewards.callable import CallableScore, load_callable
from preftune.rewards.compose import ComposedScore, Part, part_metrics, parts_of, training_score
from preftune.rewards.ensemble import EnsembleScore, LinearPart, aggregated
from preftune.rewards.judged import PropositionScore, RatingScore
from preftune.rewards.reward_model import RewardModelScore, same_vocabulary, scores_side_by_side
from preftune.rewards.rule_based import Ordered, RuleBasedScore, RuleWeights, fit_rule_weights
from preftune.rewards.rules import RuleScore

__all__ = [
    "CallableScore",
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
    "aggregated",
    "fit_rule_weights",
    "load_callable",
    "part_metrics",
    "parts_of",
    "same_vocabulary",
    "scores_side_by_side",
    "training_score",
]
