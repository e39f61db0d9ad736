"""The ensemble learns the reward behind comparisons, each member from its own sample."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from examples.christiano2017.predictor import Ensemble, PredictorSettings
from preftune.stats import spearman
from tests.examples.christiano2017.made import clips, comparisons


def test_members_are_separate_networks() -> None:
    torch.manual_seed(0)
    ensemble = Ensemble(PredictorSettings(members=3, hidden=5), features=4)
    features = torch.rand(2, 6, 4)
    x = features
    for layer, (weight, bias) in enumerate(zip(ensemble.weights, ensemble.biases, strict=True)):
        x = x @ weight[1] + bias[1]
        x = F.leaky_relu(x, 0.01) if layer < 2 else x
    assert torch.allclose(ensemble.raw(features)[1], x.squeeze(-1), atol=1e-6)


def test_the_reward_behind_the_comparisons_is_found() -> None:
    torch.manual_seed(0)
    ensemble = Ensemble(PredictorSettings(), features=4)
    known = comparisons(300, seed=1)
    for _ in range(10):
        fit = ensemble.fit(known, 40)
    fresh = clips(200, seed=9)
    predicted = ensemble.rewards(fresh.features_NTF)
    steps = fresh.features_NTF[..., 0] - fresh.features_NTF[..., 1]
    found = spearman(predicted.flatten().numpy(), steps.flatten().numpy())
    assert found is not None and found > 0.9
    assert fit.train_loss < 0.45 and fit.held_out_loss > fit.train_loss


def test_a_third_and_more_is_held_out_of_each_member() -> None:
    torch.manual_seed(0)
    ensemble = Ensemble(PredictorSettings(), features=4)
    ensemble.fit(comparisons(3000, seed=2), 0)
    held_out = (ensemble.copies_MN == 0).double().mean(-1)
    # Three standard errors of a share of 3,000.
    assert held_out.tolist() == pytest.approx([1 / math.e] * 3, abs=0.027)
    assert not torch.equal(ensemble.copies_MN[0], ensemble.copies_MN[1])


def test_a_sample_grows_and_stays_what_it_was() -> None:
    torch.manual_seed(0)
    ensemble = Ensemble(PredictorSettings(), features=4)
    known = comparisons(20, seed=3)
    ensemble.fit(known, 0)
    before = ensemble.copies_MN
    ensemble.fit(known.followed_by(comparisons(5, seed=4)), 0)
    assert ensemble.copies_MN.shape == (3, 25)
    assert torch.equal(ensemble.copies_MN[:, :20], before)


def test_held_out_answers_teach_a_member_nothing() -> None:
    known = comparisons(40, seed=5)
    turned = replace(known, preferences_N=1 - known.preferences_N)
    weights = []
    for told in (known, turned):
        torch.manual_seed(0)
        ensemble = Ensemble(PredictorSettings(), features=4)
        ensemble.copies_MN = torch.ones(3, 40)
        ensemble.copies_MN[0] = 0
        ensemble.l2_M = torch.zeros(3)
        ensemble.fit(told, 5)
        weights.append(ensemble.weights[0].detach().clone())
    assert torch.equal(weights[0][0], weights[1][0])
    assert not torch.equal(weights[0][1], weights[1][1])


@pytest.mark.parametrize(("low", "high", "l2"), [(0, 0, 2e-4), (1e9, 1e9, 5e-5), (0, 1e9, 1e-4)])
def test_the_penalty_follows_the_held_out_loss(low: float, high: float, l2: float) -> None:
    """Too much above the training loss: twice. Too little: half. Between: as it was."""
    torch.manual_seed(0)
    settings = PredictorSettings(l2=1e-4, overfit_low=low, overfit_high=high)
    ensemble = Ensemble(settings, features=4)
    assert ensemble.fit(comparisons(30, seed=6), 1).l2 == pytest.approx(l2)


def test_rewards_of_what_was_asked_have_mean_zero_and_deviation_one_in_each_member() -> None:
    torch.manual_seed(0)
    ensemble = Ensemble(PredictorSettings(), features=4)
    known = comparisons(50, seed=7)
    ensemble.fit(known, 20)
    with torch.no_grad():
        raw = ensemble.raw(torch.cat([known.first_NTF, known.second_NTF])).flatten(1)
    scaled = (ensemble.gains_M[:, None] * raw + ensemble.biases_M[:, None]).numpy()
    assert scaled.mean(-1) == pytest.approx(np.zeros(3), abs=1e-5)
    assert scaled.std(-1) == pytest.approx(np.ones(3), abs=1e-4)
    found = ensemble.rewards(known.first_NTF).flatten().numpy()
    assert found == pytest.approx(scaled[:, : found.size].mean(0), abs=1e-5)
