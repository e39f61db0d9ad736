"""Numbers about people and models, with their intervals. Randomness is passed in."""

from preftune.stats.bootstrap import bootstrap_bca_estimate, bootstrap_estimate
from preftune.stats.calibration import (
    Bin,
    Calibration,
    brier,
    expected_calibration_error,
    fit_temperature,
    pair_calibration,
)
from preftune.stats.clusters import Clusters
from preftune.stats.diversity import distinct_n, ngrams, repetition, top_openers, word_count
from preftune.stats.intervals import (
    mean_estimate,
    over_seeds,
    paired_difference,
    share_estimate,
    spearman,
    wilson,
)
from preftune.stats.preferences import length_controlled_win_rate, outcome, win_rate
from preftune.stats.queries import (
    Selection,
    pairs_within,
    preference_disagreement,
    select_queries,
)
from preftune.stats.stacking import stacking_weights

__all__ = [
    "Bin",
    "Calibration",
    "Clusters",
    "Selection",
    "bootstrap_bca_estimate",
    "bootstrap_estimate",
    "brier",
    "distinct_n",
    "expected_calibration_error",
    "fit_temperature",
    "length_controlled_win_rate",
    "mean_estimate",
    "ngrams",
    "outcome",
    "over_seeds",
    "pair_calibration",
    "paired_difference",
    "pairs_within",
    "preference_disagreement",
    "repetition",
    "select_queries",
    "share_estimate",
    "spearman",
    "stacking_weights",
    "top_openers",
    "wilson",
    "win_rate",
    "word_count",
]
