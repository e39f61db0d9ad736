"""Text to ids: the same everywhere, and what happens to what is too long."""

import copy

import pytest

from preftune.models import Renderer, Row, fit_prompts, fit_rows
from preftune.records import BadInput, Completion, Message, Prompt, StopReason
from tests.models.made import make_renderer, tokenizer

RENDERER = make_renderer()
EOS = 0
TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def test_a_row_is_prompt_completion_and_end() -> None:
    row = RENDERER.row(Prompt("Where is my lamp?"), " It arrives.")
    ids = tokenizer()("Where is my lamp?")["input_ids"], tokenizer()(" It arrives.")["input_ids"]
    assert row == Row(tuple(ids[0]), (*ids[1], EOS))


def test_training_and_scoring_read_the_same_ids() -> None:
    prompt = Prompt("Where is my lamp?")
    for reason, end in ((StopReason.EOS, (EOS,)), (StopReason.LENGTH, ())):
        written = Completion(prompt, " It arrives.", reason, "v")
        (scored,) = RENDERER.completion_rows([written])
        trained = RENDERER.row(prompt, " It arrives.")
        assert scored.prompt_ids == trained.prompt_ids
        assert scored.response_ids == trained.response_ids[:-1] + end


def test_rows_read_together_are_the_rows_read_alone() -> None:
    chatty = copy.deepcopy(tokenizer())
    chatty.chat_template = TEMPLATE
    renderer = Renderer(chatty, 64)
    asked = ["Where is my lamp?", "", "Where is my lamp?", (Message("user", "Where is it?"),)]
    said = [" It arrives.", " No.", " It arrives.", " It arrives."]
    pairs = list(zip(asked, said, strict=True))
    assert renderer.rows(pairs) == [renderer.row(Prompt(a), b) for a, b in pairs]
    assert renderer.rows([]) == []


def test_no_merge_crosses_the_border() -> None:
    row = RENDERER.row(Prompt("Where is my la"), "mp?")
    assert tokenizer().decode(row.prompt_ids) == "Where is my la"
    assert tokenizer().decode(row.response_ids) == "mp?<|end|>"


def test_an_empty_prompt_starts_from_the_end_token() -> None:
    assert RENDERER.prompt_ids("") == (EOS,)


def test_a_tokenizer_that_appends_its_end_token_does_not_end_the_prompt() -> None:
    plain = tokenizer()

    class Appending:
        eos_token_id, eos_token, bos_token_id = plain.eos_token_id, plain.eos_token, None
        chat_template = None

        def __call__(self, text: str, add_special_tokens: bool) -> dict[str, list[int]]:
            ids = plain(text)["input_ids"]
            return {"input_ids": [*ids, EOS] if add_special_tokens else ids}

    renderer = Renderer(Appending(), 64)  # type: ignore[arg-type]
    assert renderer.prompt_ids("Where") == RENDERER.prompt_ids("Where")


def test_a_conversation_goes_through_its_template() -> None:
    chatty = copy.deepcopy(tokenizer())
    chatty.chat_template = TEMPLATE
    turns = (Message("system", "Be brief."), Message("user", "Where is my lamp?"))
    ids = Renderer(chatty, 64).prompt_ids(turns)
    assert chatty.decode(ids) == "<system>Be brief.<user>Where is my lamp?<assistant>"


def test_a_conversation_without_a_template_is_refused() -> None:
    with pytest.raises(BadInput, match="no chat template"):
        RENDERER.prompt_ids((Message("user", "Hello"),))


ROWS = [Row((1, 2, 3), (4, 5)), Row((1, 2, 3, 4), (5, 6, 7)), Row((9,), tuple(range(10, 18)))]


def test_cutting_the_prompt_keeps_its_end_and_the_response() -> None:
    kept, fitted = fit_rows(ROWS, 5, "truncate_prompt_left")
    assert kept == [ROWS[0], Row((3, 4), (5, 6, 7)), Row((9,), (10, 11, 12, 13))]
    assert (fitted.truncated_prompts, fitted.truncated_completions, fitted.skipped) == (1, 1, 0)
    assert fitted.kept == [0, 1, 2]


def test_a_response_longer_than_the_context_loses_its_end_and_most_of_the_prompt() -> None:
    kept, fitted = fit_rows([Row((1, 2), (3, 4, 5, 6, 7))], 4, "truncate_prompt_left")
    assert kept == [Row((2,), (3, 4, 5))]
    assert (fitted.truncated_prompts, fitted.truncated_completions) == (1, 1)


def test_skipping_says_which_rows_stayed() -> None:
    kept, fitted = fit_rows(ROWS, 7, "skip")
    assert kept == ROWS[:2] and fitted.kept == [0, 1] and fitted.skipped == 1


def test_failing_names_the_row() -> None:
    with pytest.raises(BadInput, match="Row 3 has 9 tokens and the longest allowed is 7"):
        fit_rows(ROWS, 7, "fail")


def test_nothing_left_is_an_error() -> None:
    with pytest.raises(BadInput, match="All 3 rows are longer than 2 tokens"):
        fit_rows(ROWS, 2, "skip")


def test_prompts_alone() -> None:
    kept, fitted = fit_prompts([(1, 2, 3), (4,)], 2, "truncate_prompt_left")
    assert kept == [(2, 3), (4,)] and fitted.truncated_prompts == 1
    with pytest.raises(BadInput, match="no room"):
        fit_prompts([(1,)], 0, "skip")
