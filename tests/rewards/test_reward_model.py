"""A reward model as a score: exact ids where tokenizers agree, text where they do not."""

import pytest

from preftune.models import Row, collate, scores, set_normalisation, train_tokenizer
from preftune.models.rendering import Renderer
from preftune.records import Completion, Prompt, StopReason
from preftune.rewards import RewardModelScore, same_vocabulary
from tests.models.made import CPU, make_renderer, make_reward_model, tokenizer

PROMPT = Prompt("Where is my lamp?")


def make_score(same_ids: bool, micro_batch_tokens: int = 8192) -> RewardModelScore:
    return RewardModelScore(make_reward_model(), make_renderer(), same_ids, micro_batch_tokens)


def completion(text: str, token_ids: tuple[int, ...] = ()) -> Completion:
    return Completion(PROMPT, text, StopReason.EOS, "v", (5, 6), token_ids)


def one(score: RewardModelScore, written: Completion) -> float:
    (axes,) = score([written])
    assert axes is not None and set(axes) == {"score"}
    return axes["score"]


def test_sampled_ids_are_scored_as_they_are() -> None:
    written = completion(" It arrives.", (10, 11, 0))
    model = make_reward_model()
    exact = scores(model, collate([Row((5, 6), (10, 11, 0))], 1, CPU)).item()
    assert one(make_score(True), written) == pytest.approx(exact, abs=1e-6)
    (rendered,) = make_renderer().completion_rows([written])
    text = scores(model, collate([rendered], 1, CPU)).item()
    assert one(make_score(False), written) == pytest.approx(text, abs=1e-6)
    assert exact != pytest.approx(text, abs=1e-4)


def test_a_file_s_completion_is_rendered_from_its_text() -> None:
    written = completion(" It arrives.")
    assert one(make_score(True), written) == one(make_score(False), written)


def test_order_and_micro_batches_change_nothing() -> None:
    written = [completion("a" * n, tuple(range(2, 3 + n))) for n in (9, 1, 30, 4, 17)]
    whole = [axes["score"] for axes in make_score(True)(written) if axes]
    small = [axes["score"] for axes in make_score(True, 64)(written) if axes]
    assert small == pytest.approx(whole, abs=1e-5)
    turned = [axes["score"] for axes in make_score(True)(written[::-1]) if axes]
    assert turned[::-1] == pytest.approx(whole, abs=1e-5)


def test_scores_are_normalised() -> None:
    score, written = make_score(True), completion("x", (9, 0))
    raw = one(score, written)
    set_normalisation(score.model, 2.0, 3.0)
    assert one(score, written) == pytest.approx(2 * raw + 3, abs=1e-5)


def test_it_is_a_model_s_opinion() -> None:
    assert make_score(True).origin == "model"


def test_vocabularies_are_the_same_only_when_every_id_is() -> None:
    other = Renderer(train_tokenizer(["quite another text, quite another"] * 3, 290), 64)
    assert same_vocabulary(make_renderer(), make_renderer(32))
    assert not same_vocabulary(make_renderer(), other)


def test_a_different_template_is_a_different_rendering() -> None:
    changed = train_tokenizer([], 300)
    changed._tokenizer = tokenizer()._tokenizer
    assert same_vocabulary(make_renderer(), Renderer(changed, 64))
    changed.chat_template = "{{ messages[0].content }}"
    assert not same_vocabulary(make_renderer(), Renderer(changed, 64))
