"""A model of rules gives log-odds that a rule is kept (Glaese et al. 2022, Sparrow)."""

import numpy as np


def log_kept(*, log_odds: np.ndarray) -> np.ndarray:
    """log P(kept) = −log(1 + e^{−x}) of each log-odds x, without overflow, of any shape."""
    return np.asarray(-np.logaddexp(0.0, -log_odds))
