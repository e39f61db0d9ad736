"""The linear reward model against scikit-learn's optimum, and how its penalty is chosen."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from preftune.algorithms.reward_batches import Pair
from preftune.algorithms.reward_linear import PENALTIES, USUAL, fit_linear, linear_gaps
from preftune.models import Row, reading_of

ROW = Row((1,), (2,))
WORDS = ("apples", "boats", "clouds", "drums", "eggs")


def pair(chosen: str, rejected: str, probability: float = 1.0, weight: float = 1.0) -> Pair:
    return Pair(ROW, ROW, probability=probability, weight=weight, texts=(chosen, rejected))


def made(count: int, seed: int, taste: float = 2.0) -> list[Pair]:
    """Answers of random words; the share for the one with more capitals and the word apples."""
    rng = np.random.default_rng(seed)

    def answer() -> tuple[str, float]:
        words = [str(word) for word in rng.choice(WORDS, size=6)]
        big = int(rng.integers(0, 4))
        words[:big] = [word.capitalize() for word in words[:big]]
        return " ".join(words), big + 1.0 * ("apples" in words)

    pairs = []
    for _ in range(count):
        (a, worth_a), (b, worth_b) = answer(), answer()
        share = 1 / (1 + np.exp(-taste * (worth_a - worth_b)))
        pairs.append(pair(a, b, float(share), float(rng.uniform(0.5, 2))))
    return pairs


def test_it_is_the_optimum_that_scikit_learn_finds() -> None:
    pairs, penalty = made(60, 0), 3.0
    model = fit_linear(pairs, ["all"] * 60, {}, penalty).model
    texts = sorted({text for p in pairs for text in p.texts})
    reading = reading_of(texts, {})
    sides = reading([p.texts[0] for p in pairs]) - reading([p.texts[1] for p in pairs])
    share, weight = (np.array([getattr(p, n) for p in pairs]) for n in ("probability", "weight"))
    oracle = LogisticRegression(C=1 / penalty, fit_intercept=False, tol=1e-10, max_iter=5000)
    oracle.fit(
        np.vstack([sides.toarray(), sides.toarray()]),
        np.repeat([1, 0], 60),
        sample_weight=np.concatenate([share * weight, (1 - share) * weight]),
    )
    new = ["Apples boats", "clouds Drums eggs", "APPLES!"]
    found = model.scores(new) - model.scores(new)[0]
    expected = reading(new) @ oracle.coef_[0]
    assert found == pytest.approx(expected - expected[0], abs=2e-3)


def test_gaps_are_differences_of_scores_in_order() -> None:
    pairs = made(30, 1)
    model = fit_linear(pairs, ["all"] * 30, {}).model
    for gap, one in zip(linear_gaps(model, pairs), pairs, strict=True):
        chosen, rejected = model.scores(list(one.texts))
        assert gap == pytest.approx(chosen - rejected)


def test_sides_are_treated_alike() -> None:
    pairs = made(30, 2)
    turned = [pair(p.texts[1], p.texts[0], 1 - p.probability, p.weight) for p in pairs]
    a, b = (fit_linear(ps, ["all"] * 30, {}, 1.0).model for ps in (pairs, turned))
    assert a.scores(["Apples", "boats x"]) == pytest.approx(
        b.scores(["Apples", "boats x"]), abs=1e-3
    )


def test_it_learns_what_groups_share_and_little_from_noise() -> None:
    pairs = made(400, 3)
    groups = [str(number % 8) for number in range(400)]
    fit = fit_linear(pairs, groups, {})
    assert fit.losses is not None and len(fit.losses) == len(PENALTIES)
    assert fit.penalty == PENALTIES[int(np.argmin(fit.losses))] < 10
    test = made(200, 4)
    right = (linear_gaps(fit.model, test) > 0) == [p.probability > 0.5 for p in test]
    assert right.mean() > 0.85
    noise = [pair(*p.texts, float(i % 2)) for i, p in enumerate(made(100, 5))]
    assert fit_linear(noise, groups[:100], {}).penalty == max(PENALTIES)


def test_one_group_leaves_nothing_to_choose_by() -> None:
    fit = fit_linear(made(20, 6), ["one"] * 20, {})
    assert fit.losses is None and fit.penalty == USUAL


def test_answers_without_a_shared_word_are_read_by_their_style() -> None:
    pairs = [pair(f"Abc{k}, d{k}.", f"e{k}") for k in range(10)]
    fit = fit_linear(pairs, [str(k) for k in range(10)], {})
    assert fit.model.reading.terms == ()
    assert (linear_gaps(fit.model, [pair("New, x.", "y")]) > 0).all()


def test_words_that_are_known_tell_answers_apart() -> None:
    # every answer has words of its own: only the reference says which ones are words
    known = {f"word{chr(97 + k)}": 5 for k in range(20)}
    names = list(known)
    pairs = [pair(names[k], names[k][::-1]) for k in range(10)]
    test = [pair(names[k], names[k][::-1]) for k in range(10, 20)]
    groups = [str(k) for k in range(10)]
    with_reference = linear_gaps(fit_linear(pairs, groups, known).model, test)
    without = linear_gaps(fit_linear(pairs, groups, {}).model, test)
    assert (with_reference > 0.5).all()
    assert without == pytest.approx(np.zeros(10), abs=1e-6)
