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
from preftune.stats.diversity import distinct_n, ngrams, repetition, top_openers, word_count
from preftune.stats.elo import elo, elo_estimates
from preftune.stats.intervals import (
    mean_estimate,
    over_seeds,
    paired_difference,
    share_estimate,
    spearman,
    wilson,
)
from preftune.stats.plackett_luce import plackett_luce
from preftune.stats.preferences import length_controlled_win_rate, outcome, win_rate
from preftune.stats.queries import (
    Selection,
    pairs_within,
    preference_disagreement,
    select_queries,
)
from preftune.stats.ratings import Ratings, ratings_from_votes

__all__ = [
    "Agreement",
    "Bin",
    "Calibration",
    "Clusters",
    "DawidSkene",
    "Level",
    "Ratings",
    "Selection",
    "Strengths",
    "agreement_report",
    "bootstrap_bca_estimate",
    "bootstrap_estimate",
    "bradley_terry",
    "brier",
    "cohen_kappa",
    "davidson",
    "dawid_skene",
    "distinct_n",
    "elo",
    "elo_estimates",
    "expected_calibration_error",
    "fit_temperature",
    "fleiss_kappa",
    "gwet_ac1",
    "gwet_ac2",
    "kendall_tau_b",
    "kendall_w",
    "krippendorff_alpha",
    "length_controlled_win_rate",
    "mean_estimate",
    "ngrams",
    "outcome",
    "over_seeds",
    "pair_calibration",
    "paired_difference",
    "pairs_within",
    "percent_agreement",
    "plackett_luce",
    "preference_disagreement",
    "ratings_from_votes",
    "repetition",
    "select_queries",
    "share_estimate",
    "spearman",
    "top_openers",
    "wilson",
    "win_rate",
    "word_count",
]
