"""ILQL on a small offline problem: Q, V and the decoded policy are value iteration's.

A text of up to three tokens over {0, 1, end}; the state is what is written, an end or the third
token closes it. Rewards are given at the end. The data's policy writes token k with a chance, in
tenths, that depends on the state; the data are 1,000 texts, each as often as it is likely.
"""

import itertools

import numpy as np
import pytest
import torch

from preftune.maths.losses.ilql import (
    expectile_loss,
    guided_logits,
    q_loss,
    weighted_imitation_loss,
)

TOKENS, LONGEST, END, GAMMA = 3, 3, 2, 0.9
STATES = [s for n in range(LONGEST) for s in itertools.product(range(2), repeat=n)]
PLACE = {state: place for place, state in enumerate(STATES)}
RNG = np.random.default_rng(0)
BEHAVIOUR = {state: 0.1 + RNG.multinomial(7, [1 / 3] * TOKENS) / 10 for state in STATES}


def texts() -> list[tuple[int, ...]]:
    closed = [(*state, END) for state in STATES]
    return closed + list(itertools.product(range(2), repeat=LONGEST))


TEXTS = texts()
RETURNS = {text: float(RNG.normal()) for text in TEXTS}
CHANCES = {
    text: float(np.prod([BEHAVIOUR[text[:t]][token] for t, token in enumerate(text)]))
    for text in TEXTS
}


def expectile(outcomes: np.ndarray, chances: np.ndarray, tau: float) -> float:
    """By bisection of τ E[(x − v)⁺] − (1 − τ) E[(v − x)⁺]."""
    low, high = float(outcomes.min()), float(outcomes.max())
    for _ in range(200):
        v = (low + high) / 2
        up = float((chances * np.maximum(outcomes - v, 0)).sum())
        down = float((chances * np.maximum(v - outcomes, 0)).sum())
        low, high = (v, high) if tau * up > (1 - tau) * down else (low, v)
    return (low + high) / 2


def value_iteration(tau: float) -> tuple[np.ndarray, np.ndarray]:
    """Q [states, tokens] and V [states] of the expectile, from the last states backwards."""
    q, v = np.zeros((len(STATES), TOKENS)), np.zeros(len(STATES))
    for state in reversed(STATES):
        for token in range(TOKENS):
            text = (*state, token)
            closes = text in RETURNS
            q[PLACE[state], token] = RETURNS[text] if closes else GAMMA * v[PLACE[text]]
        v[PLACE[state]] = expectile(q[PLACE[state]], BEHAVIOUR[state], tau)
    return q, v


class Table(torch.nn.Module):
    """A number for each state and token, twice, one for each state, and a policy."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)

        def numbers(*shape: int) -> torch.nn.Parameter:
            drawn = torch.randn(*shape, generator=generator, dtype=torch.float64)
            return torch.nn.Parameter(drawn)

        self.q = torch.nn.ParameterList(numbers(len(STATES), TOKENS) for _ in range(2))
        self.v = numbers(len(STATES))
        self.logits = numbers(len(STATES), TOKENS)


def as_tensors() -> tuple[torch.Tensor, ...]:
    """States, tokens, mask and rewards of 1,000 texts, [1000, LONGEST]."""
    rows = [text for text in TEXTS for _ in range(round(1000 * CHANCES[text]))]
    assert len(rows) == 1000
    states = torch.zeros(len(rows), LONGEST, dtype=torch.long)
    tokens, rewards = torch.zeros_like(states), torch.zeros(states.shape, dtype=torch.float64)
    mask = torch.zeros(states.shape, dtype=torch.bool)
    for row, text in enumerate(rows):
        for t, token in enumerate(text):
            states[row, t], tokens[row, t] = PLACE[text[:t]], token
            mask[row, t] = True
        rewards[row, len(text) - 1] = RETURNS[text]
    return states, tokens, mask, rewards


def learned(tau: float, steps: int = 3000) -> Table:
    """The story's losses on all texts at once, with slow copies of Q."""
    table = Table()
    slow = [q.detach().clone() for q in table.q]
    states, tokens, mask, rewards = as_tensors()
    optimizer = torch.optim.Adam(table.parameters(), lr=0.03)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        target = torch.minimum(slow[0][states, tokens], slow[1][states, tokens])
        values = table.v[states]
        losses = [
            q_loss(
                q_BT=q[states, tokens],
                rewards_BT=rewards,
                values_BT=values,
                action_mask_BT=mask,
                gamma=GAMMA,
                denominator=1000.0,
            )
            for q in table.q
        ]
        losses.append(
            expectile_loss(
                values_BT=values,
                target_q_BT=target,
                action_mask_BT=mask,
                tau=tau,
                denominator=1000.0,
            )
        )
        losses.append(
            weighted_imitation_loss(
                logprobs_BT=table.logits.log_softmax(-1)[states, tokens],
                advantages_BT=target - values,
                action_mask_BT=mask,
                beta=0.0,
                denominator=1000.0,
            )
        )
        optimizer.zero_grad()
        torch.stack(losses).sum().backward()
        optimizer.step()
        schedule.step()
        for old, new in zip(slow, table.q, strict=True):
            old.lerp_(new.detach(), 0.05)
    return table


@pytest.fixture(scope="module")
def trained() -> Table:
    return learned(0.7)


def test_q_and_v_are_value_iteration_s(trained: Table) -> None:
    q, v = value_iteration(0.7)
    for twin in trained.q:
        assert np.abs(twin.detach().numpy() - q).max() < 1e-3
    assert np.abs(trained.v.detach().numpy() - v).max() < 1e-3


@pytest.mark.parametrize("strength", [0.0, 1.0, 4.0])
def test_the_decoded_policy_is_the_data_s_tilted_by_q(trained: Table, strength: float) -> None:
    """π(a|s) ∝ μ(a|s) exp(β Q(s, a)); β = 0 is the data's own."""
    q, _ = value_iteration(0.7)
    behaviour = np.stack([BEHAVIOUR[state] for state in STATES])
    expected = behaviour * np.exp(strength * q)
    expected /= expected.sum(1, keepdims=True)
    guided = guided_logits(
        logits_BV=trained.logits.detach(),
        q_BV=torch.minimum(*(q.detach() for q in trained.q)),
        values_B=trained.v.detach(),
        strength=strength,
    )
    distance = 0.5 * np.abs(guided.softmax(-1).numpy() - expected).sum(1)
    assert distance.max() < 2e-3


def test_a_higher_expectile_comes_near_the_best_that_can_be_done() -> None:
    """V at the start: .5 is the data's own discounted return, .999 the best path's."""
    own = sum(CHANCES[t] * GAMMA ** (len(t) - 1) * RETURNS[t] for t in TEXTS)
    best = max(GAMMA ** (len(t) - 1) * RETURNS[t] for t in TEXTS)
    starts = {tau: value_iteration(tau)[1][0] for tau in (0.5, 0.7, 0.9, 0.999)}
    assert starts[0.5] == pytest.approx(own, abs=1e-9)
    assert own < starts[0.7] < starts[0.9] < starts[0.999] < best
    assert starts[0.999] == pytest.approx(best, abs=0.02)
