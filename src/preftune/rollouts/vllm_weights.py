"""The policy's weights as a folder that vLLM reads in place."""

import shutil
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from preftune.models import save_model


class WeightsFolder:
    """One folder a version inside ``root``; only the newest is kept.

    An adapter is merged: an engine need not know of it.
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
        shutil.rmtree(before, ignore_errors=True)
        return folder

    def clear(self) -> None:
        shutil.rmtree(self.root / f"weights-{self.written}", ignore_errors=True)
