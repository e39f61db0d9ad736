"""The data of the digest: deterministic, disjoint, short enough, and better where it should be."""

import json
from statistics import fmean

import numpy as np
import pytest

from preftune.feedback import POPULATIONS, SimulatedLabelers, expected_agreement
from preftune.records import BadInput, Prompt, VotedPair
from preftune.worlds import WorldData, generate, gold_judge
from preftune.worlds.dice import Dice
from preftune.worlds.digest.facts import CORE, FIELD_OF, FIELDS, key, part_of
from preftune.worlds.digest.judge import judge, read
from preftune.worlds.digest.summaries import DEMONSTRATORS, LONGEST, PEOPLE, UNTAMED, summary


def made(seed: int = 0, train: int = 300, documents: int = 300) -> WorldData:
    return generate(
        "digest",
        prompts={"train": train, "validation": 60, "test": 80},
        demonstrations=200,
        demonstrations_validation=20,
        documents=documents,
        seed=seed,
    )


@pytest.fixture(scope="module")
def data() -> WorldData:
    return made()


def gold(prompt: Prompt, text: str) -> float:
    found = judge(prompt.columns, text)
    assert found is not None
    return found["gold"]


def test_no_value_belongs_to_two_fields() -> None:
    assert len(FIELD_OF) == sum(map(len, FIELDS.values()))


def test_the_same_seed_gives_the_same_texts(data: WorldData) -> None:
    assert made() == data
    assert made(seed=1).prompts["train"][0] != data.prompts["train"][0]
    longer = made(train=320, documents=10)
    assert longer.prompts["train"][:300] == data.prompts["train"], "a longer list begins with it"
    assert longer.demonstrations == data.demonstrations


def test_the_splits_share_no_story(data: WorldData) -> None:
    keys = {split: {key(p.columns["facts"]) for p in rows} for split, rows in data.prompts.items()}
    keys["shown"] = {key(d.prompt.columns["facts"]) for d in data.demonstrations}
    for one in keys:
        assert len(keys[one]) > 0
        assert not any(keys[one] & keys[other] for other in keys if other != one)
    assert {part_of(p.columns["facts"]) for p in data.prompts["test"]} == {"test"}


def test_a_post_tells_its_facts_and_no_others(data: WorldData) -> None:
    for prompt in data.prompts["train"]:
        facts, text = prompt.columns["facts"], str(prompt.text)
        assert text.startswith("post: ") and text.endswith("\nsummary:")
        said = [word for word in text.replace(".", " ").split() if word in FIELD_OF]
        assert sorted(said) == sorted(facts.values())
        assert set(CORE) < set(facts) and 4 <= len(facts) <= 6
        assert len(text.split()) <= 60
        json.dumps(dict(prompt.columns))


def test_people_write_better_than_demonstrators_and_those_than_anyone(data: WorldData) -> None:
    dice = Dice(np.random.default_rng(0))
    prompts = data.prompts["train"]
    means = [
        fmean(gold(p, summary(p.columns["facts"], habits, dice)) for p in prompts)
        for habits in (PEOPLE, DEMONSTRATORS, UNTAMED)
    ]
    assert means[0] > 0.93 and 0.78 < means[1] < 0.9 and means[2] < 0.65
    references = fmean(gold(p, p.columns["reference"]) for p in prompts)
    assert references == pytest.approx(means[0], abs=0.02)


def test_every_written_summary_can_be_read(data: WorldData) -> None:
    for shown in data.demonstrations:
        reading = read(shown.completion)
        assert reading.known == 1.0 and not reading.cut
        assert len(shown.completion.replace(".", " .").split()) <= LONGEST


def test_simulated_labelers_work_on_it(data: WorldData) -> None:
    """Their judge is this world's; two of them agree about as often as InstructGPT's did."""
    dice = Dice(np.random.default_rng(3))
    pairs = [
        VotedPair(
            p,
            summary(p.columns["facts"], DEMONSTRATORS, dice),
            summary(p.columns["facts"], DEMONSTRATORS, dice),
            (),
        )
        for p in data.prompts["train"]
    ]
    labelers = SimulatedLabelers(gold_judge("digest"), POPULATIONS["default"], seed=0)
    votes = [vote.vote for pair in labelers(pairs) for vote in pair.votes]
    assert set(votes) == {"a", "b"}
    assert 0.65 < expected_agreement(labelers.probabilities(pairs)) < 0.85
    chosen = [
        (gold(p.prompt, p.response_a) - gold(p.prompt, p.response_b)) * (1 if v == "a" else -1)
        for p, v in zip(pairs, votes, strict=True)
    ]
    assert fmean(chosen) > 0.05


def test_wrong_sizes() -> None:
    with pytest.raises(BadInput, match="not a split of the digest"):
        generate(
            "digest",
            prompts={"dev": 1},
            demonstrations=0,
            demonstrations_validation=0,
            documents=0,
            seed=0,
        )
