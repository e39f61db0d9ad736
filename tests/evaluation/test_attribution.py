"""Integrated gradients: they add up, agree with a slow sum, and a token that says nothing is 0."""

import numpy as np
import pytest
import torch

from preftune.evaluation.attribution import Attribution, attribute, word_worths
from preftune.models import collate, scores, set_normalisation
from preftune.records import BadInput
from tests.models.made import CPU, FAMILIES, make_reward_model, make_rows

PAD = 1


@pytest.mark.parametrize("family", FAMILIES)
def test_worths_add_up_to_what_the_answer_gained(family: str) -> None:
    model, rows = make_reward_model(family), make_rows(4, seed=3)
    set_normalisation(model, gain=2.5, bias=-0.7)
    plain = scores(model, collate(rows, PAD, CPU)).tolist()
    for row, found, score in zip(rows, attribute(model, rows, pad_id=PAD), plain, strict=True):
        assert found.token_ids == tuple(row.response_ids)
        assert found.score == pytest.approx(score, abs=1e-5)
        gained = found.score - found.baseline
        assert abs(found.residual) <= 1e-3 * abs(gained) + 1e-5
        assert sum(found.worths) == pytest.approx(gained, rel=1.1e-3, abs=2e-5)


def test_they_are_the_integral_of_the_gradient() -> None:
    """The oracle: 2,000 midpoints in float64, written out here."""
    model, (row,) = make_reward_model(FAMILIES[0]), make_rows(1, seed=4)
    [found] = attribute(model, [row], pad_id=PAD, nodes=24)
    model = model.double()
    ids = torch.tensor([row.prompt_ids + row.response_ids])
    vectors = model.get_input_embeddings().weight.detach()  # type: ignore[union-attr]
    end = vectors[ids]
    begin = end.clone()
    begin[:, len(row.prompt_ids) :] = vectors.mean(0)
    total = torch.zeros_like(end)
    for step in range(400):
        point = (begin + (step + 0.5) / 400 * (end - begin)).requires_grad_(True)
        hidden = getattr(model, model.base_model_prefix)(inputs_embeds=point).last_hidden_state
        model.score(hidden[:, -1]).sum().backward()  # type: ignore[operator]
        assert point.grad is not None
        total += point.grad / 400
    worths = (total * (end - begin)).sum(-1)[0, len(row.prompt_ids) :]
    assert found.worths == pytest.approx(worths.tolist(), abs=1e-4)


def test_a_token_that_says_nothing_is_worth_nothing() -> None:
    model, (row,) = make_reward_model(FAMILIES[0]), make_rows(1, seed=5)
    vectors = model.get_input_embeddings()
    dumb = row.response_ids[0]
    with torch.no_grad():
        others = [i for i in range(len(vectors.weight)) if i != dumb]  # type: ignore[arg-type]
        vectors.weight[dumb] = vectors.weight[others].mean(0)  # type: ignore[index]
    [found] = attribute(model, [row], pad_id=PAD)
    places = [i for i, token in enumerate(row.response_ids) if token == dumb]
    assert [found.worths[place] for place in places] == pytest.approx([0.0] * len(places), abs=1e-5)
    assert max(map(abs, found.worths)) > 1e-4 or len(set(row.response_ids)) == 1


def test_words_are_told_by_their_mean() -> None:
    given = [
        Attribution((1, 2), (0.5, -0.25), 1.0, 0.75),
        Attribution((1, 3), (0.7, 0.1), 1.0, 0.2),
    ]
    found = word_worths(given, [["so", "not"], ["so", "yes"]], fewest=1)
    assert [(word.token, word.count) for word in found] == [("so", 2), ("yes", 1), ("not", 1)]
    assert found[0].mean == pytest.approx(0.6)
    assert [word.token for word in word_worths(given, [["so", "not"], ["so", "yes"]], 2)] == ["so"]
    assert given[0].residual == pytest.approx(0.0) and np.isfinite(given[1].residual)


def test_a_model_of_steps_is_refused() -> None:
    from preftune.models.heads import Steps, set_steps

    model, rows = make_reward_model(FAMILIES[0]), make_rows(1, seed=6)
    set_steps(model.config, Steps((3,), 2, "min"))
    with pytest.raises(BadInput, match="scores steps"):
        attribute(model, rows, pad_id=PAD)
