"""The world's data: deterministic, disjoint, varied, short enough, and JSON."""

import json
import re
from collections import Counter

import numpy as np
import pytest

from preftune.records import BadInput, Demonstration, Prompt, flat
from preftune.worlds import WORLDS, WorldData, generate, gold_judge, world
from preftune.worlds.helpdesk.cards import FIELD_OF, FIELDS, NAMES, key, part_of
from preftune.worlds.helpdesk.judge import judge
from preftune.worlds.helpdesk.notes import PLAIN
from preftune.worlds.helpdesk.parse import read
from preftune.worlds.helpdesk.phrases import TOPICS
from preftune.worlds.helpdesk.questions import (
    ASKS,
    CLAIM_PHRASES,
    CLAIMS,
    CLASSES,
    FAMILIES,
    FORBIDDEN,
    UNANSWERABLE,
)
from preftune.worlds.helpdesk.replies import LONGEST, UNTAMED, reply
from preftune.worlds.helpdesk.texts import NOTES

PIECES = re.compile(r"[a-z0-9]+|[^\sa-z0-9]|\n")
TRANSCRIPT = re.compile(r"order( \| [a-z]+ [a-z0-9]+)+\ncustomer: [^\n]+\nagent: [^\n]+")
FIELD_PAIRS = {(field, value) for field, values in FIELDS.items() for value in values}


def made(seed: int = 0, **sizes: int) -> WorldData:
    return generate(
        "helpdesk",
        prompts={split: sizes.get(split, 0) for split in ("train", "validation", "test")},
        demonstrations=sizes.get("demonstrations", 0),
        demonstrations_validation=sizes.get("demonstrations_validation", 0),
        documents=sizes.get("documents", 0),
        seed=seed,
    )


@pytest.fixture(scope="module")
def data() -> WorldData:
    return made(
        train=3000,
        validation=400,
        test=600,
        demonstrations=800,
        demonstrations_validation=100,
        documents=1500,
    )


def transcripts(data: WorldData) -> list[Demonstration]:
    return [row for row in data.documents if row.completion.startswith("customer: ")]


def card_of(row: Demonstration) -> dict[str, str]:
    """The card as it is read from the document's prompt."""
    head = flat(row.prompt.text)
    start, *pairs = head.removesuffix("\n").split(" | ")
    assert start == "order" and head.count("\n") == 1 and head.endswith("\n")
    return dict(pair.split(" ") for pair in pairs)


def cards(prompts: tuple[Prompt, ...]) -> set[str]:
    return {key(prompt.columns["card"]) for prompt in prompts}


def test_the_same_seed_writes_the_same_and_another_seed_something_else(data: WorldData) -> None:
    again = made(train=3000, validation=400, test=600, demonstrations=800, documents=1500)
    assert again.prompts == data.prompts
    assert again.demonstrations == data.demonstrations
    assert again.documents == data.documents
    other = made(seed=1, test=600)
    assert not cards(other.prompts["test"]) >= cards(data.prompts["test"])


def test_more_of_one_kind_changes_no_other_and_only_appends(data: WorldData) -> None:
    small = made(train=50, test=20, documents=30)
    assert small.prompts["train"] == data.prompts["train"][:50]
    assert small.prompts["test"] == data.prompts["test"][:20]
    assert small.documents == data.documents[:30]
    assert small.demonstrations == ()


def test_no_two_parts_share_a_card_not_even_across_seeds(data: WorldData) -> None:
    parts = {name: cards(prompts) for name, prompts in data.prompts.items()}
    parts["demonstrations"] = cards(tuple(row.prompt for row in data.demonstrations))
    parts["demonstrations_validation"] = cards(
        tuple(row.prompt for row in data.demonstrations_validation)
    )
    parts["documents"] = {key(card_of(row)) for row in data.documents}
    assert [len(parts[name]) for name in ("train", "validation", "test")] == [3000, 400, 600]
    names = list(parts)
    for place, name in enumerate(names):
        for other in names[place + 1 :]:
            assert not parts[name] & parts[other]
    other_seed = made(seed=7, train=500)
    assert all(part_of(prompt.columns["card"]) == "train" for prompt in other_seed.prompts["train"])


def test_thousands_of_distinct_prompts_in_twenty_families_of_four_classes(data: WorldData) -> None:
    train = data.prompts["train"]
    assert len({prompt.text for prompt in train}) == 3000
    assert len({prompt.id for prompt in train}) == 3000
    families = Counter(prompt.columns["family"] for prompt in train)
    assert set(families) == set(FAMILIES)
    assert len(FAMILIES) == 20
    assert sum(CLASSES.values()) == pytest.approx(1.0)
    assert min(CLASSES.values()) >= 0.05
    shares = {
        **dict.fromkeys(FIELDS, CLASSES["answerable"] / len(FIELDS)),
        **{name: CLASSES["unanswerable"] * part for name, part in UNANSWERABLE.items()},
        **{name: CLASSES["claim"] * part for name, part in CLAIMS.items()},
        **dict.fromkeys(FORBIDDEN, CLASSES["refuse"] / len(FORBIDDEN)),
    }
    assert sum(shares.values()) == pytest.approx(1.0)
    for name, share in shares.items():
        assert abs(families[name] - 3000 * share) < 5 * np.sqrt(3000 * share * (1 - share)), name


def test_columns_say_what_is_true_of_the_prompt(data: WorldData) -> None:
    for prompt in data.prompts["train"]:
        facts = prompt.columns
        card, asked, truth, claimed = (
            facts[name] for name in ("card", "asked", "truth", "claimed")
        )
        assert json.loads(json.dumps(dict(facts))) == facts
        assert facts["class"] == FAMILIES[facts["family"]]
        assert isinstance(prompt.text, str)
        first, message, last = prompt.text.split("\n")
        assert first == "order | " + " | ".join(f"{name} {value}" for name, value in card.items())
        assert last == "agent:"
        assert truth == card.get(asked)
        assert (asked is None) == (facts["class"] == "refuse")
        assert (claimed is not None) == (facts["class"] == "claim")
        if claimed is not None:
            assert claimed in FIELDS[asked]
            assert claimed in message
            known = {"false_claim": truth not in (None, claimed), "true_claim": truth == claimed}
            assert known.get(facts["family"], truth is None)
        if facts["family"] == "missing":
            assert asked in FIELDS and asked not in card
        if facts["family"] == "off_card":
            assert asked in TOPICS
        mentioned = {word for word in re.findall(r"[a-z0-9]+", message) if word in FIELD_OF}
        assert mentioned <= {*card.values(), claimed}


def test_prompts_and_replies_are_short(data: WorldData) -> None:
    prompts = [len(PIECES.findall(flat(prompt.text))) for prompt in data.prompts["train"]]
    assert max(prompts) <= 46
    replies = [row.completion.split("agent:")[1] for row in transcripts(data)]
    replies += [row.completion for row in data.demonstrations]
    assert all(reply.startswith(" ") for reply in replies)
    assert max(len(PIECES.findall(reply)) for reply in replies) <= LONGEST == 28


def test_the_vocabulary_is_small(data: WorldData) -> None:
    texts = [f"{flat(row.prompt.text)}{row.completion}" for row in data.documents]
    words = {word for text in texts for word in PIECES.findall(text)}
    assert 250 < len(words) < 420


def test_every_reply_is_read_in_full(data: WorldData) -> None:
    for row in transcripts(data):
        reading = read(row.completion.split("agent:")[1])
        assert reading.coverage == 1.0
        assert not reading.cut
        assert all(clause.act != "unread" for clause in reading.clauses)


def test_a_document_is_a_card_that_is_read_and_what_people_wrote_under_it(data: WorldData) -> None:
    """The two joined look like a prompt with a reply, or like a card with a note."""
    assert all(4 <= len(card_of(row)) <= 6 for row in data.documents)
    for row in transcripts(data):
        assert TRANSCRIPT.fullmatch(f"{flat(row.prompt.text)}{row.completion}")
        message = row.completion.split("\n")[0]
        mentioned = {word for word in PIECES.findall(message) if word in FIELD_OF}
        assert len(mentioned - set(card_of(row).values())) <= 1
    for prompt in data.prompts["train"]:
        assert TRANSCRIPT.fullmatch(f"{flat(prompt.text)} anything at all")


def test_a_share_of_the_documents_are_notes_that_say_the_whole_card_and_nothing_else(
    data: WorldData,
) -> None:
    notes = [row for row in data.documents if row.completion.startswith("note: ")]
    assert len(notes) + len(transcripts(data)) == 1500
    assert 0.2 < NOTES < 0.8
    assert abs(len(notes) - 1500 * NOTES) < 5 * np.sqrt(1500 * NOTES * (1 - NOTES))
    listed = 0
    for row in notes:
        card = card_of(row)
        words = PIECES.findall(row.completion.removeprefix("note: "))
        said = [pair for pair in zip(words, words[1:], strict=False) if pair in FIELD_PAIRS]
        assert "\n" not in row.completion
        assert sorted(said) == sorted(card.items())
        assert {word for word in words if word in FIELD_OF} == set(card.values())
        listed += len([word for word in words if word not in ".,"]) == 2 * len(card)
    assert abs(listed - len(notes) * PLAIN) < 5 * np.sqrt(len(notes) * PLAIN * (1 - PLAIN))


def test_demonstrators_are_better_than_the_untamed_and_leave_room(data: WorldData) -> None:
    assert gold_judge("helpdesk").origin == "gold"
    from_people = mean_gold([(row.prompt, row.completion) for row in data.demonstrations])
    from_anyone = mean_gold(untamed_rows(data))
    print(f"mean gold: untamed {from_anyone:.3f}, demonstrators {from_people:.3f}")
    assert 0.5 < from_anyone < 0.75
    assert from_anyone + 0.1 < from_people < 0.9


def untamed_rows(data: WorldData) -> list[tuple[Prompt, str]]:
    """Replies of the untamed to known prompts: the documents themselves carry no columns."""
    rng = np.random.default_rng(5)
    return [
        (prompt, reply(prompt.columns, UNTAMED, rng)) for prompt in data.prompts["train"][:1500]
    ]


def mean_gold(rows: list[tuple[Prompt, str]]) -> float:
    scored = [judge(prompt.columns, text) for prompt, text in rows]
    return float(np.mean([axes["gold"] for axes in scored if axes]))


def test_five_phrasings_of_every_question() -> None:
    assert all(len(set(phrases)) >= 5 for phrases in ASKS.values())
    assert len(CLAIM_PHRASES) >= 5
    assert len(NAMES) >= 10


def test_unknown_worlds_and_splits_are_refused_in_one_sentence() -> None:
    with pytest.raises(BadInput, match='no world called "moon".* helpdesk'):
        world("moon")
    with pytest.raises(BadInput, match='"dev" is not a split'):
        generate(
            "helpdesk",
            prompts={"dev": 3},
            demonstrations=0,
            demonstrations_validation=0,
            documents=0,
            seed=0,
        )
    with pytest.raises(BadInput, match="number of documents is -1"):
        made(documents=-1)
    assert set(WORLDS) == {"digest", "helpdesk"}
