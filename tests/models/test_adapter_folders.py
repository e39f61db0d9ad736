"""PEFT folders: PEFT reads ours, we read PEFT's, and a base that changed is told."""

from pathlib import Path

import pytest
import torch
from peft import (
    AutoPeftModelForCausalLM,
    AutoPeftModelForSequenceClassification,
    LoraConfig,
    get_peft_model,
)
from transformers import PreTrainedModel

from preftune.models import (
    adapter_of,
    collate,
    load_policy,
    load_reward_model,
    response_logprobs,
    save_model,
    scores,
    set_normalisation,
)
from preftune.records import BadInput
from tests.models.made import CPU, make_policy, make_reward_model, make_rows, moved, tokenizer

BATCH = collate(make_rows(5), 1, CPU)
MASK = BATCH.action_mask_BT


def said(policy: PreTrainedModel) -> torch.Tensor:
    return response_logprobs(policy, BATCH, 1.0)[MASK].detach()


def saved(model: PreTrainedModel, folder: Path, base: Path | None = None) -> Path:
    folder.mkdir()
    save_model(model, tokenizer(), folder, "a card", base)
    return folder


def adapted(folder: Path, family: str = "llama") -> tuple[PreTrainedModel, Path]:
    """A policy with an adapter, and the PEFT folder of it."""
    base = saved(make_policy(family), folder / "base")
    policy = load_policy(base, CPU)
    moved(policy)
    return policy, saved(policy, folder / "adapter", base)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_peft_reads_what_is_written(family: str, tmp_path: Path) -> None:
    policy, folder = adapted(tmp_path, family)
    theirs = AutoPeftModelForCausalLM.from_pretrained(str(folder)).eval().get_base_model()
    assert torch.allclose(said(theirs), said(policy), atol=1e-6)
    assert sum(f.stat().st_size for f in folder.glob("*.safetensors")) < 40_000


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_an_adapter_is_loaded_merged_with_its_base(family: str, tmp_path: Path) -> None:
    policy, folder = adapted(tmp_path, family)
    merged = load_policy(folder, CPU)
    assert torch.allclose(said(merged), said(policy), atol=1e-5)
    names = {name for name, p in merged.named_parameters() if p.requires_grad}
    assert adapter_of(merged) is None
    assert names == {name for name, _ in make_policy(family).named_parameters()}


def test_a_merged_folder_is_an_ordinary_model(tmp_path: Path) -> None:
    policy = make_policy()
    moved(policy)
    folder = saved(policy, tmp_path / "merged")
    assert not (folder / "adapter_config.json").exists()
    assert torch.allclose(said(load_policy(folder, CPU)), said(policy), atol=1e-5)


def test_a_reward_model_keeps_its_head_and_normalisation(tmp_path: Path) -> None:
    base = saved(make_policy(), tmp_path / "base")
    model = make_reward_model()
    model.model.load_state_dict(make_policy().model.state_dict())
    moved(model, name="reward")
    set_normalisation(model, 2.0, -0.5)
    expected = scores(model, BATCH).detach()
    folder = saved(model, tmp_path / "adapter", base)
    assert torch.allclose(scores(load_reward_model(folder, CPU), BATCH), expected, atol=1e-5)
    theirs = AutoPeftModelForSequenceClassification.from_pretrained(str(folder), num_labels=1)
    raw = theirs.eval().get_base_model()
    raw.config.score_gain, raw.config.score_bias = 2.0, -0.5
    assert torch.equal(raw.score.modules_to_save["default"].weight, model.score.weight)


def test_a_folder_of_peft_s_own_is_read(tmp_path: Path) -> None:
    """Without our configuration and hash beside it."""
    base = saved(make_policy(), tmp_path / "base")
    config = LoraConfig(task_type="CAUSAL_LM", r=3, init_lora_weights=False)
    config.base_model_name_or_path = str(base)
    theirs = get_peft_model(load_policy(base, CPU), config).eval()
    theirs.save_pretrained(str(tmp_path / "peft"))
    ours = load_policy(tmp_path / "peft", CPU)
    assert torch.allclose(said(ours), said(theirs.get_base_model()), atol=1e-5)


def test_a_base_that_changed_or_went_is_told(tmp_path: Path) -> None:
    _, folder = adapted(tmp_path)
    base = tmp_path / "base"
    (base / "README.md").write_text("changed")
    with pytest.raises(BadInput, match="another hash"):
        load_policy(folder, CPU)
    base.rename(tmp_path / "elsewhere")
    with pytest.raises(BadInput, match="not where it was"):
        load_policy(folder, CPU)


def test_an_adapter_that_names_no_base_is_told(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    with pytest.raises(BadInput, match="which model it belongs to"):
        load_policy(tmp_path, CPU)
