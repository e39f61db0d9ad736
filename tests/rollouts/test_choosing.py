"""A local model's choice among options, against plain transformers."""

import pytest
import torch

from preftune.judging import Pair, Question, compare
from preftune.records import Prompt
from preftune.rollouts import NativeChoose
from tests.models.made import FAMILIES, make_policy, renderer_of, tokenizer


def chooser(family: str = "llama", context: int = 64) -> NativeChoose:
    policy = make_policy(family, context=context)
    return NativeChoose(policy, renderer_of(policy))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("options", [("Monday", "Friday", "it arrives"), ("Where", "for", "is")])
def test_probabilities_are_likelihoods_of_the_options(
    family: str, options: tuple[str, ...]
) -> None:
    """Of options of several tokens, and of one each."""
    choose = chooser(family)
    sizes = {
        len(tokenizer()(f" {option}", add_special_tokens=False)["input_ids"]) for option in options
    }
    assert (sizes == {1}) == ("for" in options)
    logprobs = []
    for option in options:
        prompt = tokenizer()("Where is my lamp?")["input_ids"]
        answer = tokenizer()(f" {option}", add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            logits = choose.policy(torch.tensor([prompt + answer])).logits[0].log_softmax(-1)
        places = range(len(prompt) - 1, len(prompt) + len(answer) - 1)
        logprobs.append(sum(float(logits[p, t]) for p, t in zip(places, answer, strict=True)))
    expected = torch.tensor(logprobs, dtype=torch.float64).softmax(-1).tolist()
    found = choose(Prompt("Where is my lamp?"), options)
    assert list(found) == list(options) and sum(found.values()) == pytest.approx(1)
    assert list(found.values()) == pytest.approx(expected, rel=1e-4)


def test_answers_do_not_depend_on_what_is_asked_beside_them() -> None:
    choose = chooser()
    questions = [
        Question(Prompt("Order 1: lamp." + " Where?" * n), ("A", "B")[: 2 - n % 2] + ("C",))
        for n in range(6)
    ]
    together = choose.ask(questions)
    choose.micro_batch_tokens = 1
    for question, answer in zip(questions, together, strict=True):
        assert choose(question.prompt, question.options) == pytest.approx(answer, rel=1e-4)


def test_long_prompts_lose_their_start_and_are_counted() -> None:
    choose = chooser(context=16)
    long = "Where is my lamp? " * 20
    assert choose(Prompt(long), ("A", "B")) == choose(Prompt("Nothing. " + long), ("A", "B"))
    assert choose.truncated == 4


def test_it_judges_pairs_in_both_orders() -> None:
    pairs = [Pair(Prompt("Where?"), "On Monday.", "On Friday.")]
    (opinion,) = compare(pairs, chooser(context=512).ask)
    (turned,) = compare(
        [Pair(Prompt("Where?"), "On Friday.", "On Monday.")], chooser(context=512).ask
    )
    assert opinion.probability is not None and turned.probability is not None
    assert opinion.probability == pytest.approx(1 - turned.probability, abs=1e-6)
