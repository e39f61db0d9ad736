"""The inputs of both sides: models with random weights, rows that fit, the order they are read in.

Models and a tokenizer are made from the data, in a folder, once. Rows are those whose ids are the
same whether prompt and response are tokenised apart or together, so that no side reads others.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, PretrainedConfig

from benchmarks.peers.job import Job
from benchmarks.peers.ours import STAGE
from preftune.artifacts import derive_seed
from preftune.data import load
from preftune.models import (
    Renderer,
    load_policy,
    load_tokenizer,
    renderer_for,
    reward_model_from,
    save_model,
)
from preftune.models.tokenizers import train_tokenizer
from preftune.records import Comparison
from preftune.training.order import shuffled

CPU = torch.device("cpu")
VOCABULARY = 8192
CONTEXT = 1024


def llama(hidden: int, layers: int, inner: int) -> dict[str, Any]:
    return {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": hidden // 64,
        "num_key_value_heads": hidden // 64,
        "intermediate_size": inner,
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": False,
    }


SIZES = {"2m": llama(64, 2, 192), "17m": llama(384, 6, 1024), "124m": {}} | {
    f"w{width}": llama(width, 4, 3 * width) for width in (128, 256, 512, 1024)
}
"""Llamas with 8,192 tokens; ``124m`` is GPT-2 with its own 50,257 embeddings. ``2m`` is for
trying things out, ``w…`` for how cost grows with width."""


def configuration(size: str, special: dict[str, int]) -> PretrainedConfig:
    if size == "124m":
        silent = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
        return GPT2Config(**silent, **special)
    return LlamaConfig(**SIZES[size], vocab_size=VOCABULARY, **special)


def make_models(folder: Path, size: str, texts: Iterable[str]) -> tuple[Path, Path]:
    """A policy and a reward model over the same body, made once in ``folder``."""
    policy, reward = folder / f"policy-{size}", folder / f"reward-{size}"
    if (reward / "README.md").exists():
        return policy, reward
    tokenizer = train_tokenizer(texts, VOCABULARY)
    end, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    ids = {"bos_token_id": end, "eos_token_id": end, "pad_token_id": pad}
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(configuration(size, ids))
    policy.mkdir(parents=True, exist_ok=True)
    save_model(model, tokenizer, policy, "Random weights.")
    reward.mkdir(exist_ok=True)
    save_model(reward_model_from(policy, CPU, seed=1), tokenizer, reward, "Random weights.")
    return policy, reward


@dataclass(frozen=True, slots=True)
class Plan:
    """A job without its files, and where they are to be."""

    job: Job
    folder: Path
    data: Path
    size: str


@cache
def comparisons(path: Path) -> list[tuple[str, str, str]]:
    """(prompt, chosen, rejected) texts; answers begin with a space, as prompts end with none."""
    found = []
    for one in load(Comparison, path, skip_bad=10**6).records:
        prompt = one.prompt.text
        if isinstance(prompt, str):
            answers = [answer if answer[:1].isspace() else " " + answer
                       for answer in (one.chosen, one.rejected)]  # fmt: skip
            found.append((prompt, *answers))
    return found  # type: ignore[return-value]


def same_apart(renderer: Renderer, prompt: str, answer: str) -> bool:
    together = renderer.completion_ids(prompt + answer)
    return (*renderer.prompt_ids(prompt), *renderer.completion_ids(answer)) == together


def fits(renderer: Renderer, row: Sequence[str], longest: int) -> bool:
    prompt, *answers = row
    length = max(len(renderer.completion_ids(prompt + answer)) for answer in answers)
    return length <= longest and all(same_apart(renderer, prompt, a) for a in answers)


def supervised_rows(plan: Plan, renderer: Renderer) -> list[dict[str, Any]]:
    """As many rows as the steps need, the first that fit; for KTO every other answer is the
    rejected one."""
    wanted, rows = plan.job.batch * plan.job.steps, []
    for row in comparisons(plan.data):
        if fits(renderer, row, plan.job.length):
            prompt, chosen, rejected = row
            given = {"prompt": prompt, "chosen": chosen, "rejected": rejected}
            liked = len(rows) % 2 == 0
            answer = {"prompt": prompt, "completion": chosen if liked else rejected, "label": liked}
            sft = {"prompt": prompt, "completion": chosen}
            rows.append({"sft": sft, "kto": answer}.get(plan.job.work, given))
        if len(rows) == wanted:
            return rows
    raise SystemExit(f"{plan.data}: {len(rows)} rows fit into {plan.job.length} tokens, "
                     f"and {wanted} are needed")  # fmt: skip


def prompt_rows(
    plan: Plan, renderer: Renderer, shortest: int, longest: int
) -> list[dict[str, str]]:
    """Distinct prompts of these lengths in tokens: all that an iteration needs, and no more."""
    wanted = plan.job.batch // plan.job.samples
    texts = dict.fromkeys(row[0] for row in comparisons(plan.data))
    fitting = [t for t in texts if shortest <= len(renderer.prompt_ids(t)) <= longest]
    if len(fitting) < wanted:
        raise SystemExit(f"{plan.data}: {len(fitting)} prompts have {shortest} to {longest} "
                         f"tokens, and {wanted} are needed")  # fmt: skip
    return [{"prompt": text} for text in fitting[:wanted]]


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> str:
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    path.write_text("".join(lines), encoding="utf-8")
    return str(path)


def write_script(path: Path, renderer: Renderer, rows: Sequence[dict[str, str]]) -> str:
    tokenizer = renderer.tokenizer
    special = max(tokenizer.all_special_ids)
    told = {
        "prompts": [renderer.prompt_ids(row["prompt"]) for row in rows],
        "first_token": special + 1,
        "tokens": len(tokenizer),
        "end": tokenizer.eos_token_id,
    }
    path.write_text(json.dumps(told), encoding="utf-8")
    return str(path)


def prepare(plan: Plan) -> dict[str, Job]:
    """The jobs of both sides, their files written: ``ours`` and ``peer``."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    texts = [text for row in comparisons(plan.data) for text in row]
    policy, reward = make_models(plan.folder, plan.size, texts)
    renderer = renderer_for(load_policy(policy, CPU), load_tokenizer(policy), policy)
    job = replace(plan.job, model=str(policy), reward=str(reward))
    stem = f"{job.work}-{job.batch}x{job.steps}-{job.length}"
    if job.work in ("ppo", "rloo", "grpo", "generate"):
        rows = prompt_rows(plan, renderer, 16, 128 if job.work == "generate" else 64)
        script = write_script(plan.folder / f"{stem}-script.json", renderer, rows)
        both = replace(job, rows=write_rows(plan.folder / f"{stem}.jsonl", rows), script=script)
        return {"ours": both, "peer": both}
    rows = supervised_rows(plan, renderer)
    order = shuffled(len(rows), derive_seed(job.seed, STAGE), 0)
    theirs = write_rows(plan.folder / f"{stem}-peer.jsonl", [rows[i] for i in order])
    ours = write_rows(plan.folder / f"{stem}-ours.jsonl", rows)
    return {"ours": replace(job, rows=ours), "peer": replace(job, rows=theirs)}
