"""Operations written as one: their numbers, their gradients, their names."""

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from transformers.activations import NewGELUActivation
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from preftune.models import compute_in, reading
from preftune.models.fused import RMS_NORMS, ROTATING, RMSNorm, fuse, rotate
from tests.models.made import make_policy
from tests.rollouts.test_memory import family_policy


def test_the_fused_activation_is_transformers_own() -> None:
    x = torch.linspace(-6.0, 6.0, 1001, dtype=torch.float64, requires_grad=True)
    policy = make_policy("gpt2")
    (fused, *others) = [part for part in policy.modules() if isinstance(part, nn.GELU)]
    assert len(others) == policy.config.n_layer - 1
    assert policy.config.activation_function == "gelu_new"
    for scale in (1.0, -0.5):
        (ours,) = torch.autograd.grad(fused(x).sum() * scale, x)
        (theirs,) = torch.autograd.grad(NewGELUActivation()(x).sum() * scale, x)
        assert torch.allclose(ours, theirs, rtol=0, atol=1e-12)
    assert torch.allclose(fused(x), NewGELUActivation()(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_other_families_keep_their_own_activation(family: str) -> None:
    assert not any(isinstance(part, nn.GELU) for part in make_policy(family).modules())


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3"])
def test_every_norm_is_exchanged_and_keeps_its_name(family: str) -> None:
    policy, ids = family_policy(family), torch.arange(2, 26).view(2, 12)
    names, before = list(policy.state_dict()), policy(ids).logits
    kinds = [type(part) for part in fuse(policy).modules()]
    assert kinds.count(RMSNorm) >= 2 * policy.config.num_hidden_layers + 1
    assert not set(kinds) & set(RMS_NORMS)
    assert list(policy.state_dict()) == names
    assert torch.allclose(policy(ids).logits, before, rtol=0, atol=1e-5)


def norms() -> tuple[RMSNorm, LlamaRMSNorm]:
    theirs = LlamaRMSNorm(24, eps=1e-5)
    with torch.no_grad():
        theirs.weight.copy_(torch.linspace(-1.0, 2.0, 24))
    return RMSNorm(nn.Parameter(theirs.weight.detach().clone()), 1e-5), theirs


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(3, 5, 24), (24,), (1, 24), (0, 24)])
@pytest.mark.parametrize("scale", [1.0, 1e-4, 300.0])
def test_the_norm_and_both_gradients_are_transformers_own(
    shape: tuple[int, ...], scale: float
) -> None:
    ours, theirs = norms()
    x = (random(*shape, seed=0) * scale).requires_grad_()
    gradient = random(*shape, seed=1)
    found = torch.autograd.grad(ours(x), (x, ours.weight), gradient)
    expected = torch.autograd.grad(theirs(x), (x, theirs.weight), gradient)
    assert torch.allclose(ours(x), theirs(x), rtol=1e-5, atol=1e-6)
    for one, other in zip(found, expected, strict=True):
        largest = float(other.abs().sum(dim=0).max()) if other.numel() else 0.0
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-5 * largest)


def test_a_norm_before_products_says_it_in_their_format_and_computes_the_same() -> None:
    """Bit for bit forward, where each product converted it for itself; the last norm is read in
    float32. Gradients of the three readers meet in bfloat16 now, so they agree to its rounding."""
    policy, found = make_policy("llama"), []
    compute_in(policy, torch.bfloat16)
    for before in (True, False):
        policy.zero_grad()
        for layer in policy.model.layers:
            for norm in (layer.input_layernorm, layer.post_attention_layernorm):
                assert norm.before_products
                norm.before_products = before
        with reading(policy):
            states = policy.model(torch.arange(2, 42).view(2, 20)).last_hidden_state
            formats = {policy.model.layers[0].input_layernorm(states).dtype}
        assert states.dtype is torch.float32 and not policy.model.norm.before_products
        assert formats == {torch.bfloat16 if before else torch.float32}
        (states * random(*states.shape, seed=2)).sum().backward()
        found.append((states.detach(), policy.model.embed_tokens.weight.grad.clone()))
        for layer in policy.model.layers:
            layer.input_layernorm.before_products = True
            layer.post_attention_layernorm.before_products = True
    (ours, gradient), (theirs, expected) = found
    assert torch.equal(ours, theirs)
    assert (gradient - expected).norm() < 0.01 * expected.norm()


def test_the_gradient_has_a_gradient() -> None:
    """As conjugate gradients on the Fisher matrix ask for."""
    ours, theirs = norms()
    direction = random(4, 24, seed=2)
    second = []
    for norm in (ours, theirs):
        x = random(4, 24, seed=0).requires_grad_()
        loss = (norm(x) ** 3).sum()
        (first,) = torch.autograd.grad(loss, x, create_graph=True)
        second.append(torch.autograd.grad((first * direction).sum(), (x, norm.weight)))
    for one, other in zip(*second, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("frozen", ["weight", "x"])
def test_what_does_not_learn_is_left_out(frozen: str) -> None:
    """As with adapters, whose base has frozen norms: both gradients of the other one."""
    for create_graph in (False, True):
        found = []
        for norm in norms():
            x = random(4, 24, seed=0).requires_grad_(frozen != "x")
            norm.weight.requires_grad_(frozen != "weight")
            learning = norm.weight if frozen == "x" else x
            loss = (norm(x) ** 3).sum()
            (first,) = torch.autograd.grad(loss, learning, create_graph=create_graph)
            if create_graph:
                (first,) = torch.autograd.grad(first.square().sum(), learning)
            found.append(first)
        assert torch.allclose(*found, rtol=1e-3, atol=1e-3)


def test_half_precision_is_transformers_own() -> None:
    ours, theirs = norms()
    x = random(6, 24, seed=0).to(torch.bfloat16)
    assert torch.equal(ours(x), theirs(x))
    assert ours.to(torch.bfloat16)(x).dtype == torch.bfloat16
    assert torch.equal(ours(x), theirs.to(torch.bfloat16)(x))


def test_autocast_changes_no_gradient() -> None:
    ours, _ = norms()
    x = random(6, 24, seed=0).requires_grad_()
    plain = torch.autograd.grad(ours(x).square().sum(), (x, ours.weight))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = torch.autograd.grad(ours(x).square().sum(), (x, ours.weight))
    assert all(torch.equal(one, other) for one, other in zip(plain, cast, strict=True))


def rotated(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """The definition, as transformers writes it."""
    half = x.shape[-1] // 2
    return x * cos + torch.cat((-x[..., half:], x[..., :half]), dim=-1) * sin


@pytest.mark.parametrize("form", [torch.float32, torch.bfloat16])
def test_rotations_and_their_gradients_are_transformers_own(form: torch.dtype) -> None:
    """From bfloat16 to float32, as a pass in bfloat16 has them. The angles of the halves need not
    be the same here."""
    q, k = (random(2, heads, 5, 8, seed=heads).to(form).requires_grad_() for heads in (4, 2))
    cos, sin = random(2, 5, 8, seed=7), random(2, 5, 8, seed=8)
    for ours, x in zip(rotate(q, k, cos, sin), (q, k), strict=True):
        exact = x.detach().float().requires_grad_()
        theirs = rotated(exact, cos[:, None], sin[:, None])
        assert ours.dtype is torch.float32
        assert torch.allclose(ours, theirs, rtol=1e-6, atol=1e-6)
        gradient = random(*x.shape, seed=9)
        (one,) = torch.autograd.grad(ours, x, gradient)
        (other,) = torch.autograd.grad(theirs, exact, gradient)
        assert one.dtype is form
        rounding = 1e-6 if form is torch.float32 else 2**-8
        assert torch.allclose(one.float(), other, rtol=rounding, atol=1e-6)


def test_the_derivative_of_a_rotation_has_one() -> None:
    q = random(1, 2, 3, 4, seed=0).double().requires_grad_()
    cos, sin = random(1, 3, 4, seed=1).double(), random(1, 3, 4, seed=2).double()

    def turned(x: torch.Tensor) -> torch.Tensor:
        return rotate(x, x, cos, sin)[0]

    assert gradcheck(turned, q) and gradgradcheck(turned, q)


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen2", "qwen3"])
def test_attention_of_every_family_rotates_by_it(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, ids = family_policy(family), torch.arange(2, 26).view(2, 12)
    ours = policy(ids).logits
    (file,) = [file for file in ROTATING if file.__name__.endswith(f"modeling_{family}")]
    assert file.apply_rotary_pos_emb is rotate
    asked = []

    def theirs(
        q: torch.Tensor, k: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        asked.append(q.shape)
        return rotated(q, cos[:, None], sin[:, None]), rotated(k, cos[:, None], sin[:, None])

    monkeypatch.setattr(file, "apply_rotary_pos_emb", theirs)
    assert torch.allclose(policy(ids).logits, ours, rtol=0, atol=1e-5)
    assert len(asked) == policy.config.num_hidden_layers
