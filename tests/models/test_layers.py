"""Linear layers of our own: equal to torch's, and gradients added where their sum lies."""

from contextlib import nullcontext

import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from preftune.models import collate, layers, response_logprobs
from preftune.models.gradients import ADDED_TO, sum_of
from preftune.models.layers import Embedding, Linear, TransposedLinear, adds_in_place
from preftune.training import owned
from preftune.training.owned import added_to
from tests.models.made import CPU, FAMILIES, make_policy, make_rows


def pair(kind: type[nn.Module], bias: bool) -> tuple[nn.Module, nn.Module]:
    """torch's (or transformers') layer and ours with the same numbers, of 48 inputs, 40 outputs."""
    torch.manual_seed(0)
    made = [nn.Linear(48, 40, bias=bias) if kind is nn.Linear else Conv1D(40, 48) for _ in range(2)]
    made[1].load_state_dict(made[0].state_dict())
    adds_in_place(made[1])
    assert isinstance(made[1], Linear | TransposedLinear) and isinstance(made[1], kind)
    return made[0], made[1]


@pytest.mark.parametrize("by_onednn", [False, True])
@pytest.mark.parametrize("shape", [(5, 48), (1, 130, 48), (2, 3, 48)])
@pytest.mark.parametrize(("kind", "bias"), [(nn.Linear, True), (nn.Linear, False), (Conv1D, True)])
def test_products_and_gradients_are_those_of_torch(
    kind: type[nn.Module],
    bias: bool,
    shape: tuple[int, ...],
    by_onednn: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layers, "_by_onednn", lambda rows, weights: by_onednn)
    theirs, ours = pair(kind, bias)
    x = torch.randn(shape)
    told = []
    for layer in (theirs, ours):
        leaf = x.clone().requires_grad_(True)
        y = layer(leaf)
        y.square().sum().backward()
        told.append([y, leaf.grad, *(p.grad for p in layer.parameters())])
    assert len(told[0]) == len(told[1]) == 3 + bias
    for one, other in zip(*told, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", [nn.Linear, Conv1D])
def test_gradients_of_gradients_are_those_of_torch(kind: type[nn.Module]) -> None:
    theirs, ours = pair(kind, bias=True)
    x, found = torch.randn(6, 48), []
    for layer in (theirs, ours):
        leaf = x.clone().requires_grad_(True)
        first = torch.autograd.grad(
            layer(leaf).pow(3).sum(), [leaf, layer.weight], create_graph=True
        )
        found.append(torch.autograd.grad(sum(g.square().sum() for g in first), layer.weight)[0])
    assert torch.allclose(*found, rtol=1e-3, atol=1e-2 * float(found[0].abs().max()))


@pytest.mark.parametrize("kind", [nn.Linear, Conv1D])
def test_a_sum_is_added_to_where_it_lies(kind: type[nn.Module]) -> None:
    theirs, ours = pair(kind, bias=True)
    parts = [torch.randn(9, 48) for _ in range(3)]
    for x in parts:
        theirs(x).square().sum().backward()
    lies = []
    for x in parts:
        with added_to(list(ours.parameters())):
            ours(x).square().sum().backward()
        assert ours.weight.grad is not None
        lies.append(ours.weight.grad.data_ptr())
    assert len(set(lies)) == 1
    for one, other in zip(theirs.parameters(), ours.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, rtol=1e-4, atol=1e-4)  # type: ignore[arg-type]


def test_outside_gradients_are_handed_on_even_where_a_sum_lies() -> None:
    _, ours = pair(nn.Linear, bias=True)
    x = torch.randn(4, 48)
    ours(x).sum().backward()
    (found,) = torch.autograd.grad(ours(x).sum(), [ours.weight])
    assert torch.allclose(found, ours.weight.grad)  # type: ignore[arg-type]
    with added_to([ours.weight]):
        assert sum_of(ours.weight) is ours.weight.grad
        assert sum_of(ours.weight * 2) is None and sum_of(ours.bias) is None
    assert sum_of(ours.weight) is None, "and after it"


def test_both_rooms_mean_the_same_mark() -> None:
    assert ADDED_TO == owned.ADDED_TO


def test_frozen_weights_get_no_gradient() -> None:
    _, ours = pair(nn.Linear, bias=True)
    ours.weight.requires_grad_(False)
    with added_to(list(ours.parameters())):
        ours(torch.randn(4, 48)).sum().backward()
    assert ours.weight.grad is None and ours.bias.grad is not None


@pytest.mark.parametrize("padding", [None, 3])
@pytest.mark.parametrize("adding", [False, True])
def test_rows_and_their_gradients_are_those_of_torch(padding: int | None, adding: bool) -> None:
    """Numbers that come twice count twice, that of padding never."""
    torch.manual_seed(0)
    theirs, ours = (nn.Embedding(9, 5, padding_idx=padding) for _ in range(2))
    nn.init.normal_(theirs.weight)  # padding too: of a row of 0s the gradient below would be 0
    ours.load_state_dict(theirs.state_dict())
    adds_in_place(ours)
    assert type(ours) is Embedding
    for ids in ([[1, 3], [8, 1]], [[3, 3], [0, 8]], [[2, 2], [2, 3]]):
        for layer in (theirs, ours):
            with added_to([layer.weight]) if adding and layer is ours else nullcontext():
                layer(torch.tensor(ids)).pow(3).sum().backward()
    assert torch.allclose(theirs.weight.grad, ours.weight.grad)  # type: ignore[arg-type]
    assert padding is None or not ours.weight.grad[padding].any()  # type: ignore[index]


def test_gradients_of_rows_have_gradients() -> None:
    torch.manual_seed(0)
    weight = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    ids = torch.tensor([[0, 4], [4, 2]])
    assert torch.autograd.gradgradcheck(lambda w: layers._Rows.apply(w, ids, 2), weight)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_policy_learns_the_same_by_parts(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tied embeddings and heads read in parts among them."""
    rows = make_rows(6)
    for cut in (0, 2**23):
        monkeypatch.setattr("preftune.models.language_head.FEW_LOGITS", cut)
        policies = [make_policy(family), make_policy(family)]
        for policy in policies:
            for part in (rows[:2], rows[2:4], rows[4:]):
                loss = response_logprobs(policy, collate(part, 1, CPU), 1.0).square().sum()
                if policy is policies[0]:
                    loss.backward()
                else:
                    with added_to(list(policy.parameters())):
                        loss.backward()
        for (name, one), other in zip(
            policies[0].named_parameters(), policies[1].parameters(), strict=True
        ):
            assert one.grad is not None and other.grad is not None, name
            scale = float(one.grad.abs().max())
            assert torch.allclose(one.grad, other.grad, rtol=1e-4, atol=1e-5 * scale), name


def test_few_rows_and_small_matrices_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "_not_intels", lambda: True)
    if torch.backends.mkldnn.is_available():
        assert layers._by_onednn(64, 2**17 + 1)
    assert not layers._by_onednn(63, 2**20) and not layers._by_onednn(1000, 2**17)
    monkeypatch.setattr(layers, "_not_intels", lambda: False)
    assert not layers._by_onednn(1000, 2**20)
