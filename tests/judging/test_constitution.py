"""Constitutions: the default one, files of one's own, and drawing from them."""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from preftune.judging import load_constitution
from preftune.records import BadInput

ONE = """
name = "mine"
version = 2
[[principles]]
id = "kind"
about = "harmless"
critique = "Where is it unkind?"
revision = "Make it kind."
comparison = "Which is kinder?"
"""


def test_the_default_is_helpful_honest_and_harmless() -> None:
    default = load_constitution()
    assert {p.about for p in default.principles} == {"helpful", "honest", "harmless"}
    assert len({p.id for p in default.principles}) == len(default.principles) >= 10
    assert all(p.comparison.startswith("Which response") for p in default.principles)


def test_a_file_and_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(ONE)
    mine = load_constitution(path)
    assert (mine.name, mine.version, mine.principles[0].revision) == ("mine", 2, "Make it kind.")
    assert mine.sha256 == hashlib.sha256(ONE.encode()).hexdigest()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("about", "abuot"), "principles.0.about"),
        (("version = 2", "version = 0"), "version"),
        (("name =", "name"), "no TOML"),
        (('id = "kind"', 'id = "Kind!"'), "principles.0.id"),
        ((ONE, ONE + ONE.split("version = 2")[1]), "two principles are called 'kind'"),
    ],
)
def test_a_broken_file_is_told(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(ONE.replace(*change))
    with pytest.raises(BadInput, match=says) as error:
        load_constitution(path)
    assert error.value.file == str(path)


def test_taking_principles_out() -> None:
    default = load_constitution()
    rest = default.about("helpful", "honest")
    assert {p.about for p in rest.principles} == {"helpful", "honest"}
    less = default.without("truth", "harm")
    assert len(less.principles) == len(default.principles) - 2
    for wrong in (lambda: default.about("funny"), lambda: default.without("x")):
        with pytest.raises(BadInput):
            wrong()
    with pytest.raises(BadInput, match="nothing is left"):
        default.without(*(p.id for p in default.principles))


def test_draws_are_even_and_come_from_the_generator() -> None:
    """Of 11000 draws each of 11 has about 1000, within five standard deviations of 30."""
    default = load_constitution()
    drawn = default.draw(11000, np.random.default_rng(3))
    counts = Counter(p.id for p in drawn)
    assert len(counts) == len(default.principles) == 11
    assert max(abs(count - 1000) for count in counts.values()) < 151
    assert default.draw(5, np.random.default_rng(3)) == drawn[:5]
