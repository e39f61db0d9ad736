"""What the tilt is worth: the numbers of the two problems that optima are measured against."""

import pytest
import torch

from preftune.maths.kl import k1
from tests.optima.made import REFERENCE, SCORES, exact_tilt, two_tokens


@pytest.mark.parametrize(
    ("beta", "log_z", "score", "kl", "objective"),
    [
        (0.5, 3.986745, 2.692775, 1.398804, 1.993372),
        (1.0, 1.547956, 2.083599, 0.535643, 1.547956),
        (2.0, 0.634692, 1.551299, 0.140957, 1.269385),
    ],
)
def test_four_actions(beta: float, log_z: float, score: float, kl: float, objective: float) -> None:
    """log Z = log Σ π_ref e^(r/β); E r − β KL = β log Z, and no other policy has more.

    β = 1: Z = .4 + .3 e + .2 e² + .1 e³ = .4 + .815485 + 1.477811 + 2.008554 = 4.701850.
    """
    tilt = exact_tilt(beta)
    assert float((REFERENCE * (SCORES / beta).exp()).sum().log()) == pytest.approx(log_z, abs=1e-6)
    distance = k1(
        logprobs_BT=tilt.log().unsqueeze(0), reference_logprobs_BT=REFERENCE.log().unsqueeze(0)
    )[0]
    assert float(tilt @ SCORES) == pytest.approx(score, abs=1e-6)
    assert float(tilt @ distance) == pytest.approx(kl, abs=1e-6)
    assert float(tilt @ SCORES - beta * (tilt @ distance)) == pytest.approx(objective, abs=1e-6)
    assert objective == pytest.approx(beta * log_z, abs=2e-6)
    for shift in torch.eye(4, dtype=torch.float64):
        other = (tilt.log() + 0.1 * shift).softmax(-1)
        worth = other @ SCORES - beta * (other @ (other / REFERENCE).log())
        assert float(worth) < objective


def test_two_tokens() -> None:
    """Each token is 1 with chance σ(1) = .7310586: twice log((1 + e)/2) = .6201145, twice
    KL = .1109441 and twice σ(1) for the score; the value after a token is the same for both."""
    problem = two_tokens()
    reference = problem.reference_NT.sum(-1)
    log_z = torch.logsumexp(reference + problem.scores_N, 0)
    tilt = (reference + problem.scores_N - log_z).exp()
    assert float(log_z) == pytest.approx(1.2402290, abs=1e-7)
    assert float(tilt @ (tilt.log() - reference)) == pytest.approx(0.2218881, abs=1e-7)
    assert float(tilt @ problem.scores_N) == pytest.approx(1.4621172, abs=1e-7)
    first = tilt[problem.sequences[:, 0] == 1].sum()
    assert float(first) == pytest.approx(0.7310586, abs=1e-7)
