"""The policy's weights as a folder that vLLM reads in place."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from preftune.artifacts import write_json_atomic
from preftune.models import save_model

BODY, HEAD = "model-body.safetensors", "model-head.safetensors"


class WeightsFolder:
    """One folder a version inside ``root``; only the newest is kept.

    An adapter is merged: an engine need not know of it. A head that is the embeddings is written
    as a matrix of its own: vLLM for processors packs the head once and, when weights are
    replaced, packs it again only where it finds it among them.
    """

    def __init__(self, root: Path, tokenizer: PreTrainedTokenizerBase) -> None:
        self.root, self.tokenizer = root, tokenizer
        self.written = 0

    def write(self, policy: PreTrainedModel) -> Path:
        """The policy as it is now, as an ordinary model folder."""
        before = self.root / f"weights-{self.written}"
        self.written += 1
        folder = self.root / f"weights-{self.written}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        save_model(policy, self.tokenizer, folder, "The policy while it is trained.\n")
        _untie(policy, folder)
        shutil.rmtree(before, ignore_errors=True)
        return folder

    def clear(self) -> None:
        shutil.rmtree(self.root / f"weights-{self.written}", ignore_errors=True)


def _untie(policy: PreTrainedModel, folder: Path) -> None:
    """The output embeddings beside the input embeddings, in a file of their own."""
    head = policy.get_output_embeddings()
    if not policy.config.tie_word_embeddings or not isinstance(head, nn.Module):
        return
    name = next(path for path, part in policy.named_modules() if part is head) + ".weight"
    weight = head.weight
    assert isinstance(weight, torch.Tensor)
    tensors = {name: weight.detach().cpu().contiguous().clone()}
    save_file(tensors, folder / HEAD, metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    write_json_atomic(folder / "config.json", config | {"tie_word_embeddings": False})
    index = folder / "model.safetensors.index.json"
    listed: dict[str, Any] = {"metadata": {}, "weight_map": {}}
    if index.exists():
        listed = json.loads(index.read_text(encoding="utf-8"))
    else:
        (folder / "model.safetensors").rename(folder / BODY)
        with safe_open(folder / BODY, framework="pt") as body:
            listed["weight_map"] = dict.fromkeys(body.keys(), BODY)
    listed["weight_map"][name] = HEAD
    write_json_atomic(index, listed)
