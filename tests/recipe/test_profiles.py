"""Preference profiles: what they say, how they are written, which are refused."""

from pathlib import Path

import pytest

from preftune.recipe.profiles import (
    load_profiles,
    mixes,
    profile_of,
    profile_text,
    split_profile,
    with_weights,
    without_weights,
)
from preftune.records import BadInput, Message

KNOWN = ("helpful", "harmless", "short")


def test_weights_are_divided_by_their_sum() -> None:
    assert profile_of("helpful=3, harmless=1", KNOWN) == {
        "helpful": 0.75,
        "harmless": 0.25,
        "short": 0.0,
    }
    assert profile_text({"helpful": 2 / 3, "harmless": 1 / 3}) == "helpful=0.67,harmless=0.33"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("helpful", "no weight"),
        ("helpful=x", "no weight"),
        ("helpful=-1", "no weight"),
        ("helpful=inf", "no weight"),
        ("kind=1", "nothing this model was tuned for"),
        ("helpful=1,helpful=1", "twice"),
        ("helpful=0", "are 0"),
        ("", "no weight"),
    ],
)
def test_what_is_no_profile_is_told(text: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        profile_of(text, KNOWN)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("assistant@helpful=.7,harmless=.3", ("assistant", "helpful=.7,harmless=.3")),
        ("assistant", ("assistant", None)),
        ("me@home", ("me@home", None)),
        ("me@home@a=1", ("me@home", "a=1")),
        ("@a=1", ("@a=1", None)),
    ],
)
def test_a_name_and_its_profile(name: str, parts: tuple[str, str | None]) -> None:
    assert split_profile(name) == parts


def test_every_mix_of_equal_shares() -> None:
    """Two shares over three parts: six mixes; each adds up to 1 and none comes twice."""
    found = list(mixes(KNOWN, 2))
    assert len(found) == 6 == len({tuple(mix.values()) for mix in found})
    assert all(sum(mix.values()) == 1 and set(mix) == set(KNOWN) for mix in found)
    assert list(mixes(("a", "b"), 2)) == [{"a": 0, "b": 1}, {"a": 0.5, "b": 0.5}, {"a": 1, "b": 0}]


def test_the_first_turn_of_a_user_says_the_weights() -> None:
    weights, words = {"a": 0.5, "b": 0.5}, "[{weights}] "
    assert with_weights("Why?", words, weights) == "[a=0.5,b=0.5] Why?"
    turns = (Message("system", "Be."), Message("user", "Hi"), Message("user", "Hi"))
    told = with_weights(turns, words, weights)
    assert told == (turns[0], Message("user", "[a=0.5,b=0.5] Hi"), turns[2])
    assert without_weights(told, words, weights) == turns
    assert without_weights("[a=0.5,b=0.5] Why?", words, weights) == "Why?"


def test_a_file_of_profiles(tmp_path: Path) -> None:
    path = tmp_path / "profiles.toml"
    path.write_text('[policies]\nhelpful = "a/model"\nharmless = "hub:b"\n')
    assert load_profiles(path).policies == {
        "helpful": str(tmp_path / "a/model"),
        "harmless": "hub:b",
    }
    for text, says in (
        ("[policies]\nhelpful = 'a'\n", "at least two"),
        ("policies = 3", "at least two"),
        ("[policies", "no TOML"),
    ):
        path.write_text(text)
        with pytest.raises(BadInput, match=says):
            load_profiles(path)
    with pytest.raises(BadInput, match="cannot be read"):
        load_profiles(tmp_path / "none.toml")
