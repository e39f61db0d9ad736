"""The folder vLLM reads: the policy's numbers, its head written out, only the newest kept."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from preftune.models import collate, load_policy, response_logprobs
from preftune.rollouts import WeightsFolder
from tests.models.made import CPU, make_policy, make_rows, moved, tokenizer

BATCH = collate(make_rows(5), 1, CPU)
MASK = BATCH.action_mask_BT


@pytest.mark.parametrize("family", ["llama", "gpt2"])
@pytest.mark.parametrize("adapter", [False, True])
def test_an_ordinary_model_with_a_head_of_its_own(
    family: str, adapter: bool, tmp_path: Path
) -> None:
    policy = make_policy(family)
    if adapter:
        moved(policy)
    folder = WeightsFolder(tmp_path, tokenizer()).write(policy)
    expected = response_logprobs(policy, BATCH, 1.0)[MASK]
    read = response_logprobs(load_policy(folder, CPU), BATCH, 1.0)[MASK]
    assert torch.allclose(read, expected, atol=1e-5)
    plain = AutoModelForCausalLM.from_pretrained(str(folder))
    assert plain.config.tie_word_embeddings is False
    assert plain.lm_head.weight.data_ptr() != plain.get_input_embeddings().weight.data_ptr()


def test_only_the_newest_is_kept(tmp_path: Path) -> None:
    folder, policy = WeightsFolder(tmp_path, tokenizer()), make_policy()
    first, second = folder.write(policy), folder.write(policy)
    assert first != second and not first.exists() and second.exists()
    folder.clear()
    assert list(tmp_path.iterdir()) == []
