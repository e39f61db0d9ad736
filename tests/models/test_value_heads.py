"""Values beside a policy: states, twin heads, slow copies, the file in the model's folder."""

from pathlib import Path

import pytest
import torch

from preftune.models import (
    build_value_heads,
    collate,
    load_policy,
    load_value_heads,
    read_states,
    response_logits,
    save_model,
    save_value_heads,
)
from preftune.models.value_heads import HEADS_FILE
from preftune.records import BadInput
from tests.models.made import CPU, FAMILIES, make_policy, make_rows, tokenizer


@pytest.mark.parametrize("family", FAMILIES)
def test_states_are_those_the_logits_are_read_from(family: str) -> None:
    policy, batch = make_policy(family), collate(make_rows(5), 1, CPU)
    with torch.no_grad():
        logits, hidden = read_states(policy, batch)
        head = policy.get_output_embeddings()
        again = head(hidden)  # type: ignore[operator, misc]
        plain = response_logits(policy, batch)
    mask = batch.action_mask_BT
    assert torch.allclose(logits[mask], plain[mask], atol=1e-5)
    assert torch.allclose(again[mask], plain[mask], atol=1e-4)


def test_shapes_and_the_smaller_of_the_slow_twins() -> None:
    policy = make_policy()
    heads = build_value_heads(policy, seed=1)
    hidden = torch.randn(3, 4, 32)
    first, second = heads.q_values(hidden)
    assert first.shape == second.shape == (3, 4, 300) and not torch.equal(first, second)
    assert heads.values(hidden).shape == (3, 4)
    # Before any step the slow copies are the heads themselves.
    assert torch.equal(heads.slow_q_values(hidden), torch.minimum(first, second))


def test_slow_heads_follow_by_their_share_and_have_no_gradient() -> None:
    heads = build_value_heads(make_policy(), seed=1)
    before = [p.clone() for p in heads.slow.parameters()]
    with torch.no_grad():
        for p in heads.q.parameters():
            p.add_(1.0)
    heads.follow(0.25)
    for old, now in zip(before, heads.slow.parameters(), strict=True):
        assert torch.allclose(now, old + 0.25, atol=1e-6) and not now.requires_grad


def test_the_same_seed_gives_the_same_heads() -> None:
    one, two, other = (build_value_heads(make_policy(), seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.v[0].weight, other.v[0].weight)  # type: ignore[arg-type]


def test_saved_and_loaded_beside_a_model_that_stays_ordinary(tmp_path: Path) -> None:
    policy = make_policy()
    heads = build_value_heads(policy, seed=3)
    save_model(policy, tokenizer(), tmp_path, "card")
    assert load_value_heads(tmp_path, policy) is None
    save_value_heads(heads, tmp_path)
    again = load_value_heads(tmp_path, load_policy(tmp_path, CPU))
    assert again is not None
    for name, tensor in heads.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


def test_heads_of_another_model_are_refused(tmp_path: Path) -> None:
    save_value_heads(build_value_heads(make_policy(), seed=3), tmp_path)
    policy = make_policy()
    policy.resize_token_embeddings(310)
    with pytest.raises(BadInput, match="do not fit the model"):
        load_value_heads(tmp_path, policy)
    (tmp_path / HEADS_FILE).write_bytes(b"no tensors")
    with pytest.raises(BadInput, match="do not fit the model"):
        load_value_heads(tmp_path, make_policy())
