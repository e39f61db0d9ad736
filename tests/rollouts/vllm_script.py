"""What the proof of the vLLM engine runs where vLLM is installed: one JSON object on stdout.

``vllm_script.py local FOLDER`` starts vLLM in this process; ``vllm_script.py fleet FOLDER URL``
speaks to a server that was started with the model in ``FOLDER/start``.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from preftune.models import (
    Row,
    add_adapter,
    build_policy,
    collate,
    load_policy,
    load_tokenizer,
    renderer_for,
    response_logprobs,
)
from preftune.recipe import Adapter, Architecture, VLLMRollouts
from preftune.records import Prompt, RunFailed, Sampling
from preftune.rollouts import Backend, HostedEngine, VLLMBackend, VLLMFleet, WeightsFolder

CPU = torch.device("cpu")
SHAPE = Architecture(
    hidden_size=64, layers=2, heads=2, intermediate_size=96, context=64, initializer_range=0.2
)
PROMPTS = [Prompt(f"Order {n}: where is my lamp?"[: 6 + 3 * n]) for n in range(7)]
SAMPLING = Sampling(max_new_tokens=12, temperature=0.7, seed=11)


def parity(engine: HostedEngine, sampling: Sampling = SAMPLING) -> dict[str, Any]:
    """Largest difference of a sampled token's log-probability, and what was sampled."""
    completions = engine(PROMPTS, sampling)
    rows = [Row(one.prompt_token_ids, one.token_ids) for one in completions]
    batch = collate(rows, 1, CPU)
    ours = response_logprobs(engine.policy, batch, sampling.temperature)[batch.action_mask_BT]
    theirs = torch.tensor([number for one in completions for number in one.logprobs])
    return {
        "gap": float((ours - theirs).detach().abs().max()),
        "tokens": [one.token_ids for one in completions],
        "versions": sorted({one.policy_version for one in completions}),
        "reasons": [str(one.stop_reason) for one in completions],
    }


def become(policy: PreTrainedModel, seed: int) -> None:
    """The policy takes other weights, as after training."""
    other = build_policy(SHAPE, load_tokenizer(sys.argv[2] + "/start"), seed)
    with torch.no_grad():
        for ours, theirs in zip(policy.parameters(), other.parameters(), strict=True):
            ours.copy_(theirs)


def told(engine: HostedEngine, deaf: Any, name: str) -> dict[str, Any]:
    """Parity before and after weights arrive, with an adapter, and what is said when they do
    not; ``name`` is the method of ``deaf`` that brings them."""
    policy = engine.policy
    found: dict[str, Any] = {"first": parity(engine), "again": parity(engine)}
    become(policy, 1)
    engine.publish("iteration-1")
    found["second"] = parity(engine)
    stop = found["second"]["tokens"][1][2]
    found["stop"] = stop
    found["stopped"] = parity(engine, Sampling(12, 0.7, seed=11, stop_token_ids=(stop,)))
    add_adapter(policy, Adapter(rank=4), "policy", seed=1)
    with torch.no_grad():
        for key, parameter in policy.named_parameters():
            if "lora_B" in key:
                parameter += 0.2
    engine.publish("iteration-2")
    found["adapter"] = parity(engine)
    with torch.no_grad():
        for key, parameter in policy.named_parameters():
            if "lora_B" in key:
                parameter += 0.05
    setattr(deaf, name, lambda *_: None)
    try:
        engine.publish("iteration-3")
    except RunFailed as error:
        found["deaf"] = error.sentence
    return found


def main() -> None:
    way, folder = sys.argv[1], Path(sys.argv[2])
    start = folder / "start"
    policy = load_policy(start, CPU)
    tokenizer = load_tokenizer(start)
    renderer = renderer_for(policy, tokenizer, start)
    weights = WeightsFolder(folder / "weights", tokenizer)
    settings = VLLMRollouts(urls=tuple(sys.argv[3:]), dtype="float32")
    backend: Backend
    if way == "local":
        backend = VLLMBackend(settings, weights, renderer.context)
    else:
        backend = VLLMFleet(settings, weights)
    engine = HostedEngine(policy, renderer, "iteration-0", backend)
    found = told(engine, backend, "take")
    found["gaps"] = engine.gaps
    backend.close()
    found["left"] = [path.name for path in (folder / "weights").iterdir()]
    print("\n" + json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
