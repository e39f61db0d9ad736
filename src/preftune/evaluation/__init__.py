"""Measurements of policies and reward models: pure functions over records and scores."""

from preftune.evaluation.abstention import (
    Commitment,
    calibrated_summary,
    calibration_summary,
    commitment,
    coverage_curve,
)
from preftune.evaluation.baselines import (
    Baselines,
    baselines,
    longer_correct,
    paired_accuracy,
    tfidf_correct,
    tfidf_length_correct,
)
from preftune.evaluation.best_of_n import (
    best_of_n,
    best_of_n_kl,
    best_of_n_policy,
    best_of_n_policy_kl,
    best_of_n_weights,
)
from preftune.evaluation.divergence import kl_to_reference, sampled_kl
from preftune.evaluation.policy_report import PolicyReport, policy_report
from preftune.evaluation.reward_accuracy import (
    RewardReport,
    correctness,
    pool_probability,
    reward_accuracy,
)
from preftune.evaluation.slices import slices
from preftune.evaluation.win_rate import WinRate, compare_policies, compare_scores, on_axis

__all__ = [
    "Baselines",
    "Commitment",
    "PolicyReport",
    "RewardReport",
    "WinRate",
    "baselines",
    "best_of_n",
    "best_of_n_kl",
    "best_of_n_policy",
    "best_of_n_policy_kl",
    "best_of_n_weights",
    "calibrated_summary",
    "calibration_summary",
    "commitment",
    "compare_policies",
    "compare_scores",
    "correctness",
    "coverage_curve",
    "kl_to_reference",
    "longer_correct",
    "on_axis",
    "paired_accuracy",
    "policy_report",
    "pool_probability",
    "reward_accuracy",
    "sampled_kl",
    "slices",
    "tfidf_correct",
    "tfidf_length_correct",
]
