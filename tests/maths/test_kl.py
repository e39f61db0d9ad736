"""KL estimators on a categorical whose KL is known, and both adaptive controllers."""

import itertools

import pytest
import torch

from preftune.maths.kl import gain_update, horizon_update, k1, k2, k3

P = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
Q = torch.tensor([0.4, 0.4, 0.2], dtype=torch.float64)


def test_expectations_on_a_categorical() -> None:
    logprobs, reference = P.log().unsqueeze(0), Q.log().unsqueeze(0)
    first = k1(logprobs_BT=logprobs, reference_logprobs_BT=reference)[0]
    second = k2(logprobs_BT=logprobs, reference_logprobs_BT=reference)[0]
    assert float((P * first).sum()) == pytest.approx(0.025267, abs=1e-6)
    assert float((P * second).sum()) == pytest.approx(0.024862, abs=1e-6)
    spread = float((P * (first - 0.025267) ** 2).sum()) ** 0.5
    assert spread == pytest.approx(0.22155, abs=1e-5)


def test_k1_may_be_negative_and_changes_sign_when_swapped() -> None:
    logprobs, reference = torch.tensor([[-1.0]]), torch.tensor([[-0.25]])
    assert k1(logprobs_BT=logprobs, reference_logprobs_BT=reference).item() == -0.75
    assert k1(logprobs_BT=reference, reference_logprobs_BT=logprobs).item() == 0.75
    assert k2(logprobs_BT=logprobs, reference_logprobs_BT=reference).item() == 0.28125


def test_k1_summed_over_tokens_is_unbiased_for_the_sequence_s_kl() -> None:
    """Two steps whose second depends on the first: the mean over all sequences is the exact KL."""
    policy = torch.tensor([[0.7, 0.3], [0.2, 0.8], [0.6, 0.4]], dtype=torch.float64)
    reference = torch.tensor([[0.5, 0.5], [0.5, 0.5], [0.9, 0.1]], dtype=torch.float64)
    total, exact = 0.0, 0.0
    for a, b in itertools.product(range(2), range(2)):
        p = torch.stack([policy[0, a], policy[1 + a, b]])
        q = torch.stack([reference[0, a], reference[1 + a, b]])
        total += float(
            p.prod() * k1(logprobs_BT=p.log()[None], reference_logprobs_BT=q.log()[None]).sum()
        )
        exact += float(p.prod() * (p.prod() / q.prod()).log())
    assert total == pytest.approx(exact, abs=1e-12)


def test_horizon_trajectory() -> None:
    beta, seen = 0.2, []
    for kl in (3.0, 6.0, 9.0, 12.0):
        beta = horizon_update(coefficient=beta, kl=kl, target=6, horizon=10_000, episodes=512)
        seen.append(beta)
    assert seen == pytest.approx([0.197952, 0.197952, 0.19997902848, 0.202026813], abs=1e-8)


def test_gain_trajectory() -> None:
    beta, seen = 0.2, []
    for kl in (3.0, 6.0, 9.0, 12.0):
        beta = gain_update(coefficient=beta, kl=kl, target=6, gain=0.1)
        seen.append(beta)
    assert seen == pytest.approx([0.196, 0.196, 0.19992, 0.2039184], abs=1e-9)


@pytest.mark.parametrize(("kl", "error"), [(6, 0), (7.2, 0.2), (60, 0.2), (4.8, -0.2), (-3, -0.2)])
def test_the_error_is_clipped_at_a_fifth(kl: float, error: float) -> None:
    moved = gain_update(coefficient=1.0, kl=kl, target=6, gain=1.0)
    assert moved == pytest.approx(1 + error)
    same = horizon_update(coefficient=1.0, kl=kl, target=6, horizon=512, episodes=512)
    assert same == pytest.approx(1 + error)


def test_both_forms_agree_only_when_the_gain_is_the_batch_s_share_of_the_horizon() -> None:
    by_horizon = horizon_update(coefficient=0.2, kl=9, target=6, horizon=5120, episodes=512)
    assert by_horizon == pytest.approx(gain_update(coefficient=0.2, kl=9, target=6, gain=0.1))


def test_k3_is_unbiased_and_never_negative() -> None:
    """Its mean under π is the KL, .025267, its spread .01596: a fourteenth of k1's."""
    third = k3(logprobs_BT=P.log().unsqueeze(0), reference_logprobs_BT=Q.log().unsqueeze(0))[0]
    exact = float((P * (P / Q).log()).sum())
    assert float((P * third).sum()) == pytest.approx(exact, abs=1e-12)
    assert exact == pytest.approx(0.025267, abs=1e-6)
    spread = float((P * (third - exact) ** 2).sum()) ** 0.5
    assert spread == pytest.approx(0.01596, abs=1e-5)
    assert (third >= 0).all() and third[2] == 0
    # d = −.75: e^{.75} − 1 − .75
    one = k3(logprobs_BT=torch.tensor([[-1.0]]), reference_logprobs_BT=torch.tensor([[-0.25]]))
    assert one.item() == pytest.approx(0.367, abs=1e-6)
