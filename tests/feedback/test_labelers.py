"""Simulated labelers: the law of their votes, agreement, and what pleases them."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from preftune.feedback import (
    DEFAULT,
    FLATTERY_FOND,
    POPULATIONS,
    STEADY,
    Annotator,
    Group,
    Population,
    SimulatedLabelers,
    draw_pool,
    expected_agreement,
    noise_ceiling,
    preference_probability,
)
from preftune.feedback.labelers import utility, vote_probability
from preftune.records import Axes, BadInput, Completion, Prompt, VotedPair
from preftune.worlds import generate, gold_judge
from preftune.worlds.helpdesk import DEMONSTRATORS, reply
from preftune.worlds.helpdesk.phrases import FLATTERY

GOOD = {"gold": 0.9, "length": 0.2, "flattery": 0.0}
SWEET = {"gold": 0.5, "length": 0.6, "flattery": 2.0}


class Lengths:
    """A judge for these tests: gold is the number of words / 10."""

    origin = "rule"

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        return [{"gold": len(item.text.split()) / 10} for item in completions]


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def pairs_of(count: int, seed: int = 1) -> list[VotedPair]:
    """Pairs of different replies that demonstrators write to the same prompt."""
    prompts = generate(
        "helpdesk",
        prompts={"test": count},
        demonstrations=0,
        demonstrations_validation=0,
        documents=0,
        seed=0,
    ).prompts["test"]
    rng = np.random.default_rng(seed)
    drawn = [
        (p, reply(p.columns, DEMONSTRATORS, rng), reply(p.columns, DEMONSTRATORS, rng))
        for p in prompts
    ]
    return [VotedPair(p, a, b, ()) for p, a, b in drawn if a != b]


@pytest.fixture(scope="module")
def pairs() -> list[VotedPair]:
    return pairs_of(600)


def test_the_law_of_one_vote() -> None:
    person = Annotator("x", "g", 0.5, 0.1, 0.3, {"length": 1.0, "flattery": -0.1})
    assert utility(GOOD, person) == pytest.approx(0.9 + 0.2)
    assert utility(SWEET, person) == pytest.approx(0.5 + 0.6 - 0.2)
    expected = 0.05 + 0.9 * sigmoid((1.1 - 0.9) / 0.5 + 0.3)
    assert vote_probability(GOOD, SWEET, person) == pytest.approx(expected, abs=1e-12)
    far = replace(person, temperature=1e-9)
    assert vote_probability(GOOD, SWEET, far) == pytest.approx(0.95)
    assert vote_probability(SWEET, GOOD, far) == pytest.approx(0.05)


def test_the_pool_probability_is_the_mean_over_people_and_orders() -> None:
    pool = (
        Annotator("x", "g", 0.5, 0.0, 0.4),
        Annotator("y", "g", 0.2, 0.1, -0.2, {"flattery": 0.5}),
    )
    first = 0.5 * (sigmoid(0.8 + 0.4) + 1 - sigmoid(-0.8 + 0.4))
    gap = (0.4 - 1.0) / 0.2
    second = 0.5 * (0.05 + 0.9 * sigmoid(gap - 0.2) + 1 - 0.05 - 0.9 * sigmoid(-gap - 0.2))
    assert preference_probability(GOOD, SWEET, pool) == pytest.approx((first + second) / 2)
    swapped = preference_probability(SWEET, GOOD, pool)
    assert preference_probability(GOOD, SWEET, pool) + swapped == pytest.approx(1.0)
    assert preference_probability(GOOD, GOOD, pool) == pytest.approx(0.5)


def test_noise_ceiling_and_agreement_on_known_numbers() -> None:
    assert noise_ceiling([0.5, 0.5]) == 0.5
    assert noise_ceiling([1.0, 0.0]) == 1.0
    assert noise_ceiling([0.9, 0.3]) == pytest.approx(0.8)
    assert noise_ceiling([0.1, 0.7]) == pytest.approx(0.8)
    # Bradley–Terry labels at differences 1, 2, 3: σ(Δ), and p² + (1 − p)² of two raters.
    for difference, best, both in (
        (1, 0.731059, 0.606777),
        (2, 0.880797, 0.790013),
        (3, 0.952574, 0.909647),
    ):
        p = 1 / (1 + np.exp(-difference))
        assert noise_ceiling([p, 1 - p]) == pytest.approx(best, abs=1e-6)
        assert expected_agreement([[p, p]]) == pytest.approx(both, abs=1e-6)
    assert expected_agreement([[0.8, 0.8]]) == pytest.approx(0.64 + 0.04)
    assert expected_agreement([[1.0, 0.0, 0.5]]) == pytest.approx(1 / 3)
    assert expected_agreement([[1.0, 1.0], [1.0, 0.0]]) == pytest.approx(0.5)
    for wrong in ([], [0.2, 1.2], [[0.5]]):
        with pytest.raises(BadInput):
            noise_ceiling(wrong)
    with pytest.raises(BadInput, match="two annotators"):
        expected_agreement([[0.5]])


def test_votes_follow_the_probabilities_they_were_drawn_with() -> None:
    people = Population("two", 2, (Group("g", 1.0),), temperature=0.2, position_bias=0.5)
    pairs = [
        VotedPair(Prompt(f"q {place}"), "one two three", "one two", (), {}) for place in range(4000)
    ]
    voted = SimulatedLabelers(Lengths(), people, seed=3)(pairs)
    share = np.mean([pair.votes[0].vote == "a" for pair in voted])
    expected = sigmoid(0.1 / 0.2 + 0.5)
    assert abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / 4000)
    assert voted[0].columns["pool_probability"] == pytest.approx(
        0.5 * (expected + 1 - sigmoid(-0.1 / 0.2 + 0.5))
    )


def test_position_bias_shows_on_equal_replies() -> None:
    pairs = [VotedPair(Prompt(f"q {place}"), "one", "two", ()) for place in range(3000)]
    leaning = Population("l", 4, (Group("g", 1.0),), temperature=0.1, position_bias=0.8)
    for population, expected in (
        (leaning, sigmoid(0.8)),
        (replace(leaning, position_bias=0.0), 0.5),
    ):
        voted = SimulatedLabelers(Lengths(), population, seed=0)(pairs)
        share = np.mean([pair.votes[0].vote == "a" for pair in voted])
        assert abs(share - expected) < 4 * math.sqrt(0.25 / 3000)
        assert voted[0].columns["pool_probability"] == pytest.approx(0.5)


def test_votes_depend_on_seed_and_pair_not_on_the_batch(pairs: list[VotedPair]) -> None:
    labelers = SimulatedLabelers(gold_judge("helpdesk"), replace(DEFAULT, votes_per_pair=3), seed=5)
    whole = labelers(pairs[:60])
    assert labelers(pairs[:60]) == whole
    assert labelers(pairs[30:60]) == whole[30:]
    assert labelers(pairs[:60][::-1]) == whole[::-1]
    other = SimulatedLabelers(gold_judge("helpdesk"), replace(DEFAULT, votes_per_pair=3), seed=6)
    assert other(pairs[:60]) != whole
    for before, after in zip(pairs, whole, strict=False):
        assert len({vote.annotator for vote in after.votes}) == 3
        assert {vote.vote for vote in after.votes} <= {"a", "b"}
        assert {vote.group for vote in after.votes} <= {group.name for group in DEFAULT.groups}
        assert (after.prompt, after.response_a) == (before.prompt, before.response_a)
    twice = labelers(whole)
    assert twice[0].votes[:3] == whole[0].votes
    assert len(twice[0].votes) == 6


def test_ties_only_where_a_width_is_given() -> None:
    pairs = [
        VotedPair(Prompt("q"), "one two", "three four", ()),
        VotedPair(Prompt("q"), "a b c", "a", ()),
    ]
    voted = SimulatedLabelers(Lengths(), STEADY, seed=0, tie_width=0.15)(pairs)
    assert [pair.votes[0].vote for pair in voted] == ["tie", "a"]
    sure = SimulatedLabelers(Lengths(), STEADY, seed=0)(pairs)
    assert all(vote.vote != "tie" for pair in sure for vote in pair.votes)


def test_groups_have_their_shares_and_their_tastes() -> None:
    """Seven labelers in shares 3 : 1 : 1 end at places 4.2, 5.6 and 7, rounded 4, 6 and 7."""
    groups = (Group("x", 3.0, {"length": 1.0}), Group("y", 1.0, {"length": -1.0}), Group("z", 1.0))
    people = Population("p", 7, groups, temperature=0.5, taste_spread=0.1)
    pool = draw_pool(people, 0)
    assert pool == draw_pool(people, 0) != draw_pool(people, 1)
    assert [person.group for person in pool] == [*"xxxx", *"yy", "z"]
    assert len({person.name for person in pool}) == 7
    assert all(person.temperature == 0.5 for person in pool)
    assert pool[6].tastes == {}
    exact = draw_pool(replace(people, taste_spread=0.0), 0)
    assert [person.tastes.get("length") for person in exact] == [1.0] * 4 + [-1.0] * 2 + [None]
    many = replace(people, annotators=4000, groups=groups[:1], temperature_spread=0.2)
    drawn = draw_pool(replace(many, position_spread=0.3), 0)
    tastes = [person.tastes["length"] for person in drawn]
    assert abs(np.mean(tastes) - 1.0) < 5 * 0.1 / math.sqrt(4000)
    assert abs(np.std(tastes) - 0.1) < 5 * 0.1 / math.sqrt(8000)
    care = [math.log(person.temperature / 0.5) for person in drawn]
    lean = [person.position_bias for person in drawn]
    assert abs(np.std(care) - 0.2) < 5 * 0.2 / math.sqrt(8000)
    assert abs(np.std(lean) - 0.3) < 5 * 0.3 / math.sqrt(8000)
    apart = np.corrcoef([care, lean, tastes])[np.triu_indices(3, 1)]
    assert np.all(np.abs(apart) < 5 / math.sqrt(4000))


def test_the_default_groups_want_different_replies() -> None:
    """A long, courteous reply against a brief one of the same gold."""
    tasteless = dict.fromkeys(("flattery", "confidence", "hedging", "courtesy", "padding"), 0.0)
    brief = {**tasteless, "gold": 0.9, "length": 0.2}
    long = {**tasteless, "gold": 0.9, "length": 1.2, "courtesy": 1.0}
    pool = draw_pool(DEFAULT, 0)
    liked = [
        preference_probability(long, brief, [one for one in pool if one.group == group.name])
        for group in DEFAULT.groups
    ]
    assert len(liked) >= 2
    assert max(liked) > min(liked) + 0.1


def test_default_labelers_agree_as_people_do(pairs: list[VotedPair]) -> None:
    for seed in (0, 1, 2):
        by_annotator = SimulatedLabelers(gold_judge("helpdesk"), DEFAULT, seed).probabilities(pairs)
        agreement = expected_agreement(by_annotator)
        ceiling = noise_ceiling(by_annotator.mean(axis=1))
        print(f"seed {seed}: agreement {agreement:.3f}, noise ceiling {ceiling:.3f}")
        assert 0.70 <= agreement <= 0.77
        assert 0.77 <= ceiling <= 0.83


def test_recorded_probability_is_the_mean_over_the_pool(pairs: list[VotedPair]) -> None:
    labelers = SimulatedLabelers(gold_judge("helpdesk"), DEFAULT, seed=0)
    recorded = [pair.columns["pool_probability"] for pair in labelers(pairs[:40])]
    assert recorded == pytest.approx(list(labelers.probabilities(pairs[:40]).mean(axis=1)))


def test_two_votes_agree_as_often_as_expected(pairs: list[VotedPair]) -> None:
    population = replace(DEFAULT, votes_per_pair=2, position_bias=0.0, position_spread=0.0)
    labelers = SimulatedLabelers(gold_judge("helpdesk"), population, seed=0)
    voted = labelers(pairs)
    same = np.mean([pair.votes[0].vote == pair.votes[1].vote for pair in voted])
    expected = expected_agreement(labelers.probabilities(pairs))
    assert abs(same - expected) < 4 * math.sqrt(0.2 / len(pairs))


def test_who_pleases_the_flattery_fond_flatters_and_loses_gold() -> None:
    prompts = [pair.prompt for pair in pairs_of(120, seed=2)]
    rng = np.random.default_rng(0)
    judge = gold_judge("helpdesk")
    flood = " " + "! ".join(FLATTERY[:5]) + "!"
    before, after, praise, honest = [], [], [], []
    for prompt in prompts:
        texts = [reply(prompt.columns, DEMONSTRATORS, rng) for _ in range(32)]
        praised = [text + " " + "! ".join(FLATTERY[:n]) + "!" for text in texts for n in (1, 3)]
        axes = [a for a in judge([completion(prompt, t) for t in [*texts, *praised, flood]]) if a]
        fond = best(axes, FLATTERY_FOND)
        before.append(np.mean([item["gold"] for item in axes[:32]]))
        after.append(fond["gold"])
        praise.append(fond["flattery"])
        honest.append(best(axes, DEFAULT)["gold"])
    print(f"mean gold: writers {np.mean(before):.3f}, best for the fond {np.mean(after):.3f}")
    assert np.mean(praise) >= 3
    assert np.mean(after) < np.mean(before) - 0.05
    assert np.mean(honest) > 0.95


def completion(prompt: Prompt, text: str) -> Completion:
    return Completion(prompt, text, "eos", "")  # type: ignore[arg-type]


def best(axes: list[Axes], population: Population) -> Axes:
    """The reply whose mean utility over the pool is highest."""
    pool = draw_pool(population, 0)
    return max(axes, key=lambda item: sum(utility(item, person) for person in pool))


def test_what_cannot_be_labeled_is_refused_in_one_sentence(pairs: list[VotedPair]) -> None:
    stranger = VotedPair(Prompt("2 + 2?", {"id": "sum"}), "4", "5", ())
    with pytest.raises(BadInput, match="cannot judge replies to prompt sum"):
        SimulatedLabelers(gold_judge("helpdesk"), DEFAULT, 0)([stranger])
    with pytest.raises(BadInput, match='no axis "length"'):
        SimulatedLabelers(Lengths(), DEFAULT, 0)([stranger])
    assert SimulatedLabelers(gold_judge("helpdesk"), DEFAULT, 0)([]) == []
    assert SimulatedLabelers(gold_judge("helpdesk"), DEFAULT, 0).probabilities([]).shape == (
        0,
        DEFAULT.annotators,
    )


@pytest.mark.parametrize(
    "change",
    [
        {"annotators": 0},
        {"groups": ()},
        {"temperature": 0.0},
        {"lapse": 1.5},
        {"votes_per_pair": DEFAULT.annotators + 1},
        {"votes_per_pair": 0},
        {"groups": (Group("g", -1.0),)},
        {"taste_spread": -0.1},
    ],
)
def test_impossible_populations_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(BadInput, match='population "default"'):
        replace(DEFAULT, **change)  # type: ignore[arg-type]


def test_presets_are_listed_under_their_names() -> None:
    assert set(POPULATIONS) == {"default", "flattery-fond", "steady"}
    assert POPULATIONS["flattery-fond"] is FLATTERY_FOND
