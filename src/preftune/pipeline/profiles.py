"""A model by its name and a preference profile: ``MODEL@helpful=.7,harmless=.3``.

A file of profiles names policies tuned from one start, whose weights are interpolated when they
are loaded; a model that was trained with the weights in its prompt is told them there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from transformers import PreTrainedModel

from preftune.models import load_policy, load_soup
from preftune.pipeline.origins import model_folder, start_of
from preftune.recipe.profiles import (
    Profiles,
    Weights,
    load_profiles,
    profile_of,
    profile_text,
    said_as,
    split_profile,
    with_weights,
)
from preftune.recipe.several_objectives import WeightsInPrompt
from preftune.records import BadInput, Prompt
from preftune.rewards import WEIGHTS

KEY = "weights_in_prompt"
"""In a model's config.json: the parts and the words it was trained with."""
SUFFIX = ".toml"


@dataclass(frozen=True, slots=True)
class Profiled:
    """A policy, the folder of its tokenizer, and what goes before the first turn of a user."""

    policy: PreTrainedModel
    folder: str | Path
    said: str = ""


def open_profiled(model: str | Path, device: torch.device) -> Profiled:
    """A policy's folder, a stage's folder or ``hub:NAME``, with or without a profile.

    Without one a file of profiles and a model with weights in its prompt weigh all alike. Raises
    :class:`BadInput` for a profile of a model that has none.
    """
    plain, profile = _split(model)
    if str(plain).endswith(SUFFIX):
        return _soup(load_profiles(plain), profile, device)
    folder = model_folder(plain)
    policy = load_policy(folder, device)
    weighed = weights_in_prompt(policy)
    if weighed is None and profile is not None:
        raise BadInput(
            "This model was not trained with weights in its prompt, so it has no profiles.",
            file=folder,
            remedy="Leave the profile out, or name a file of profiles.",
        )
    if weighed is None:
        return Profiled(policy, folder)
    weights = _weights(profile, weighed.parts)
    return Profiled(policy, folder, said_as(weighed.words, weights))


def weights_in_prompt(policy: PreTrainedModel) -> WeightsInPrompt | None:
    """What a policy was trained to read in its prompt, None where nothing."""
    given = getattr(policy.config, KEY, None)
    return None if given is None else WeightsInPrompt.model_validate(given)


class Told(NamedTuple):
    """Prompts as a policy reads them, and the words before each where there are some."""

    prompts: list[Prompt]
    words: str | None


def told_weights(
    prompts: Sequence[Prompt], weights: Weights | None, policy: PreTrainedModel
) -> Told:
    """Every prompt with a profile before it, for a policy that was trained to read one.

    Without a profile all parts count alike. Raises :class:`BadInput` for weights that the policy
    does not know, and for a policy that knows none.
    """
    weighed = weights_in_prompt(policy)
    if weighed is None:
        if weights is not None:
            raise BadInput("A policy with a profile was not trained with weights in its prompt.")
        return Told(list(prompts), None)
    mix = _weights(None if weights is None else profile_text(weights), weighed.parts)
    return Told(
        [
            Prompt(with_weights(p.text, weighed.words, mix), {**p.columns, WEIGHTS: mix})
            for p in prompts
        ],
        weighed.words,
    )


def require_one_start(policies: Profiles) -> None:
    """Raises :class:`BadInput` where the manifests say that policies began differently."""
    starts = {name: start_of(folder) for name, folder in policies.policies.items()}
    known = {start for start in starts.values() if start is not None}
    if len(known) > 1:
        listed = ", ".join(f"{name} from {start[:12]}" for name, start in starts.items() if start)
        raise BadInput(
            f"The policies were not tuned from one start: {listed}.",
            remedy="Mixed weights mean something only where all began as the same model.",
        )


def _soup(profiles: Profiles, profile: str | None, device: torch.device) -> Profiled:
    require_one_start(profiles)
    folders = {name: model_folder(source) for name, source in profiles.policies.items()}
    weights = _weights(profile, tuple(folders))
    return Profiled(load_soup(folders, weights, device), next(iter(folders.values())))


def _weights(profile: str | None, names: tuple[str, ...]) -> Weights:
    if profile is None:
        return dict.fromkeys(names, 1 / len(names))
    return profile_of(profile, names)


def _split(model: str | Path) -> tuple[str | Path, str | None]:
    if isinstance(model, Path) or Path(model).exists():
        return model, None
    return split_profile(model)
