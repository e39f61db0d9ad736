"""Top-p sets by hand, and that what is left sums to 1."""

import pytest
import torch

from preftune.maths.action_masks import restricted_logits, top_p_set, with_tokens

LOGITS = torch.tensor([[[0.1, 0.4, 0.2, 0.3]]], dtype=torch.float64).log()
NEVER = torch.zeros(4, dtype=torch.bool)


def allowed(top_p: float, min_tokens: int = 1, always: torch.Tensor = NEVER) -> list[bool]:
    found = top_p_set(
        logits_BTV=LOGITS, always_V=always, temperature=1.0, top_p=top_p, min_tokens=min_tokens
    )
    return found[0, 0].tolist()


@pytest.mark.parametrize(
    ("top_p", "expected"),
    [
        (0.3, [False, True, False, False]),  # .4 alone is .3 and more
        (0.5, [False, True, False, True]),  # .4 is short of .5, .7 is not
        (0.85, [False, True, True, True]),  # .7 is short of .85, .9 is not
        (0.95, [True, True, True, True]),
        (1.0, [True, True, True, True]),
    ],
)
def test_the_fewest_most_likely_tokens(top_p: float, expected: list[bool]) -> None:
    assert allowed(top_p) == expected


def test_some_tokens_and_some_number_of_them_are_always_in() -> None:
    first = torch.tensor([True, False, False, False])
    assert allowed(0.3, always=first) == [True, True, False, False]
    assert allowed(0.3, min_tokens=3) == [False, True, True, True]


def test_temperature_widens_the_set() -> None:
    """At temperature 2 they go as the roots: .632 / 1.944 = .325 is short of .35, .4 was not."""
    roots = LOGITS.exp().sqrt()
    assert float((roots / roots.sum()).max()) < 0.34
    hot = top_p_set(logits_BTV=LOGITS, always_V=NEVER, temperature=2.0, top_p=0.35, min_tokens=1)
    assert int(hot.sum()) == 2 and sum(allowed(0.35)) == 1


def test_what_is_left_sums_to_one() -> None:
    """.4 / .9, .2 / .9, .3 / .9."""
    some = torch.tensor([[allowed(0.85)]])
    probabilities = restricted_logits(logits_BTV=LOGITS, allowed_BTV=some).softmax(-1)[0, 0]
    assert probabilities.tolist() == pytest.approx([0, 4 / 9, 2 / 9, 3 / 9])


def test_with_everything_allowed_nothing_changes() -> None:
    logits = torch.randn(2, 3, 7)
    everything = torch.ones(2, 3, 7, dtype=torch.bool)
    assert torch.equal(restricted_logits(logits_BTV=logits, allowed_BTV=everything), logits)


def test_no_gradient_reaches_what_is_forbidden() -> None:
    logits = LOGITS.clone().requires_grad_()
    some = torch.tensor([[[False, True, True, True]]])
    restricted_logits(logits_BTV=logits, allowed_BTV=some).log_softmax(-1)[0, 0, 1].backward()
    assert logits.grad is not None
    assert logits.grad[0, 0].tolist() == pytest.approx([0, 1 - 4 / 9, -2 / 9, -3 / 9])


def test_what_was_written_counts_as_allowed() -> None:
    some = torch.tensor([[[False, True, False, False], [False, True, False, False]]])
    found = with_tokens(allowed_BTV=some, tokens_BT=torch.tensor([[0, 1]]))
    assert found.tolist() == [[[True, True, False, False], [False, True, False, False]]]
    assert not some[0, 0, 0], "the given sets stay as they were"


def test_at_one_even_what_rounding_leaves_nothing_is_in() -> None:
    """Probabilities 1, e^−50, e^−50: in float32 the first alone adds up to 1."""
    logits = torch.tensor([[[50.0, 0.0, 0.0]]])
    never = torch.zeros(3, dtype=torch.bool)
    found = top_p_set(logits_BTV=logits, always_V=never, temperature=1.0, top_p=1.0, min_tokens=1)
    assert found.all()


def test_what_is_reached_exactly_is_enough() -> None:
    """Two tokens of .5 each at top_p = .5: one of them is the fewest."""
    never = torch.zeros(2, dtype=torch.bool)
    found = top_p_set(
        logits_BTV=torch.zeros(1, 1, 2), always_V=never, temperature=1.0, top_p=0.5, min_tokens=1
    )
    assert int(found.sum()) == 1
