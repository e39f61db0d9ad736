"""Policies that people talk with: a model of one's own, or an endpoint's."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from preftune.judging import HttpGenerate
from preftune.models import load_tokenizer, renderer_for
from preftune.pipeline.measure import torch_device
from preftune.pipeline.profiles import open_profiled
from preftune.recipe.profiles import with_said
from preftune.records import BadInput, Completion, Generate, Prompt, Sampling, Text
from preftune.rollouts import NativeEngine

HTTP = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class Talker:
    """A model that answers turns; without a chat template they are joined by line ends."""

    engine: NativeEngine
    said: str = ""

    def __call__(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Completion]:
        """The completions of the prompts as they came; a long one loses its start."""
        room = self.engine.renderer.context - sampling.max_new_tokens
        if room < 1:
            raise BadInput("The model's context leaves no room for a message.")
        self.engine.longest_prompt = room
        asked = [Prompt(self._text(prompt), prompt.columns) for prompt in prompts]
        written = self.engine(asked, sampling)
        return [replace(c, prompt=p) for c, p in zip(written, prompts, strict=True)]

    def _text(self, prompt: Prompt) -> Text:
        text = with_said(prompt.text, self.said)
        if isinstance(text, str) or self.engine.renderer.tokenizer.chat_template is not None:
            return text
        return "\n".join(turn.content for turn in text)


def open_talker(source: str, *, key_env: str | None = None, device: str = "auto") -> Generate:
    """A policy by its folder, with or without a profile, or ``http://HOST/v1#MODEL``."""
    if source.startswith(HTTP):
        base_url, hash_, model = source.partition("#")
        if not hash_ or not model:
            raise BadInput(
                f"{source!r} names no model of the endpoint.",
                remedy="Write http://127.0.0.1:8000/v1#NAME.",
            )
        return HttpGenerate(base_url, model, key_env)
    opened = open_profiled(Path(source) if Path(source).exists() else source, torch_device(device))
    tokenizer = load_tokenizer(str(opened.folder).removeprefix("hub:"))
    renderer = renderer_for(opened.policy, tokenizer, opened.folder)
    return Talker(NativeEngine(opened.policy, renderer, str(opened.folder)), opened.said)
