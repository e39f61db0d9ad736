"""Every kind from its form to a loss: answer, store, agreement, export, loader, recipe."""

import uuid
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from preftune.data import (
    Format,
    detect,
    load_comparisons,
    load_demonstrations,
    load_judged,
    load_rankings,
    load_ratings,
    load_stepwise,
)
from preftune.feedback.kinds import KINDS, kind
from preftune.feedback.store import agreement, datasets, items, judgments, projects
from preftune.feedback.store.engine import Store
from preftune.feedback.store.faults import InvalidAnswer
from preftune.feedback.store.nouns import NewItem, ProjectSettings, Submission
from preftune.recipe.recipe import Stage
from preftune.recipe.reward_objectives import Objective
from preftune.records import BadInput
from tests.feedback import made


def turn(said: str, choice: str | None, *replies: str) -> dict[str, Any]:
    """A turn of a conversation, as it is stored."""
    kept = 1 if choice == "b" else 0
    return {
        "said": said,
        "replies": list(replies),
        "seal": "",
        "choice": choice,
        "strength": None,
        "kept": kept,
    }


CASES: dict[str, tuple[tuple[str, ...], list[dict[str, Any]], Format, Any, int]] = {
    "comparison": (
        ("Yes.", "No."),
        [{"choice": "a", "strength": 3}, {"choice": "a", "strength": 1}],
        Format.PREFERENCE,
        load_comparisons,
        1,
    ),
    "ranking": (
        ("x", "y", "z"),
        [{"ranks": [1, 2, 3]}, {"ranks": [1, 2, 2]}],
        Format.RANKING,
        load_rankings,
        1,
    ),
    "ratings": (
        ("x",),
        [
            {"ratings": [{"helpful": 7, "honest": 6, "harmless": 1}]},
            {"ratings": [{"helpful": 4, "honest": 6, "harmless": 2}]},
        ],
        Format.RATING,
        load_ratings,
        1,
    ),
    "thumbs": (("x",), [{"thumb": "up"}, {"thumb": "up"}], Format.UNPAIRED, load_judged, 1),
    "demonstration": (
        (),
        [{"text": "Tea is hot."}, {"text": "Often it is hot."}],
        Format.PROMPT_COMPLETION,
        load_demonstrations,
        2,
    ),
    "rewrite": (
        ("Tea are hot.",),
        [{"text": "Tea is hot."}, {"text": "Tea is very hot."}],
        Format.PREFERENCE,
        load_comparisons,
        2,
    ),
    "steps": (
        ("1 + 1 = 2\nso 3",),
        [{"marks": ["right", "wrong"]}, {"marks": ["right", None]}],
        Format.STEPWISE,
        load_stepwise,
        1,
    ),
    "rule": (
        ("x",),
        [{"rules": {"guidelines": "broken"}}, {"rules": {"guidelines": "broken"}}],
        Format.UNPAIRED,
        load_judged,
        1,
    ),
    "conversation": (
        ("", ""),
        [
            {"turns": [turn("Hot?", "b", "Yes.", "No."), turn("Sure?", "tie", "No.", "Quite.")]},
            {"turns": [turn("Hi", "a", "Hello.", "What?")]},
        ],
        Format.PREFERENCE,
        load_comparisons,
        3,
    ),
    "flags": (
        ("x",),
        [{"found": [{"fault": "rude", "reason": "it shouts"}]}, {"found": []}],
        Format.UNPAIRED,
        load_judged,
        1,
    ),
}


def test_every_kind_has_a_case() -> None:
    assert set(CASES) == set(KINDS)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_from_question_to_loss(name: str, sqlite_store: Store, tmp_path: Path) -> None:
    responses, said, format_, load, expected = CASES[name]
    store = sqlite_store
    project = projects.create(store, ProjectSettings(name, name, overlap=2), actor="test")
    items.add(store, project.id, [NewItem("one", "Is tea hot?", responses)], actor="test")
    sent = []
    for number, answer in enumerate(said):
        given = made.take(store, project, made.person(store, f"{name}-{number}"))
        sent.append(made.answer(store, given, answer).judgment_id)

    stored = judgments.of_item(store, items.named(store, project.id, "one").number)
    for judgment, answer in zip(stored, said, strict=True):
        assert {key: judgment.answer[key] for key in answer} == answer

    measures = agreement.reliability(store, name)
    assert [m.measure for m in measures][0] == kind(name).measures(kind(name).question())[0]
    assert agreement.report(store, name)

    for how in kind(name).hows:
        path = tmp_path / f"{how}.jsonl"
        datasets.freeze(store, name, path, how=how)
        assert path.read_bytes()
    first = kind(name).hows[0]
    rows = datasets.rows(store, name, how=first).rows
    assert len(rows) == expected and detect(list(rows)) is format_
    assert len(load(tmp_path / f"{first}.jsonl")) == expected
    used = {judgment.split("/")[0] for row in rows for judgment in row["judgments"]}
    assert used == set(sent)
    assert all(row["guideline_versions"] == [1] for row in rows)


def stems() -> set[str]:
    """Every stage of a recipe, and ``reward_model/OBJECTIVE``."""

    def kinds_in(union: Any) -> set[str]:
        return {one.model_fields["kind"].default for one in get_args(get_args(union)[0])}

    return kinds_in(Stage) | {f"reward_model/{name}" for name in kinds_in(Objective)}


@pytest.mark.parametrize("name", sorted(KINDS))
def test_losses_are_stages_of_a_recipe(name: str) -> None:
    assert kind(name).losses and set(kind(name).losses) <= stems()


@pytest.mark.parametrize("name", sorted(KINDS))
def test_untouched_is_null_and_cannot_judge_stands_alone(name: str) -> None:
    one = kind(name)
    responses, said, *_ = CASES[name]
    empty = one.answer.model_validate({})
    assert one.check(one.question(), empty, responses), "an empty answer passed"
    assert not any(one.values(one.question(), empty, responses or ("",)).get("", {}).values())
    alone = one.answer.model_validate({"cannot_judge": "not my language"})
    assert one.check(one.question(), alone, responses) == ""
    with pytest.raises(ValidationError, match="cannot_judge"):
        one.answer.model_validate({**said[0], "cannot_judge": "not my language"})


@pytest.mark.parametrize(
    ("name", "responses", "wrong"),
    [
        ("comparison", ("x", "y"), {"choice": "tie", "strength": 1}),
        ("comparison", ("x", "y"), {"choice": "a"}),
        ("comparison", ("x", "y"), {"choice": "a", "strength": 4}),
        ("comparison", ("x", "y"), {"choice": "left"}),
        ("ranking", ("x", "y"), {"ranks": [1]}),
        ("ratings", ("x",), {"ratings": [{"helpful": 8, "honest": 1, "harmless": 1}]}),
        ("ratings", ("x",), {"ratings": [{"helpful": 3}]}),
        ("conversation", ("", ""), {"turns": [{"said": "x", "replies": ["y", "z"]}]}),
        ("conversation", ("", ""), {"turns": [{"said": "x", "replies": ["y"], "choice": "a"}]}),
        ("conversation", ("",), {"turns": [{"said": "x", "replies": ["y"], "choice": "a"}]}),
        (
            "conversation",
            ("", ""),
            {"turns": [{"said": "x", "replies": ["y", "z"], "choice": "a", "kept": 1}]},
        ),
        ("conversation", ("",), {"turns": [{"said": "x", "replies": ["y"]}] * 9}),
        ("thumbs", ("x",), {"thumb": "sideways"}),
        ("demonstration", (), {"text": "  "}),
        ("steps", ("x\ny",), {"marks": ["right"]}),
        ("rule", ("x",), {"rules": {"other": "kept"}}),
        ("flags", ("x",), {"found": [{"fault": "rude"}]}),
        ("flags", ("x",), {"found": [{"fault": "ugly", "reason": "so"}]}),
        ("thumbs", ("x",), {"thumb": "up", "flags": ["nonsense"]}),
        ("thumbs", ("x",), {"thumb": "up", "confidence": "high"}),
        ("thumbs", ("x",), {"thumb": "up", "surprise": 1}),
        ("thumbs", ("x",), {"thumb": float("nan")}),
    ],
)
def test_wrong_answers_are_refused(
    sqlite_store: Store, name: str, responses: tuple[str, ...], wrong: dict[str, Any]
) -> None:
    project = projects.create(sqlite_store, ProjectSettings("p", name), actor="test")
    items.add(sqlite_store, project.id, [NewItem("one", "?", responses)], actor="test")
    given = made.take(sqlite_store, project, made.person(sqlite_store))
    with pytest.raises((InvalidAnswer, BadInput)):
        judgments.submit(
            sqlite_store, Submission(str(uuid.uuid4()), given.id, given.lease_token, wrong)
        )
    assert judgments.of_item(sqlite_store, given.item.number) == []


def rows_of(store: Store, said: list[dict[str, Any]], how: Any = "majority") -> list[Any]:
    project = made.project(store, "p", count=1, overlap=len(said))
    for number, answer in enumerate(said):
        made.answer(store, made.take(store, project, made.person(store, f"p{number}")), answer)
    return list(datasets.rows(store, "p", how=how).rows)


def test_majority_counts_a_tie_half_and_both_bad_not_at_all(sqlite_store: Store) -> None:
    tie, bad = {"choice": "tie"}, {"both_bad": True}
    [row] = rows_of(sqlite_store, [made.B, made.B, made.A, tie, bad])
    assert row["chosen"] == "second of item-0" and row["rejected"] == "first of item-0"
    assert row["probability"] == pytest.approx(1 - (1 + 0.5) / 4, abs=1e-12)
    assert (row["source"], row["strength"]) == ("majority", "slightly")
    assert (row["model_chosen"], row["model_rejected"]) == ("model-y", "model-x")


def test_votes_stay_in_the_votes_format(sqlite_store: Store) -> None:
    [row] = rows_of(sqlite_store, [made.A, {"both_bad": True}], how="votes")
    assert [vote["vote"] for vote in row["votes"]] == ["a", "both_bad"]
    assert row["votes"][0]["strength"] == "better"
    assert all(vote["annotator"].startswith("annotator-") for vote in row["votes"])


def test_soft_labels_trust_whoever_is_consistent(sqlite_store: Store) -> None:
    """Three who agree and one who always contradicts: the majority is nearly sure, not .75."""
    store = sqlite_store
    project = made.project(store, "p", count=12, overlap=4)
    people = [made.person(store, f"p{number}") for number in range(4)]
    for number, who in enumerate(people):
        for _ in range(12):
            given = made.take(store, project, who)
            good = int(given.item.name.removeprefix("item-")) % 2 == 0
            says_a = good if number < 3 else not good
            made.answer(store, given, made.A if says_a else made.B)
    rows = datasets.rows(store, "p", how="dawid_skene").rows
    assert min(row["probability"] for row in rows) > 0.97
    assert {row["probability"] for row in datasets.rows(store, "p").rows} == {0.75}
    first = {row["item"]: row["chosen"].startswith("first") for row in rows}
    assert first == {f"item-{n}": n % 2 == 0 for n in range(12)}
