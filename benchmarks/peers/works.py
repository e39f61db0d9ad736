"""The rows of the table: what is measured, against whom, and what must agree for it to count."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.peers.job import Job

TRL = "trl116"
OLD_TRL = "trl112"
OURS = "ours"
"""Environments by name; ``ours`` is the one this runs in."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer's driver, the environment it runs in, and the settings it is tried with."""

    name: str
    driver: str
    environment: str
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"plain": {}})


@dataclass(frozen=True, slots=True)
class Work:
    """A piece of work. ``agreeing`` maps our curves to the peer's name and how far, as a share of
    the larger, they may lie apart in float32 at any step; ``loosely`` is for variants that put
    other rows into a step, or KTO's other mismatched answers, whose last losses are compared."""

    unit: str
    batch: int
    length: int
    driver: str
    peers: tuple[Peer, ...]
    agreeing: Mapping[str, tuple[str, float]]
    loosely: frozenset[str] = frozenset()
    epochs: int = 1
    samples: int = 1
    steps: int = 4
    trained: tuple[str, ...] = ("policy",)
    """Which models learn: ``policy``, ``reward`` (the value network starts as one too)."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Keys of our stage beyond its defaults; none of them changes what is learned."""
    in_bfloat16: Mapping[str, Any] = field(default_factory=dict)
    """Where others are faster in that format."""

    def job(self, name: str, precision: str, threads: int) -> Job:
        """Without files."""
        return Job(
            work=name,
            side="",
            variant="",
            model="",
            reward="",
            rows="",
            batch=self.batch,
            steps=self.steps,
            length=self.length,
            precision=precision,
            threads=threads,
            learning_rate=1e-4,
            epochs=self.epochs,
            samples=self.samples,
        )


OFFLINE = "benchmarks.peers.trl_offline"
ONLINE = "benchmarks.peers.trl_online"
STAGE = "benchmarks.peers.ours"
LOSS = {"loss": ("loss", 1e-3), "grad_norm": ("grad_norm", 1e-2)}
ANSWERS = {
    "rewards/vowels/mean": ("rewards/vowels/mean", 1e-3),
    "policy/grad_norm": ("grad_norm", 1e-2),
    "completions/mean_length": ("completions/mean_length", 1e-6),
}
IN_THE_LOSS = ANSWERS | {"kl": ("kl", 1e-2)}
PPO = {
    "objective/scores": ("objective/scores", 1e-2),
    "objective/entropy": ("objective/entropy", 1e-2),
    "objective/kl": ("objective/kl", 1e-1),
    "val/num_eos_tokens": ("val/num_eos_tokens", 1e-6),
}
SMALL = {"micro_batch_tokens": 1024}
"""Micro-batches that stay in a processor's cache; padding is left out of them anyway."""
TOLD = {"old_logprobs": "engine"}
"""The engine's own log-probabilities, proven in every iteration."""
WRITTEN = {"tokens": ("tokens", 1e-6)}

WORKS = {
    "reward_model": Work(
        "pairs", 16, 512, STAGE,
        (Peer("TRL 1.16", OFFLINE, TRL),),
        LOSS, trained=("reward",), settings=SMALL, in_bfloat16={"micro_batch_tokens": 2048},
    ),
    "dpo": Work(
        "pairs", 16, 512, STAGE,
        (Peer("TRL 1.16", OFFLINE, TRL,
              {"plain": {}, "precomputed": {"precompute_ref_log_probs": True}}),),
        LOSS, settings=SMALL,
    ),
    "kto": Work(
        "answers", 16, 512, STAGE,
        (Peer("TRL 1.16", OFFLINE, TRL,
              {"plain": {}, "precomputed": {"precompute_ref_log_probs": True}}),),
        LOSS, loosely=frozenset({"plain", "precomputed"}), settings=SMALL,
    ),
    "sft": Work(
        "rows", 16, 512, STAGE,
        (Peer("TRL 1.16", OFFLINE, TRL,
              {"plain": {}, "padding-free": {"padding_free": True, "max_length": None},
               "packed": {"packing": True}}),),
        LOSS, loosely=frozenset({"packed"}), settings=SMALL,
        in_bfloat16={"micro_batch_tokens": 4096},
    ),
    "rloo": Work(
        "samples", 32, 64, STAGE,
        (Peer("TRL 1.16", ONLINE, TRL),),
        ANSWERS, samples=4, settings=SMALL | TOLD,
    ),
    "grpo": Work(
        "samples", 32, 64, STAGE,
        (Peer("TRL 1.16", ONLINE, TRL),),
        IN_THE_LOSS, samples=4, settings=SMALL | TOLD,
    ),
    "ppo": Work(
        "samples", 16, 64, STAGE,
        (Peer("TRL 1.12", "benchmarks.peers.trl_ppo", OLD_TRL),),
        PPO, epochs=4, steps=3, trained=("policy", "reward"), settings=SMALL | TOLD,
    ),
    "generate": Work(
        "answers", 32, 96, "benchmarks.peers.generate_native",
        (Peer("model.generate", "benchmarks.peers.generate_transformers", OURS),
         Peer("vLLM", "benchmarks.peers.generate_vllm", "vllm")),
        WRITTEN, trained=(),
    ),
}  # fmt: skip
"""Every row by the name ``--work`` knows it by."""
