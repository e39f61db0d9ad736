"""A user's function as a score: what it is given, what it may return, what is refused."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
import torch

from preftune.records import BadInput, Message, RunFailed
from preftune.rewards import CallableScore, load_callable
from preftune.rewards.callable import arguments
from tests.rewards.made import Write, completions, module_writer


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    return module_writer(tmp_path, monkeypatch)


def numbers(score: CallableScore, *texts: str) -> list[float | None]:
    return [None if axes is None else axes["score"] for axes in score(completions(*texts))]


def test_it_gets_prompts_completions_and_columns() -> None:
    seen: dict[str, object] = {}

    def rule(prompts, completions, answer, **others):  # type: ignore[no-untyped-def]
        seen.update(prompts=prompts, completions=completions, answer=answer, others=others)
        return [1.0 if c == a else 0.0 for c, a in zip(completions, answer, strict=True)]

    rows = completions("4", "5", answer=["4", "4"], id=["p", "q"], prompt="2 + 2?")
    assert CallableScore("exact", rule)(rows) == [{"score": 1.0}, {"score": 0.0}]
    assert seen == {
        "prompts": ["2 + 2?", "2 + 2?"],
        "completions": ["4", "5"],
        "answer": ["4", "4"],
        "others": {"id": ["p", "q"]},
    }


def test_only_columns_that_the_function_takes_are_given() -> None:
    rows = completions("a", "b", answer=["x", "y"], other=[1, 2])
    assert arguments(lambda completions: completions, rows) == {"completions": ["a", "b"]}
    assert arguments(lambda answer, prompts: answer, rows) == {
        "prompts": ["Why?", "Why?"],
        "answer": ["x", "y"],
    }


def test_a_row_without_the_column_gives_none() -> None:
    rows = [*completions("a", answer=["x"]), *completions("b")]
    assert arguments(lambda answer: answer, rows) == {"answer": ["x", None]}


def test_a_conversation_looks_as_in_trl() -> None:
    rows = completions("Hot.", prompt=(Message("system", "Be brief."), Message("user", "Tea?")))
    assert arguments(lambda prompts, completions: None, rows) == {
        "prompts": [
            [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Tea?"}]
        ],
        "completions": [[{"role": "assistant", "content": "Hot."}]],
    }


@pytest.mark.parametrize(
    "answer",
    [
        [1, 0.5, None],
        (1, 0.5, None),
        [np.float32(1), np.float64(0.5), None],
        [True, 0.5, None],
    ],
)
def test_numbers_of_any_kind_and_none(answer: list[float | None]) -> None:
    score = CallableScore("r", lambda completions: answer)
    assert numbers(score, "a", "b", "c") == [1.0, 0.5, None]


def test_arrays_and_tensors() -> None:
    for answer in (np.array([1.0, 2.0]), torch.tensor([1.0, 2.0])):
        assert numbers(CallableScore("r", lambda completions, a=answer: a), "a", "b") == [1.0, 2.0]


def test_an_async_function_is_waited_for_even_inside_a_running_loop() -> None:
    async def rule(completions):  # type: ignore[no-untyped-def]
        await asyncio.sleep(0)
        return [float(len(text)) for text in completions]

    score = CallableScore("length", rule)
    assert numbers(score, "a", "bcd") == [1.0, 3.0]

    async def notebook() -> list[float | None]:
        return numbers(score, "ab")

    assert asyncio.run(notebook()) == [2.0]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([1.0], "returned 1 values for 2 completions"),
        ([1.0, 2.0, 3.0], "returned 3 values for 2 completions"),
        (None, "returned a NoneType, not a list"),
        (1.0, "returned a float, not a list"),
        ("ab", "returned a str, not a list"),
        ([1.0, "x"], "returned 'x' for completion 2"),
        ([float("nan"), 1.0], "returned nan for completion 1"),
        ([1.0, float("inf")], "returned inf for completion 2"),
        ([[1.0], [2.0]], r"returned \[1.0\] for completion 1"),
    ],
)
def test_what_is_no_list_of_numbers_is_refused(answer: object, message: str) -> None:
    with pytest.raises(BadInput, match=f"The reward 'r' {message}") as refused:
        CallableScore("r", lambda completions: answer)(completions("a", "b"))
    assert refused.value.exit_code == 2
    assert refused.value.file == __file__
    assert "one finite number, or None" in refused.value.remedy


def test_an_exception_inside_names_the_reward_the_file_and_the_line(write: Write) -> None:
    path = write("def broken(completions):\n    x = 1\n    return completions[9]\n")
    with pytest.raises(RunFailed, match="'r' failed: IndexError: list index out of range") as told:
        CallableScore("r", load_callable("my_rewards:broken"))(completions("a"))
    assert (told.value.exit_code, told.value.file, told.value.line) == (1, str(path), 3)


def test_an_exception_in_an_async_one_too() -> None:
    async def broken(completions):  # type: ignore[no-untyped-def]
        await asyncio.sleep(0)
        raise KeyError("url")

    with pytest.raises(RunFailed, match="'r' failed: KeyError: 'url'"):
        CallableScore("r", broken)(completions("a"))


def test_a_function_is_found_where_the_command_runs(write: Write) -> None:
    write("class Rules:\n    @staticmethod\n    def short(completions): return [1.0]\n")
    assert load_callable("my_rewards:Rules.short")(completions=["a"]) == [1.0]


@pytest.mark.parametrize(
    ("source", "reference", "sentence", "remedy"),
    [
        ("", "no_such:f", "There is no module 'no_such'", "where the command runs"),
        ("", "my_rewards.inner:f", "There is no module 'my_rewards.inner'", "install it"),
        ("def short(): ...", "my_rewards:shrt", "There is no 'shrt'", "It has short."),
        ("limit = 3", "my_rewards:limit", "is a int, not a function", "Name a function"),
        ("import no_such", "my_rewards:f", "cannot be imported: ModuleNotFoundError", "python -c"),
        ("1 / 0", "my_rewards:f", "cannot be imported: ZeroDivisionError", "python -c"),
        ("def f(:", "my_rewards:f", "cannot be imported: SyntaxError", "python -c"),
    ],
)
def test_what_cannot_be_loaded_is_told_in_a_sentence(
    source: str, reference: str, sentence: str, remedy: str, write: Write
) -> None:
    write(source)
    with pytest.raises(BadInput, match=sentence) as refused:
        load_callable(reference)
    assert remedy in refused.value.remedy


@pytest.mark.parametrize(
    "source",
    [
        "from preftune.worlds import gold_judge\nrule = gold_judge('helpdesk')",
        "from preftune.worlds import gold_judge\ndef rule(completions): return [0.0]",
        "import preftune.worlds as w\ndef rule(completions): return [0.0]",
        "def rule(completions):\n    from preftune.worlds.helpdesk import judge\n    return [0.0]",
        "def rule(completions):\n    from preftune import worlds\n    return [0.0]",
        "def rule(completions): return [0.0]\nrule.origin = 'gold'",
    ],
)
def test_gold_never_teaches(source: str, write: Write) -> None:
    write(source)
    with pytest.raises(BadInput, match="whose gold judge measures and never teaches"):
        load_callable("my_rewards:rule")


def test_the_world_itself_is_refused() -> None:
    with pytest.raises(BadInput, match="never teaches"):
        load_callable("preftune.worlds:gold_judge")
