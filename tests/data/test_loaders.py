"""Rows to records: every format, every error with its file and line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from preftune.data import (
    load,
    load_comparisons,
    load_demonstrations,
    load_documents,
    load_judged,
    load_prompts,
    load_rankings,
    load_ratings,
    load_rewarded,
    load_voted_pairs,
    to_row,
)
from preftune.records import BadInput, Comparison, Message, Prompt, Vote

RowsFile = Callable[..., Path]
USER = {"role": "user", "content": "q"}
ASSISTANT = {"role": "assistant", "content": "a"}
PAIR = {"prompt": "p", "chosen": "good", "rejected": "bad"}


def vote(*given: str) -> list[dict[str, str]]:
    return [{"annotator": f"w{n}", "vote": v} for n, v in enumerate(given)]


# formats


def test_documents(rows_file: RowsFile) -> None:
    assert [d.text for d in load_documents(rows_file([{"text": "one"}]))] == ["one"]


def test_demonstrations_of_strings_keep_all_columns(rows_file: RowsFile) -> None:
    row = {"prompt": "2+2?", "completion": "4", "answer": 4, "id": "x"}
    (demo,) = load_demonstrations(rows_file([row]))
    assert (demo.prompt.text, demo.completion) == ("2+2?", "4")
    assert demo.prompt.columns == row
    assert demo.prompt.id == "x"


def test_of_messages_the_last_assistant_turn_is_the_completion(rows_file: RowsFile) -> None:
    again = [USER, ASSISTANT, {"role": "user", "content": "more"}]
    last = {"role": "assistant", "content": [{"type": "text", "text": "the "}, {"text": "end"}]}
    (demo,) = load_demonstrations(rows_file([{"messages": [*again, last]}]))
    assert demo.completion == "the end"
    assert demo.prompt.text == (
        Message("user", "q"),
        Message("assistant", "a"),
        Message("user", "more"),
    )


@pytest.mark.parametrize(
    ("prompt", "chosen", "text"),
    [
        ("p", "good", "p"),
        ([USER], [{"role": "assistant", "content": "good"}], (Message("user", "q"),)),
        ([USER], [USER, {"role": "assistant", "content": "good"}], (Message("user", "q"),)),
        ("q", [USER, {"role": "assistant", "content": "good"}], (Message("user", "q"),)),
        ("q", [{"role": "assistant", "content": "good"}], (Message("user", "q"),)),
        ([USER], "good", (Message("user", "q"),)),
    ],
)
def test_preferences_of_strings_and_messages(
    rows_file: RowsFile, prompt: Any, chosen: Any, text: Any
) -> None:
    rejected = chosen if isinstance(chosen, str) else [*chosen[:-1], ASSISTANT]
    row = {"prompt": prompt, "chosen": chosen, "rejected": rejected, "margin": 2}
    if isinstance(chosen, str):
        row["rejected"] = "a"
    (pair,) = load_comparisons(rows_file([row]))
    assert pair.prompt.text == text
    assert (pair.chosen, pair.rejected) == ("good", "a")
    assert (pair.margin, pair.weight, pair.probability) == (2.0, 1.0, 1.0)
    assert pair.columns == row


def test_weight_and_probability_are_read(rows_file: RowsFile) -> None:
    (pair,) = load_comparisons(rows_file([PAIR | {"weight": 0.5, "probability": 0.75}]))
    assert (pair.weight, pair.probability) == (0.5, 0.75)


@pytest.mark.parametrize(
    ("counts", "share"),
    [
        ({"votes_chosen": 4, "votes_rejected": 0, "votes_tie": 1}, 0.9),
        ({"votes_chosen": 3, "votes_rejected": 1}, 0.75),
        ({"votes_chosen": 5}, 1.0),
        ({"votes_chosen": 2, "votes_rejected": 3, "votes_tie": 0}, 0.5),
        ({"votes_chosen": 0, "votes_rejected": 0, "votes_tie": 0}, 1.0),
        ({"votes_chosen": 4, "votes_rejected": 1, "probability": 0.6}, 0.6),
        ({"votes_rejected": 1}, 1.0),
    ],
)
def test_counted_votes_give_the_probability(
    counts: dict[str, float], share: float, rows_file: RowsFile
) -> None:
    (pair,) = load_comparisons(rows_file([PAIR | counts]))
    assert pair.probability == pytest.approx(share)


def test_in_pairs_the_id_names_the_row_and_not_the_prompt(rows_file: RowsFile) -> None:
    rows = [PAIR | {"id": "row1"}, PAIR | {"id": "row2", "chosen": "better"}]
    one, two = load_comparisons(rows_file(rows))
    assert one.prompt.id == two.prompt.id
    assert (one.columns["id"], two.columns["id"]) == ("row1", "row2")
    (named,) = load_comparisons(rows_file([PAIR | {"id": "row1", "prompt_id": "P7"}]))
    assert named.prompt.id == "P7"


def test_implicit_conversations_are_cut_after_their_shared_turns(rows_file: RowsFile) -> None:
    row = {
        "chosen": [USER, {"role": "assistant", "content": "good"}],
        "rejected": [USER, ASSISTANT],
    }
    (pair,) = load_comparisons(rows_file([row]))
    assert pair.prompt.text == (Message("user", "q"),)
    assert (pair.chosen, pair.rejected) == ("good", "a")


@pytest.mark.parametrize(
    ("chosen", "rejected", "expected"),
    [
        ("The sky is blue.", "The sky is black.", ("The sky is", " blue.", " black.")),
        ("Q: 2+2? A: 4", "Q: 2+2? A: 5", ("Q: 2+2? A:", " 4", " 5")),
        ("bluebird", "blue sky", ("", "bluebird", "blue sky")),
        ("It is so", "It is so nice", ("It is", " so", " so nice")),
        (
            "\n\nHuman: Hi\n\nAssistant: I can.",
            "\n\nHuman: Hi\n\nAssistant: I cannot.",
            ("\n\nHuman: Hi\n\nAssistant:", "I can.", "I cannot."),
        ),
    ],
)
def test_implicit_strings_are_cut_at_a_word_or_a_turn(
    rows_file: RowsFile, chosen: str, rejected: str, expected: tuple[str, str, str]
) -> None:
    (pair,) = load_comparisons(rows_file([{"chosen": chosen, "rejected": rejected}]))
    assert (pair.prompt.text, pair.chosen, pair.rejected) == expected


def test_votes_give_the_winner_and_its_share_with_ties_half(rows_file: RowsFile) -> None:
    pair = {"prompt": "p", "response_a": "A", "response_b": "B"}
    given = [
        vote("a", "a", "tie"),  # (2 + 1/2) / 3
        vote("b", "b", "b", "a"),  # 3/4
        vote("b", "both_bad", "both_bad"),  # 1: "both bad" says nothing about which is better
        vote("a", "b"),
        vote("tie", "tie"),
        vote("both_bad"),
        vote(),
    ]
    path = rows_file([pair | {"votes": votes} for votes in given])
    loaded = load(Comparison, path)
    assert [(c.chosen, c.rejected) for c in loaded.records] == [("A", "B"), ("B", "A"), ("B", "A")]
    assert [c.probability for c in loaded.records] == pytest.approx([2.5 / 3, 0.75, 1.0])
    assert loaded.lines == [1, 2, 3]
    assert loaded.left_out == {"undecided votes": 2, "no votes": 2}
    assert loaded.report()["left_out"] == {"undecided votes": 2, "no votes": 2}


def test_a_close_vote_goes_to_the_majority(rows_file: RowsFile) -> None:
    row = {"prompt": "p", "response_a": "A", "response_b": "B", "votes": vote(*"aabbb")}
    (pair,) = load_comparisons(rows_file([row]))
    assert (pair.chosen, pair.probability) == ("B", pytest.approx(0.6))


def test_votes_are_kept_whole(rows_file: RowsFile) -> None:
    votes = [{"annotator": 7, "vote": "a", "group": "north"}, {"annotator": "w", "vote": "tie"}]
    row = {"prompt": "p", "response_a": "A", "response_b": "B", "votes": votes, "id": "pair"}
    (pair,) = load_voted_pairs(rows_file([row]))
    assert pair.votes == (Vote("7", "a", "north"), Vote("w", "tie", ""))
    assert pair.columns == row


def test_a_ranking_gives_every_pair_that_is_no_tie(rows_file: RowsFile) -> None:
    row = {"prompt": "p", "completions": ["x", "y", "z", "w"], "ranks": [2, 1, 3, 2]}
    pairs = load_comparisons(rows_file([row | {"group_id": "g1"}]))
    assert {(c.chosen, c.rejected) for c in pairs} == {
        ("y", "x"),
        ("x", "z"),
        ("y", "z"),
        ("y", "w"),
        ("w", "z"),
    }
    assert len(pairs) == 5
    assert {c.columns["group_id"] for c in pairs} == {"g1"}
    best = next(c for c in pairs if (c.chosen, c.rejected) == ("y", "z"))
    assert (best.columns["rank_chosen"], best.columns["rank_rejected"]) == (1, 3)


def test_rankings_without_a_group_are_grouped_by_prompt(rows_file: RowsFile) -> None:
    rows = [{"prompt": "p", "completions": ["x", "y"], "ranks": [1, 2]}] * 2
    one, two = load_rankings(rows_file(rows))
    assert one.group_id == two.group_id == Prompt("p").id
    assert (one.completions, one.ranks) == (("x", "y"), (1, 2))


def test_ratings_keep_untouched_axes_as_none(rows_file: RowsFile) -> None:
    row = {"prompt": "p", "completion": "c", "ratings": {"helpful": 4, "honest": None}}
    (rating,) = load_ratings(rows_file([row]))
    assert rating.ratings == {"helpful": 4.0, "honest": None}


def test_rewards_of_rows_and_of_preferences(rows_file: RowsFile) -> None:
    row = {"prompt": "p", "completion": "a", "reward": 3, "id": "x"}
    (one,) = load_rewarded(rows_file([row]))
    assert (one.completion, one.reward, one.prompt.id) == ("a", 3.0, "x")
    assert [(r.completion, r.reward) for r in load_rewarded(rows_file([PAIR]))] == [
        ("good", 1.0),
        ("bad", -1.0),
    ]
    assert to_row(one) == row


@pytest.mark.parametrize(
    ("reward", "words"), [(None, 'no column "reward"'), ("high", '"reward" is'), (True, '"reward"')]
)
def test_bad_rewards(reward: Any, words: str, rows_file: RowsFile) -> None:
    row = {"prompt": "p", "completion": "a"}
    with pytest.raises(BadInput, match=words) as refused:
        load_rewarded(rows_file([row | {"reward": 1.0}, row | {"reward": reward}]))
    assert refused.value.line == 2


def test_judged_from_labels_and_from_preferences(rows_file: RowsFile) -> None:
    rows = [{"prompt": "p", "completion": c, "label": v} for c, v in (("x", True), ("y", 0))]
    assert [(j.completion, j.label) for j in load_judged(rows_file(rows))] == [
        ("x", True),
        ("y", False),
    ]
    assert [(j.completion, j.label) for j in load_judged(rows_file([PAIR]))] == [
        ("good", True),
        ("bad", False),
    ]


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "p", "answer": 4},
        {"prompt": "p", "completion": "c"},
        PAIR,
        {"prompt": "p", "response_a": "a", "response_b": "b", "votes": []},
        {"prompt": "p", "completions": ["a", "b"], "ranks": [1, 2]},
    ],
)
def test_prompts_come_from_any_format(rows_file: RowsFile, row: dict[str, Any]) -> None:
    (prompt,) = load_prompts(rows_file([row]))
    assert prompt.text == "p"
    assert prompt.columns == row


def test_prompts_of_conversations(rows_file: RowsFile) -> None:
    rows = [{"messages": [USER, ASSISTANT]}, {"messages": [USER, ASSISTANT, USER]}]
    one, two = load_prompts(rows_file(rows))
    assert one.text == (Message("user", "q"),)
    assert two.text == (Message("user", "q"), Message("assistant", "a"), Message("user", "q"))


# errors

TYPES = [
    (
        "missing_column",
        {"prompt": "p", "chosen": "a", "rejcted": "b"},
        'no column "rejected"; is "rejcted" meant',
    ),
    ("missing_column", {"prompt": None, "chosen": "a", "rejected": "b"}, 'no column "prompt"'),
    (
        "empty_completion",
        {"prompt": "p", "chosen": " \n", "rejected": "b"},
        'text of "chosen" is empty',
    ),
    (
        "empty_completion",
        {"prompt": "p", "chosen": "a", "rejected": ""},
        'text of "rejected" is empty',
    ),
    (
        "identical_pair",
        {"prompt": "p", "chosen": "a", "rejected": "a "},
        "Both completions of the pair are the same",
    ),
    ("wrong_type", {"prompt": 3, "chosen": "a", "rejected": "b"}, '"prompt" is a number'),
    ("wrong_type", {"prompt": "p", "chosen": {"a": 1}, "rejected": "b"}, '"chosen" is an object'),
    ("wrong_type", {"prompt": [], "chosen": "a", "rejected": "b"}, 'list in "prompt" is empty'),
    (
        "wrong_type",
        {"prompt": ["p"], "chosen": "a", "rejected": "b"},
        "not an object with role and content",
    ),
    (
        "wrong_type",
        {"prompt": [{"role": "human", "content": "p"}], "chosen": "a", "rejected": "b"},
        'the role "human"',
    ),
    (
        "wrong_type",
        {"prompt": [{"role": "user", "content": 1}], "chosen": "a", "rejected": "b"},
        "is a number",
    ),
    (
        "wrong_type",
        {
            "prompt": [{"role": "user", "content": [{"type": "image"}]}],
            "chosen": "a",
            "rejected": "b",
        },
        "a part that is no text",
    ),
    ("wrong_type", {"prompt": "p", "chosen": [USER, USER], "rejected": "b"}, "it holds user, user"),
    ("wrong_type", PAIR | {"margin": "big"}, '"margin" is a string, not a number'),
    ("wrong_type", PAIR | {"margin": True}, '"margin" is true or false, not a number'),
    ("wrong_type", PAIR | {"weight": -1}, "it cannot be negative"),
    ("wrong_type", PAIR | {"probability": 0.3}, "is .5 to 1"),
    ("wrong_type", PAIR | {"votes_chosen": -1}, "cannot be negative"),
]


@pytest.mark.parametrize(("kind", "row", "words"), TYPES)
def test_each_bad_row_is_an_error_with_its_line(
    rows_file: RowsFile, kind: str, row: dict[str, Any], words: str
) -> None:
    path = rows_file([PAIR, PAIR | {"chosen": "fine"}, row])
    with pytest.raises(BadInput) as caught:
        load_comparisons(path)
    error = caught.value
    assert (error.file, error.line, error.exit_code) == (str(path), 3, 2)
    assert words in error.sentence
    assert error.remedy == "Fix this row, or let so many be left out with skip_bad = 1."
    loaded = load(Comparison, path, skip_bad=1)
    assert len(loaded.records) == 2
    assert [(f.line, f.kind) for f in loaded.faults] == [(3, kind)]
    assert loaded.report()["skipped"] == 1


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"messages": [USER]}, "ends with a user turn"),
        ({"messages": "hello"}, '"messages" is a string'),
        ({"messages": [USER, {"role": "assistant", "content": " "}]}, "is empty"),
    ],
)
def test_bad_conversations(rows_file: RowsFile, row: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        load_demonstrations(rows_file([row]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ranks": [1]}, "one rank for each completion"),
        ({"ranks": [0, 1]}, "whole numbers from 1"),
        ({"ranks": [1, 1.5]}, "whole numbers from 1"),
        ({"completions": ["x"]}, "at least two completions"),
        ({"completions": ["x", " "]}, '"completions" is empty'),
    ],
)
def test_bad_rankings(rows_file: RowsFile, change: dict[str, Any], words: str) -> None:
    row = {"prompt": "p", "completions": ["x", "y"], "ranks": [1, 2]} | change
    with pytest.raises(BadInput, match=words):
        load_rankings(rows_file([row]))


@pytest.mark.parametrize(
    ("votes", "words"),
    [
        ("a", '"votes" is a string'),
        (["a"], "A vote is a string"),
        ([{"vote": "a"}], 'A vote has no "annotator"'),
        ([{"annotator": "w", "vote": "left"}], 'A vote is "left", not one of a, b, tie, both_bad'),
    ],
)
def test_bad_votes(rows_file: RowsFile, votes: Any, words: str) -> None:
    row = {"prompt": "p", "response_a": "A", "response_b": "B", "votes": votes}
    with pytest.raises(BadInput, match=words):
        load_voted_pairs(rows_file([row]))


def test_bad_labels_and_ratings(rows_file: RowsFile) -> None:
    row = {"prompt": "p", "completion": "c"}
    with pytest.raises(BadInput, match='"label" is a string, not true or false'):
        load_judged(rows_file([row | {"label": "good"}]))
    with pytest.raises(BadInput, match='"ratings" is not an object'):
        load_ratings(rows_file([row | {"ratings": [1]}]))
    with pytest.raises(BadInput, match='"helpful" is a string, not a number'):
        load_ratings(rows_file([row | {"ratings": {"helpful": "very"}}]))


def test_transcripts_that_differ_early_have_no_prompt(rows_file: RowsFile) -> None:
    one = "\n\nHuman: Hi\n\nAssistant: A\n\nHuman: So\n\nAssistant: B"
    two = "\n\nHuman: Hi\n\nAssistant: C\n\nHuman: So\n\nAssistant: D"
    with pytest.raises(BadInput, match="differ before their last turn"):
        load_comparisons(rows_file([{"chosen": one, "rejected": two}]))


def test_implicit_pairs_that_differ_in_space_only_are_identical(rows_file: RowsFile) -> None:
    with pytest.raises(BadInput, match="Both completions of the pair are the same"):
        load_comparisons(rows_file([{"chosen": "So it is", "rejected": "So it is "}]))


def test_broken_json_and_bad_rows_are_counted_together(rows_file: RowsFile) -> None:
    path = rows_file([PAIR, PAIR | {"chosen": ""}])
    path.write_text(path.read_text() + "{oops\n")
    with pytest.raises(BadInput, match="2 of 3 rows cannot be used") as caught:
        load_comparisons(path, skip_bad=1)
    assert caught.value.line == 2
    assert "skip_bad = 2" in caught.value.remedy
    assert len(load_comparisons(path, skip_bad=2)) == 1


def test_a_file_of_another_format_names_the_column_it_lacks(rows_file: RowsFile) -> None:
    path = rows_file([{"prompt": "p", "choosen": "a", "rejected": "b"}])
    with pytest.raises(BadInput) as caught:
        load_comparisons(path)
    assert caught.value.sentence == (
        'There is no column "chosen" (columns: choosen, prompt, rejected).'
    )
    assert caught.value.remedy.startswith('Rename "choosen" to "chosen"')
    assert (caught.value.file, caught.value.line) == (str(path), 1)


def test_a_file_where_nothing_is_left_is_refused(rows_file: RowsFile) -> None:
    row = {"prompt": "p", "response_a": "A", "response_b": "B", "votes": vote("tie")}
    with pytest.raises(BadInput, match=r"No row can be used \(1 undecided votes\)"):
        load_comparisons(rows_file([row]))
    with pytest.raises(BadInput, match="No row can be used"):
        load_comparisons(rows_file([PAIR | {"chosen": ""}]), skip_bad=5)


# warnings


def test_duplicates_contradictions_and_empty_prompts_are_warned_of(rows_file: RowsFile) -> None:
    rows = [
        PAIR,
        PAIR | {"id": 2},
        {"prompt": "p", "chosen": "bad", "rejected": "good"},
        {"prompt": "other", "chosen": "bad", "rejected": "good"},
        {"prompt": " ", "chosen": "x", "rejected": "y"},
    ]
    found = {n.kind: (n.count, n.lines) for n in load(Comparison, rows_file(rows)).notices}
    assert found == {
        "duplicate": (1, (2,)),
        "contradictory_pair": (1, (3,)),
        "empty_prompt": (1, (5,)),
    }


def test_sound_files_have_no_warnings(rows_file: RowsFile, tmp_path: Path) -> None:
    assert load(Comparison, rows_file([PAIR, PAIR | {"prompt": "q"}])).notices == ()


def test_a_file_without_pairs_is_told_what_pairs_look_like(rows_file: RowsFile) -> None:
    with pytest.raises(BadInput, match='There is no column "chosen"') as caught:
        load_comparisons(rows_file([{"prompt": "p", "completion": "c"}]))
    assert "{prompt, chosen, rejected}" in caught.value.remedy
