"""The chunked head against the plain formula, against autograd, and what it leaves in memory."""

from typing import Any

import pytest
import torch

from preftune.maths import head_logprobs
from preftune.maths.head_logprobs import HeadStatistics, Making, head_statistics
from preftune.maths.logprobs import token_entropy, token_logprobs

N, H, V = 23, 6, 41


def drawn(dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    hidden = torch.randn(N, H, dtype=dtype, requires_grad=True)
    weight = torch.randn(V, H, dtype=dtype, requires_grad=True)
    return hidden, weight, torch.randint(V, (N,))


def chunked(
    hidden: torch.Tensor, weight: torch.Tensor, tokens: torch.Tensor, **settings: Any
) -> HeadStatistics:
    temperature = settings.pop("temperature", 1.0)
    making = Making(**({"rows": 5, "dtype": torch.float32} | settings))
    return head_statistics(
        hidden_NH=hidden,
        weight_VH=weight,
        tokens_N=tokens,
        temperature=temperature,
        making=making,
    )


def plain(
    hidden: torch.Tensor, weight: torch.Tensor, tokens: torch.Tensor, temperature: float = 1.0
) -> HeadStatistics:
    logits = (hidden @ weight.t()).unsqueeze(0)
    told = token_logprobs(logits_BTV=logits, tokens_BT=tokens.unsqueeze(0), temperature=temperature)
    return HeadStatistics(told[0], token_entropy(logits_BTV=logits, temperature=temperature)[0])


@pytest.mark.parametrize("kept", [0, N * V])
@pytest.mark.parametrize("rows", [1, 5, 23, 100])
@pytest.mark.parametrize("temperature", [0.7, 1.0, 2.0])
def test_the_plain_formula_s_numbers_and_gradients(
    rows: int, temperature: float, kept: int
) -> None:
    found: list[list[torch.Tensor]] = []
    for way in (plain, lambda *given, **named: chunked(*given, rows=rows, kept=kept, **named)):
        hidden, weight, tokens = drawn()
        told = way(hidden, weight, tokens, temperature=temperature)
        loss = (told.logprobs_N * torch.linspace(-1, 2, N)).sum() + told.entropy_N.square().sum()
        loss.backward()
        assert hidden.grad is not None and weight.grad is not None
        found.append([told.logprobs_N, told.entropy_N, hidden.grad, weight.grad])
    for ours, theirs in zip(*found, strict=True):
        assert float((ours - theirs).detach().abs().max() / theirs.detach().abs().max()) < 1e-6


@pytest.mark.parametrize("which", [0, 1, 2])
def test_gradients_by_finite_differences(which: int) -> None:
    """Of the log-probability, of the entropy, and of both at once, in float64."""

    def told(hidden: torch.Tensor, weight: torch.Tensor) -> Any:
        both = chunked(hidden, weight, tokens, temperature=0.7)
        return both if which == 2 else both[which]

    hidden, weight, tokens = drawn(torch.float64)
    assert torch.autograd.gradcheck(told, (hidden, weight), raise_exception=False)


def test_a_second_backward_pass_gives_the_same() -> None:
    """The first writes over what was kept."""
    hidden, weight, tokens = drawn()
    told = chunked(hidden, weight, tokens, kept=N * V)
    loss = told.logprobs_N.square().sum() + told.entropy_N.sum()
    first, second = (torch.autograd.grad(loss, (hidden, weight), retain_graph=True) for _ in "ab")
    for one, other in zip(first, second, strict=True):
        assert torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("kept", [0, N * V])
def test_kept_logits_are_not_made_again(kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    logits = head_logprobs._logits

    def counted(states: torch.Tensor, *given: Any) -> torch.Tensor:
        made.append(len(states))
        return logits(states, *given)

    monkeypatch.setattr(head_logprobs, "_logits", counted)
    hidden, weight, tokens = drawn()
    chunked(hidden, weight, tokens, kept=kept).logprobs_N.sum().backward()
    assert sum(made) == (N if kept else 2 * N)


def test_a_frozen_head_gets_no_gradient() -> None:
    hidden, weight, tokens = drawn()
    weight.requires_grad_(False)
    chunked(hidden, weight, tokens).logprobs_N.sum().backward()
    assert hidden.grad is not None and weight.grad is None


def test_no_logits_are_kept_for_the_gradient() -> None:
    """What autograd holds on to: states, weights and three numbers a position; plainly: logits."""

    def kept(way: Any) -> int:
        sizes: list[int] = []

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            way(*drawn())
        return sum(sizes)

    assert kept(chunked) == N * H + V * H + 3 * N
    assert kept(plain) > 2 * N * V


def test_bfloat16_products_are_near_and_gradients_stay_float32() -> None:
    hidden, weight, tokens = drawn()
    half, whole = chunked(hidden, weight, tokens, dtype=torch.bfloat16), plain(*drawn())
    assert half.logprobs_N.dtype == torch.float32
    assert not torch.equal(half.logprobs_N, whole.logprobs_N)
    assert torch.allclose(half.logprobs_N, whole.logprobs_N, atol=0.06)
    half.logprobs_N.sum().backward()
    assert hidden.grad is not None and hidden.grad.dtype == torch.float32
    assert weight.grad is not None and weight.grad.dtype == torch.float32


def test_a_second_derivative_is_refused() -> None:
    hidden, weight, tokens = drawn()
    (first,) = torch.autograd.grad(
        chunked(hidden, weight, tokens).logprobs_N.sum(), hidden, create_graph=True
    )
    with pytest.raises(RuntimeError, match="does not require grad|differentiate twice"):
        first.sum().backward()


@pytest.mark.parametrize("kept", [0, 10**6])
def test_a_sum_is_added_to_where_it_lies(kept: int) -> None:
    """Twice, the second time into what the first left."""
    hidden, weight, tokens = drawn()
    for _ in range(2):
        plain(hidden, weight, tokens).logprobs_N.sum().backward()
    expected = weight.grad
    weight.grad = torch.zeros_like(weight)
    lies = weight.grad.data_ptr()
    for _ in range(2):
        told = chunked(hidden, weight, tokens, kept=kept, sum_of=lambda weight: weight.grad)
        told.logprobs_N.sum().backward()
    assert weight.grad.data_ptr() == lies
    assert torch.allclose(weight.grad, expected, atol=1e-5)  # type: ignore[arg-type]
