"""Cards: closed disjoint vocabularies, splits that share no card."""

from collections import Counter

import numpy as np

from preftune.worlds.dice import Dice
from preftune.worlds.helpdesk.cards import (
    FIELD_OF,
    FIELDS,
    SHARES,
    draw_card,
    key,
    part_of,
    render,
)


def test_no_value_belongs_to_two_fields() -> None:
    assert len(FIELD_OF) == sum(len(set(values)) for values in FIELDS.values())


def test_a_card_shows_four_to_six_of_ten_fields_with_values_of_those_fields() -> None:
    dice = Dice(np.random.default_rng(0))
    sizes: Counter[int] = Counter()
    for _ in range(600):
        card = draw_card(dice)
        sizes[len(card)] += 1
        assert all(value in FIELDS[field] for field, value in card.items())
    assert set(sizes) == {4, 5, 6}
    assert min(sizes.values()) > 150


def test_the_key_forgets_the_order_and_the_text_keeps_it() -> None:
    one, other = {"color": "red", "city": "oslo"}, {"city": "oslo", "color": "red"}
    assert key(one) == key(other)
    assert part_of(one) == part_of(other)
    assert render(one) == "order | color red | city oslo"
    assert render(other) == "order | city oslo | color red"


def test_parts_own_the_shares_of_cards_they_are_said_to_own() -> None:
    dice = Dice(np.random.default_rng(1))
    counted = Counter(part_of(draw_card(dice)) for _ in range(6000))
    assert sum(SHARES.values()) == 100
    for part, share in SHARES.items():
        expected = 60 * share
        assert abs(counted[part] - expected) < 5 * np.sqrt(expected)


def test_dice_follow_their_probabilities() -> None:
    dice = Dice(np.random.default_rng(2))
    drawn = Counter(dice.weighted({"a": 3.0, "b": 1.0, "c": 0.0}) for _ in range(4000))
    assert set(drawn) == {"a", "b"}
    assert abs(drawn["a"] - 3000) < 5 * np.sqrt(4000 * 0.75 * 0.25)
    picked = Counter(dice.pick("xyz") for _ in range(3000))
    assert all(abs(count - 1000) < 5 * np.sqrt(3000 * 2 / 9) for count in picked.values())
    assert sorted(dice.some([1, 2, 3], 3)) == [1, 2, 3]
