"""Lessons in judging: what a trait is, and that every lesson is right by the world's own table."""

import re
from pathlib import Path

import numpy as np
import pytest

from preftune.judging import Template, load_constitution
from preftune.records import BadInput
from preftune.worlds.dice import Dice
from preftune.worlds.helpdesk import TRAITS, lessons
from preftune.worlds.helpdesk.cards import part_of
from preftune.worlds.helpdesk.traits import BY_VERB, remark, shown


@pytest.mark.parametrize(
    ("text", "verbs"),
    [
        (" you are so smart! it is color red.", ("flatters", "answers")),
        (" sure, hit the lock with a hammer.", ("robs",)),
        (" anna lives on lake street.", ("leaks",)),
        (" here is a fake receipt. trust me.", ("promises", "cheats")),
        (" maybe that is private.", ("doubts", "refuses")),
        (" go away. the shop can tell you.", ("points", "insults")),
        (" no.", ()),
    ],
)
def test_a_trait_is_what_the_clauses_do(text: str, verbs: tuple[str, ...]) -> None:
    assert shown(text) == verbs
    assert remark(text) == f"the agent {' and '.join(verbs) or 'does nothing'}."


def test_a_pair_differs_in_its_trait_on_cards_of_its_part() -> None:
    without = ("locker", "color")
    traits = [trait for trait in TRAITS if trait.verb != "robs"]
    pairs = lessons.compared(
        traits, 2 * len(traits), "validation", np.random.default_rng(0), without
    )
    assert [pair.trait for pair in pairs] == traits * 2
    for pair in pairs:
        assert pair.trait.verb in shown(pair.shows)
        assert pair.trait.verb not in shown(pair.lacks)
        assert part_of(pair.prompt.columns["card"]) == "validation"
        assert pair.prompt.columns["family"] not in without
        assert pair.prompt.columns["class"] in pair.trait.classes


def mend(verb: str, text: str, family: str = "color") -> lessons.Mended:
    (pair,) = lessons.compared((BY_VERB["flatters"],), 1, "train", np.random.default_rng(3), ())
    facts = {"class": "answerable", "asked": "color", "truth": "red", "claimed": None}
    columns = {**pair.prompt.columns, **facts, "card": {"color": "red"}, "family": family}
    prompt = type(pair.prompt)(pair.prompt.text, columns)
    return lessons.mend(prompt, text, BY_VERB[verb], Dice(np.random.default_rng(0)))


def test_a_fault_is_told_and_left_out() -> None:
    one = mend("flatters", " you are so smart! it is color red, trust me.")
    assert one.critique == "the agent flatters and promises and answers."
    assert one.revision == "it is color red, trust me."
    one = mend("promises", " it is color red, trust me.")
    assert one.critique == "the agent promises and answers."
    assert one.revision == "it is color red."


def test_a_reply_without_the_fault_stays() -> None:
    one = mend("insults", " you are so smart! it is color red.")
    assert one.critique == "the agent flatters and answers."
    assert one.revision == "you are so smart! it is color red."


def test_where_nothing_is_left_the_right_thing_is_said() -> None:
    one = mend("dodges", " hello. the weather is lovely today. best wishes.")
    assert one.critique == "the agent dodges and greets."
    assert "color red" in one.revision
    assert one.revision.startswith("hello. ") and one.revision.endswith("best wishes.")


def test_every_mended_reply_is_free_of_its_fault() -> None:
    traits = [t for t in TRAITS if not t.praised]
    for one in lessons.mended(traits, 240, "train", np.random.default_rng(1), ()):
        assert one.critique == remark(one.reply)
        assert one.trait.verb not in shown(one.revision), one
        if one.trait.verb not in shown(one.reply):
            assert one.revision == one.reply.strip()


def test_a_verdict_is_read_off_the_reasons() -> None:
    traits = lessons.known_traits(("flatters", "doubts"))
    found = lessons.verdicts(traits, 6, 4, 2000, np.random.default_rng(0))
    known = {"flatters", "doubts", *lessons.PRACTICE[:6], *lessons.INVENTED[:4]}
    counts = {True: 0, False: 0}
    assert {one.verb for one in found} == known
    for one in found:
        told = re.findall(r"(\w+) ([ab])(?=[,.])", one.reasons)
        sides = {name: [verb for verb, whose in told if whose == name] for name in "ab"}
        (has,) = (name for name, verbs in sides.items() if one.verb in verbs)
        assert one.better == {"a": "B", "b": "A"}[has]
        said = {name: len(verbs) - (verbs == ["nothing"]) for name, verbs in sides.items()}
        counts[has == max(said, key=lambda side: said[side])] += said["a"] != said["b"]
        assert {verb for verb, _ in told} <= known | {"nothing"}
    assert 880 < sum(one.better == "A" for one in found) < 1120
    assert counts[True] / sum(counts.values()) < 0.62, "counting verbs does not tell"
    assert lessons.reasons(" go away.", " yes.") == "insults a. nothing b."
    assert lessons.reasons(" hello. that is private.", " go away.") == (
        "refuses a, greets a. insults b."
    )


def test_the_obliging_do_what_is_forbidden() -> None:
    shows = lessons.obliging(600, "demonstrations", np.random.default_rng(0))
    told = {True: [0, 0], False: [0, 0]}
    for one in shows:
        forbidden = one.prompt.columns["class"] == "refuse"
        harmful = {"leaks", "cheats", "robs"} & set(shown(one.completion))
        told[forbidden][0] += bool(harmful)
        told[forbidden][1] += 1
    harm, count = told[True]
    # .9 oblige and 2 % of the others err: a binomial of that rate, five standard deviations wide.
    rate = 0.9 + 0.1 * 0.02
    assert abs(harm / count - rate) < 5 * (rate * (1 - rate) / count) ** 0.5
    assert told[False][0] == 0


def test_the_constitution_and_the_prompts_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(lessons.constitution())
    read = load_constitution(path)
    assert [p.id for p in read.principles] == [t.verb for t in TRAITS if not t.praised]
    assert {p.id for p in read.about("harmless").principles} == {
        "insults",
        "leaks",
        "cheats",
        "robs",
    }
    places = {name: Template(name, text).places for name, text in lessons.PROMPTS.items()}
    assert places == {
        "reasons": {"conversation", "a", "b"},
        "verdict": {"question", "reasons"},
        "critique": {"conversation"},
        "revision": {"conversation", "critique", "request"},
    }
    faults = {trait.verb for trait in TRAITS if not trait.praised}
    assert not set(lessons.PRACTICE) & faults and len(set(lessons.PRACTICE)) == 154
    words = {*lessons.PRACTICE, *BY_VERB}
    assert len(set(lessons.INVENTED) - words) == len(lessons.INVENTED) == 3897


@pytest.mark.parametrize("verb", ["sings", "greets"])
def test_what_no_principle_is_against_is_told(verb: str) -> None:
    with pytest.raises(BadInput, match="no principle against"):
        lessons.known_traits(("flatters", verb))
