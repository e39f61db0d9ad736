"""Hugging Face folders in and out, and every folder that cannot be used."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from preftune.models import (
    build_policy,
    collate,
    context_of,
    load_policy,
    load_reward_model,
    load_tokenizer,
    renderer_for,
    response_logprobs,
    reward_model_from,
    save_model,
    scores,
    set_normalisation,
    train_tokenizer,
    value_head_on,
    values,
)
from preftune.models.shared_body import score_head
from preftune.recipe import Architecture
from preftune.records import BadInput
from tests.models.made import CPU, FAMILIES, make_policy, make_rows, tokenizer


def saved_policy(folder: Path, family: str = "llama") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_model(make_policy(family), tokenizer(), folder, "# A card\n")
    return folder


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_policy_is_the_same_policy(family: str, tmp_path: Path) -> None:
    folder = saved_policy(tmp_path / "p", family)
    batch = collate(make_rows(3), 1, CPU)
    expected = response_logprobs(make_policy(family), batch, 1.0)
    loaded = load_policy(folder, CPU)
    assert not loaded.training
    assert torch.equal(response_logprobs(loaded, batch, 1.0), expected)
    plain = AutoModelForCausalLM.from_pretrained(folder)
    assert torch.allclose(response_logprobs(plain, batch, 1.0), expected, atol=1e-6)
    assert (folder / "README.md").read_text() == "# A card\n"
    assert list(folder.glob("*.safetensors")) and not list(folder.glob("*.bin"))


@pytest.mark.parametrize("family", FAMILIES)
def test_tied_weights_stay_tied(family: str, tmp_path: Path) -> None:
    loaded = load_policy(saved_policy(tmp_path / "p", family), CPU)
    assert loaded.get_input_embeddings().weight is loaded.get_output_embeddings().weight


@pytest.mark.parametrize("family", FAMILIES)
def test_a_reward_model_loads_in_transformers_and_gives_raw_scores(
    family: str, tmp_path: Path
) -> None:
    model = reward_model_from(saved_policy(tmp_path / "p", family), CPU, seed=1)
    rows = make_rows(4, seed=2)
    raw = [scores(model, collate([row], 1, CPU)).item() for row in rows]
    set_normalisation(model, 1.7, -0.3)
    folder = tmp_path / "rm"
    save_model(model, tokenizer(), folder, "card")

    plain = AutoModelForSequenceClassification.from_pretrained(folder)
    ours = load_reward_model(folder, CPU)
    batch = collate(rows, 1, CPU)
    expected = [1.7 * score - 0.3 for score in raw]
    assert scores(ours, batch).tolist() == pytest.approx(expected, abs=1e-5)
    for row, score in zip(rows, raw, strict=True):
        ids = torch.tensor([row.prompt_ids + row.response_ids])
        assert plain(ids).logits.item() == pytest.approx(score, abs=1e-5)
    config = json.loads((folder / "config.json").read_text())
    assert (config["score_gain"], config["score_bias"]) == (1.7, -0.3)


def test_the_body_is_the_policy_s_and_the_head_is_drawn_from_the_seed(tmp_path: Path) -> None:
    folder = saved_policy(tmp_path / "p")
    one, same, other = (reward_model_from(folder, CPU, seed=seed) for seed in (1, 1, 2))
    body = make_policy().model.state_dict()
    assert all(torch.equal(tensor, body[name]) for name, tensor in one.model.state_dict().items())
    assert torch.equal(one.score.weight, same.score.weight)
    assert not torch.equal(one.score.weight, other.score.weight)
    assert one.score.bias is None


def test_the_head_has_deviation_one_over_root_d_plus_one(tmp_path: Path) -> None:
    wide = build_policy(
        Architecture(hidden_size=1024, layers=1, heads=1, intermediate_size=8), tokenizer(), 0
    )
    save_model(wide, tokenizer(), tmp_path, "card")
    weight = reward_model_from(tmp_path, CPU, seed=3).score.weight.detach()
    assert weight.std().item() == pytest.approx(1025**-0.5, rel=0.08)
    assert abs(weight.mean().item()) < 4 * 1025**-0.5 / 32


def test_a_reward_model_as_a_source_keeps_its_head(tmp_path: Path) -> None:
    model = reward_model_from(saved_policy(tmp_path / "p"), CPU, seed=1)
    set_normalisation(model, 2.0, 1.0)
    save_model(model, tokenizer(), tmp_path / "rm", "card")
    again = reward_model_from(tmp_path / "rm", CPU, seed=99)
    assert torch.equal(again.score.weight, model.score.weight)
    assert again.config.score_gain == 2.0


def test_a_policy_is_no_reward_model(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="LlamaForCausalLM, not a reward model"):
        load_reward_model(saved_policy(tmp_path / "p"), CPU)


def test_a_classifier_with_more_outputs_is_no_reward_model(tmp_path: Path) -> None:
    config = make_policy().config
    config.num_labels = 3
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    with pytest.raises(BadInput, match="one output and this model has 3"):
        load_reward_model(tmp_path, CPU)


def test_folders_that_are_no_model(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "config.json").write_text('{"model_type": "no-such-model"}')
    for name in ("empty", "broken", "missing", "odd"):
        with pytest.raises(BadInput) as caught:
            load_policy(tmp_path / name, CPU)
        assert caught.value.file == str(tmp_path / name) and caught.value.remedy


def test_pickle_is_never_loaded(tmp_path: Path) -> None:
    folder = saved_policy(tmp_path / "p")
    for path in folder.glob("*.safetensors"):
        path.unlink()
    torch.save(make_policy().state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(BadInput, match="cannot be loaded"):
        load_policy(folder, CPU)


def test_torn_weights_are_one_sentence(tmp_path: Path) -> None:
    folder = saved_policy(tmp_path / "p")
    (path,) = folder.glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(BadInput, match="cannot be loaded"):
        load_policy(folder, CPU)


def test_a_tokenizer_with_more_ids_than_embeddings_is_refused(tmp_path: Path) -> None:
    larger = train_tokenizer(["the lamp and the kettle and the tent"] * 3, 310)
    larger.add_tokens([f"<{n}>" for n in range(40)])
    with pytest.raises(BadInput, match="ids up to 3.. and the model only 300"):
        renderer_for(make_policy(), larger, tmp_path)
    assert renderer_for(make_policy(), tokenizer(), tmp_path).context == 64


@pytest.mark.parametrize("family", FAMILIES)
def test_the_context_is_the_model_s(family: str) -> None:
    assert context_of(make_policy(family, context=48)) == 48


def test_a_tokenizer_without_a_pad_token_gets_one_that_is_saved(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = saved_policy(tmp_path / "p")
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    del config["pad_token"]
    path.write_text(json.dumps(config))
    loaded = load_tokenizer(folder)
    assert loaded.pad_token_id == loaded.eos_token_id == 0
    assert len(caplog.records) == 1
    save_model(load_policy(folder, CPU), loaded, tmp_path / "again", "card")
    assert AutoTokenizer.from_pretrained(tmp_path / "again").pad_token == "<|end|>"


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    folder = saved_policy(tmp_path / "p")
    for path in folder.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(BadInput, match="no tokenizer"):
        load_tokenizer(folder)


def test_a_stages_folder_is_told_where_its_model_is(tmp_path: Path) -> None:
    saved_policy(tmp_path / "model")
    with pytest.raises(BadInput) as caught:
        load_tokenizer(tmp_path)
    assert caught.value.remedy == f"This is a stage's folder; its model is {tmp_path / 'model'}."


def test_a_tokenizer_without_an_end_is_refused(tmp_path: Path) -> None:
    folder = saved_policy(tmp_path / "p")
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text())
    del config["eos_token"]
    path.write_text(json.dumps(config))
    with pytest.raises(BadInput, match="no end-of-sequence token"):
        load_tokenizer(folder)


def test_a_family_whose_head_is_elsewhere_is_refused(tmp_path: Path) -> None:
    folder = saved_policy(tmp_path)
    model = load_policy(folder, CPU)
    model.score = nn.Identity()
    with pytest.raises(BadInput, match="elsewhere than `score`"):
        score_head(model, folder)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_value_head_on_the_policy_is_saved_as_a_reward_model(family: str, tmp_path: Path) -> None:
    """Its body is the policy's own, its head 0; a saved copy says what the shared one did."""
    policy = make_policy(family)
    model = value_head_on(policy)
    batch = collate(make_rows(3, seed=2), 1, CPU)
    with torch.no_grad():
        assert (values(model, batch) == 0).all()
        model.score.weight.normal_()
        expected = values(model, batch)
    save_model(model, tokenizer(), tmp_path, "card")
    with torch.no_grad():
        assert torch.allclose(values(load_reward_model(tmp_path, CPU), batch), expected, atol=1e-6)
    body = policy.base_model_prefix
    assert getattr(model, body) is getattr(policy, body)
    assert policy.config is not model.config
