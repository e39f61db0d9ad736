"""Numbers about people and models, with their intervals. Randomness is passed in."""

from preftune.stats.agreement import (
    Level,
    cohen_kappa,
    fleiss_kappa,
    gwet_ac1,
    gwet_ac2,
    kendall_tau_b,
    kendall_w,
    krippendorff_alpha,
    percent_agreement,
)
from preftune.stats.agreement_report import Agreement, agreement_report
from preftune.stats.bootstrap import bootstrap_bca_estimate, bootstrap_estimate
from preftune.stats.bradley_terry import Strengths, bradley_terry, davidson
from preftune.stats.calibration import (
    Bin,
    Calibration,
    brier,
    expected_calibration_error,
    fit_temperature,
    pair_calibration,
)
from preftune.stats.clusters import Clusters
from preftune.stats.dawid_skene import DawidSkene, dawid_skene
from preftune.stats.diversity import (
    distinct_n,
    ngrams,
    repetition,
    stock_phrase,
    top_openers,
    word_count,
)
from preftune.stats.economics import (
    Allocation,
    VarianceParts,
    allocate,
    comparisons_for_width,
    comparisons_to_detect,
    design_effect,
    majority_accuracy,
    rater_accuracy,
    variance_parts,
)
from preftune.stats.elo import elo, elo_estimates
from preftune.stats.gain_curves import Compared, GainCurve, compare_shapes, gain_curve
from preftune.stats.intervals import (
    mean_estimate,
    over_seeds,
    paired_difference,
    share_estimate,
    spearman,
    wilson,
)
from preftune.stats.learning_curves import (
    Choice,
    LearningCurve,
    Offer,
    Purchase,
    best_purchase,
    fit_learning_curve,
    next_labels,
)
from preftune.stats.plackett_luce import plackett_luce
from preftune.stats.preferences import length_controlled_win_rate, outcome, win_rate
from preftune.stats.queries import (
    Selection,
    pairs_within,
    preference_disagreement,
    select_queries,
)
from preftune.stats.rating_gap import GapClosed, gap_closed
from preftune.stats.ratings import Ratings, ratings_from_votes
from preftune.stats.sequential import Stopped, confidence_sequence, sequential_win_rate
from preftune.stats.stacking import stacking_weight
from preftune.stats.standings import Standing, Standings, standings
from preftune.stats.whose import (
    HeldOut,
    agreement_of_groups,
    agreement_with_others,
    held_out_labelers,
    labeler_folds,
    share_by_group,
)

__all__ = [
    "Agreement",
    "Allocation",
    "Bin",
    "Calibration",
    "Choice",
    "Clusters",
    "Compared",
    "DawidSkene",
    "GainCurve",
    "GapClosed",
    "HeldOut",
    "LearningCurve",
    "Level",
    "Offer",
    "Purchase",
    "Ratings",
    "Selection",
    "Standing",
    "Standings",
    "Stopped",
    "Strengths",
    "VarianceParts",
    "agreement_of_groups",
    "agreement_report",
    "agreement_with_others",
    "allocate",
    "best_purchase",
    "bootstrap_bca_estimate",
    "bootstrap_estimate",
    "bradley_terry",
    "brier",
    "cohen_kappa",
    "compare_shapes",
    "comparisons_for_width",
    "comparisons_to_detect",
    "confidence_sequence",
    "davidson",
    "dawid_skene",
    "design_effect",
    "distinct_n",
    "elo",
    "elo_estimates",
    "expected_calibration_error",
    "fit_learning_curve",
    "fit_temperature",
    "fleiss_kappa",
    "gain_curve",
    "gap_closed",
    "gwet_ac1",
    "gwet_ac2",
    "held_out_labelers",
    "kendall_tau_b",
    "kendall_w",
    "krippendorff_alpha",
    "labeler_folds",
    "length_controlled_win_rate",
    "majority_accuracy",
    "mean_estimate",
    "next_labels",
    "ngrams",
    "outcome",
    "over_seeds",
    "pair_calibration",
    "paired_difference",
    "pairs_within",
    "percent_agreement",
    "plackett_luce",
    "preference_disagreement",
    "rater_accuracy",
    "ratings_from_votes",
    "repetition",
    "select_queries",
    "sequential_win_rate",
    "share_by_group",
    "share_estimate",
    "spearman",
    "stacking_weight",
    "standings",
    "stock_phrase",
    "top_openers",
    "variance_parts",
    "wilson",
    "win_rate",
    "word_count",
]
