"""Few rows by a matrix: both ways of laying it out against the plain product."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from preftune.rollouts import products
from preftune.rollouts.products import ROWS, Packed, Product, Transposed, packs, product

HERE = torch.backends.mkldnn.is_available()
HALF = HERE and torch.ops.mkldnn._is_mkldnn_bf16_supported()
KINDS = ["transposed", *(["packed"] if HERE else [])]


def matrix(outputs: int = 48, width: int = 40) -> torch.Tensor:
    return torch.randn(outputs, width, generator=torch.Generator().manual_seed(1))


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> type[Product]:
    monkeypatch.setattr(products, "SMALL", 0 if request.param == "packed" else 10**9)
    return Packed if request.param == "packed" else Transposed


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("rows", [1, 2, 5, ROWS, ROWS + 1, 200])
def test_it_is_the_product(kind: type[Product], rows: int, biased: bool) -> None:
    weight_OH, bias_O = matrix(), torch.arange(48.0) if biased else None
    made = product(weight_OH, bias_O)
    assert type(made) is kind
    states_BH, other_BO = matrix(rows, 40), matrix(rows, 48)
    exact = states_BH.double() @ weight_OH.double().t()
    exact = exact + bias_O if bias_O is not None else exact
    before = other_BO.clone()
    assert torch.allclose(made.of(states_BH).double(), exact, atol=1e-4)
    assert torch.allclose(made.plus(other_BO, states_BH).double(), other_BO + exact, atol=1e-4)
    assert torch.allclose(made.times(other_BO, states_BH).double(), other_BO * exact, atol=1e-4)
    assert torch.equal(other_BO, before)


def test_states_may_lie_anyhow_in_memory(kind: type[Product]) -> None:
    made, states_BH, other_BO = product(matrix(), None), matrix(40, 7).t(), matrix(48, 7).t()
    straight = made.times(other_BO.contiguous(), states_BH.contiguous())
    assert torch.allclose(made.times(other_BO, states_BH), straight, atol=1e-5)
    assert torch.allclose(made.of(states_BH), made.of(states_BH.contiguous()), atol=1e-5)


def test_it_is_a_copy(kind: type[Product]) -> None:
    weight_OH, states_BH = matrix(), matrix(3, 40)
    made = product(weight_OH, None)
    before = made.of(states_BH)
    weight_OH.zero_()
    assert torch.equal(made.of(states_BH), before) and before.abs().sum() > 0


def test_threads_side_by_side_make_the_same(kind: type[Product]) -> None:
    made, states = product(matrix(), None), [matrix(k, 40) for k in range(1, 33)]
    alone = [made.of(states_BH) for states_BH in states]
    with ThreadPoolExecutor(4) as threads:
        for _ in range(5):
            together = list(threads.map(made.of, states))
            assert all(
                torch.allclose(*pair, atol=1e-5) for pair in zip(together, alone, strict=True)
            )


@pytest.mark.parametrize("biased", [False, True])
def test_in_bfloat16_products_are_rounded_and_sums_of_float32_are_not(
    kind: type[Product], biased: bool
) -> None:
    """As autocast has it: float32 states and residual sums, bfloat16 operands and products."""
    weight_OH = matrix().bfloat16()
    bias_O = torch.arange(48.0).bfloat16() if biased else None
    made, states_BH, other_BO = product(weight_OH, bias_O), matrix(5, 40), 100 * matrix(5, 48)
    assert type(made) is (kind if HALF else Transposed)
    exact = states_BH.bfloat16().double() @ weight_OH.double().t()
    exact = exact + bias_O.double() if bias_O is not None else exact
    of, plus = made.of(states_BH), made.plus(other_BO, states_BH)
    assert of.dtype is torch.bfloat16 and plus.dtype is torch.float32
    assert torch.allclose(of.double(), exact, rtol=2**-8, atol=1e-3)
    assert torch.equal(plus, other_BO + of)
    gate_BO = other_BO.bfloat16()
    times = made.times(gate_BO, states_BH)
    assert times.dtype is torch.bfloat16
    assert torch.allclose(times.double(), gate_BO.double() * exact, rtol=2**-6, atol=0.3)


def test_what_is_packed() -> None:
    """Large matrices: oneDNN needs longer to begin than a small product takes."""
    assert packs(torch.empty(1024, 129)) == HERE and not packs(torch.empty(1024, 128))
    assert packs(torch.empty(1024, 129, dtype=torch.bfloat16)) == HALF
    assert not packs(torch.empty(1024, 129, dtype=torch.float64))
    assert not packs(torch.empty(1024, 129, device="meta"))
