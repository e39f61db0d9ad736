"""The memory ``doctor`` predicts: what autograd keeps, what models weigh, what a process used."""

import os
from pathlib import Path

import pytest
import torch

from preftune.cli.memory import (
    need_of,
    network_of_architecture,
    network_of_folder,
    what_to_change,
)
from preftune.models import (
    add_adapter,
    build_policy,
    compute_in,
    forget_activations,
    load_policy,
    quantized_layers,
    ragged_of,
    reading,
    states_of,
)
from preftune.models.rendering import Row
from preftune.recipe import SFT, Adapter, Architecture, parse_recipe
from tests.cli.command import preftune
from tests.cli.memory_runs import measured, predicted, prepare, recipe_of
from tests.models.made import CPU, FAMILIES, make_policy, tokenizer

TOKENS = 4 * 128


def shape(family: str, layers: int) -> Architecture:
    return Architecture(
        family=family,  # type: ignore[arg-type]
        hidden_size=96,
        layers=layers,
        heads=4,
        intermediate_size=160,
        context=256,
    )


def kept(family: str, layers: int, dtype: torch.dtype, again: bool) -> int:
    """Bytes that autograd holds on to of a pass through the body, its weights left out."""
    policy = build_policy(shape(family, layers), tokenizer(), 0)
    compute_in(policy, dtype)
    if again:
        forget_activations(policy)
    weights = {p.untyped_storage().data_ptr() for p in policy.parameters()}
    held: list[torch.Tensor] = []
    ragged = ragged_of([[Row(tuple(range(2, 34)), tuple(range(5, 101)))]] * 4, CPU)
    states_of(policy, ragged)  # what is tried once is over

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        held.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), reading(policy):
        states_of(policy, ragged)
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in held}
    return sum(size for place, size in storages.items() if place not in weights)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_kept_of_a_layer_is_what_autograd_keeps(family: str, half: bool) -> None:
    dtype = torch.bfloat16 if half else torch.float32
    expected = kept(family, 6, dtype, False) - kept(family, 2, dtype, False)
    recipe = SFT.model_validate({"model": "m", "train": "t"})
    more, few = (
        network_of_architecture(shape(family, layers), 300, weights)
        for layers, weights in ((6, _weights(family, 6)), (2, _weights(family, 2)))
    )
    ours = more.kept(TOKENS, recipe, half) - few.kept(TOKENS, recipe, half)
    assert ours == pytest.approx(expected, rel=0.06)


def _weights(family: str, layers: int) -> int:
    policy = build_policy(shape(family, layers), tokenizer(), 0)
    return sum(parameter.numel() for parameter in policy.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_with_checkpointing_a_layer_keeps_its_input(family: str) -> None:
    expected = kept(family, 6, torch.float32, True) - kept(family, 2, torch.float32, True)
    recipe = SFT.model_validate({"model": "m", "train": "t", "activation_checkpointing": True})
    more, few = (network_of_architecture(shape(family, n), 300, 0) for n in (6, 2))
    ours = more.kept(TOKENS, recipe, False) - few.kept(TOKENS, recipe, False)
    assert ours == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_tells_what_its_model_is(family: str, tmp_path: Path) -> None:
    prepare(tmp_path / "x", shape(family, 2))
    network = network_of_folder(tmp_path / "x" / "model")
    assert network is not None
    assert (network.hidden, network.layers, network.context) == (96, 2, 256)
    assert network.weights == pytest.approx(_weights(family, 2), rel=0.03)
    assert network_of_folder(tmp_path) is None
    (tmp_path / "x" / "model" / "model.safetensors").write_bytes(bytes(4) + b"\xff" * 40)
    assert network_of_folder(tmp_path / "x" / "model") is None


@pytest.mark.parametrize("family", FAMILIES)
def test_adapters_are_counted(family: str) -> None:
    policy = make_policy(family)
    before = sum(p.numel() for p in policy.parameters())
    add_adapter(policy, Adapter(rank=3), "policy", seed=0)
    added = sum(p.numel() for p in policy.parameters()) - before
    config = policy.config
    network = network_of_architecture(
        Architecture(family=family, hidden_size=32, layers=2, heads=2, intermediate_size=48),  # type: ignore[arg-type]
        config.vocab_size,
        before,
    )
    assert network.adapted(3) == pytest.approx(added, rel=0.2)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_body_in_four_bits_is_counted(family: str, tmp_path: Path) -> None:
    """By a folder, and by the architecture: the head is the table of embeddings in both."""
    prepare(tmp_path / "x", shape(family, 2))
    policy = load_policy(tmp_path / "x" / "model", CPU)
    add_adapter(policy, Adapter(rank=3, quantize="nf4"), "policy", seed=0)
    held = sum(p.nbytes for name, p in policy.named_parameters() if ".lora_" not in name)
    held += sum(b.nbytes for part in quantized_layers(policy).values() for b in part.buffers())
    read = network_of_folder(tmp_path / "x" / "model")
    told = network_of_architecture(shape(family, 2), policy.config.vocab_size, _weights(family, 2))
    assert read is not None
    for network in (read, told):
        assert network.packed == pytest.approx(held, rel=0.1)
        assert network.packed < 0.7 * 4 * network.weights


def test_four_bits_save_what_the_model_weighs_until_it_is_saved_merged() -> None:
    network = network_of_architecture(
        Architecture(hidden_size=2048, layers=16, heads=16, intermediate_size=5632), 32000, 10**9
    )
    text = 'kind = "sft"\nmodel = "m"\ntrain = "t"\nadapter = { rank = 8, MORE }\n'
    need = {
        more: need_of(parse_recipe(text.replace("MORE", more)).stages["sft"], network, False)
        for more in ("merge = false", 'merge = false, quantize = "nf4"', 'quantize = "nf4"')
    }
    plain, packed, merged = need.values()
    assert plain is not None and packed is not None and merged is not None
    beneath = 10**9 - 32000 * 2048
    assert plain.networks - packed.networks == pytest.approx(beneath * (4 - 0.516), rel=0.001)
    assert plain.loading == 0 and packed.loading > 4 * 10**9 == merged.merged
    assert packed.merged == 0 and merged.networks == packed.networks
    small = text.replace("MORE", "merge = false") + "micro_batch_tokens = 512\n"
    settings = parse_recipe(small).stages["sft"]
    few = need_of(settings, network, False)
    assert few is not None and few.networks > few.step
    assert 'adapter.quantize = "nf4"' in what_to_change(settings, few)
    assert "activation_checkpointing" in what_to_change(settings, plain)


def test_a_recipe_that_cannot_fit_is_refused_with_what_to_change(tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text('{"text": "a"}\n')
    recipe = tmp_path / "large.toml"
    recipe.write_text(
        '[stages.base]\nkind = "pretrain"\nvocab_size = 50000\ndata = ["data:texts.jsonl"]\n'
        "architecture.hidden_size = 8192\narchitecture.layers = 80\n"
        "architecture.heads = 64\narchitecture.intermediate_size = 28672\n"
    )
    done = preftune("doctor", recipe, "--set", f"data.root={tmp_path}", "--json")
    assert done.code == 2 and "of memory" in done.error["sentence"]
    assert "activation_checkpointing" in done.error["remedy"]
    (large,) = done.json["recipe"]["too_large"]
    assert large["bytes"] > 60e9 * 16
    small = recipe.read_text().replace("8192", "64").replace("28672", "128").replace("= 80", "= 2")
    recipe.write_text(small)
    done = preftune("doctor", recipe, "--set", f"data.root={tmp_path}", "--json")
    assert done.code == 0
    (stage,) = done.json["recipe"]["stages"]
    assert 5e8 < stage["peak_memory_bytes"] < 4e9


LLAMA = Architecture(hidden_size=448, layers=8, heads=7, intermediate_size=1216, context=256)
GPT2 = Architecture(
    family="gpt2", hidden_size=576, layers=6, heads=6, intermediate_size=2304, context=256
)
GPT2_DEEP = Architecture(
    family="gpt2", hidden_size=448, layers=10, heads=7, intermediate_size=1792, context=256
)
QWEN3 = Architecture(
    family="qwen3", hidden_size=448, layers=8, heads=7, intermediate_size=1216, context=256
)

LLAMA_NARROW = Architecture(hidden_size=320, layers=12, heads=5, intermediate_size=864, context=256)
QWEN3_WIDE = Architecture(
    family="qwen3", hidden_size=576, layers=5, heads=9, intermediate_size=1536, context=256
)


@pytest.mark.proof
@pytest.mark.parametrize(
    ("made", "kind", "more"),
    [
        (LLAMA, "sft", 'validation = "data:shown.jsonl"\nmicro_batch_tokens = 600\n'),
        (LLAMA, "reward_model", "activation_checkpointing = true\n"),
        (GPT2, "dpo", "adapter = { rank = 8 }\n"),
        (LLAMA, "dpo", 'adapter = { rank = 4 }\nvalidation = "data:pairs.jsonl"\n'),
        (QWEN3, "sft", "adapter = { rank = 16 }\n"),
        (GPT2_DEEP, "reward_model", ""),
        (QWEN3_WIDE, "dpo", "adapter = { rank = 8 }\n"),
        (GPT2_DEEP, "sft", 'adapter = { rank = 32 }\nvalidation = "data:shown.jsonl"\n'),
        (LLAMA_NARROW, "reward_model", 'adapter = { rank = 4 }\nprecision = "bfloat16"\n'),
    ],
)
def test_stages_use_what_was_predicted(
    made: Architecture, kind: str, more: str, tmp_path: Path
) -> None:
    """None of them was used to find the coefficients; the system counts."""
    assert os.name == "posix"
    prepare(tmp_path / "x", made)
    text = recipe_of(kind, more)
    expected = predicted(tmp_path / "x", text).peak
    assert measured(tmp_path / "x", text) == pytest.approx(expected, rel=0.15)
