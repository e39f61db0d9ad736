"""Useful work: the floating-point operations that a step cannot do without.

Every real token goes once through each network that the method reads, and a prompt once for all its
responses. A forward pass multiplies and adds once a parameter and token (2 operations), the output
head at response tokens only, and so the last layer behind its attention (a reward model reads one
state a response); attention reads each pair of a token and one before it twice (4
operations a layer and channel). Learning is three forward passes. Padding, a pass made again, and
log-probabilities the engine has told already count for nothing. Elementwise work is left out.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from safetensors import safe_open

from benchmarks.peers.job import Job
from benchmarks.peers.script import read_script

Group = tuple[int, Sequence[int]]
"""Tokens of a prompt, and of each response to it."""
LEARNING = 3
"""A backward pass takes two products for each of the forward pass."""


@dataclass(frozen=True, slots=True)
class Network:
    """Parameters that multiply, in the body and in the output head; the attention's size."""

    body: int
    head: int
    layers: int
    width: int
    end: int
    """Of the body's, those behind the last attention."""
    reads_ends: bool = False
    """Whether of a response its last state alone is read."""

    def forward(self, groups: Iterable[Group]) -> int:
        """Operations of one forward pass over these rows."""
        total = 0
        for prompt, responses in groups:
            written = sum(responses)
            pairs = prompt * prompt / 2 + sum(r * prompt + r * r / 2 for r in responses)
            read = len(responses) if self.reads_ends else written
            total += 2 * (self.body - self.end) * (prompt + written)
            total += 2 * self.end * read + 2 * self.head * written
            total += int(4 * self.layers * self.width * pairs)
        return total

    def learn(self, groups: Iterable[Group]) -> int:
        """Operations of a forward and a backward pass."""
        return LEARNING * self.forward(groups)


def network(folder: str | Path) -> Network:
    """The network of a model folder: its matrices, looked up in the file, not loaded."""
    told = json.loads(Path(folder, "config.json").read_text(encoding="utf-8"))
    body = head = embedded = end = 0
    layers = told.get("num_hidden_layers") or told["n_layer"]
    with safe_open(Path(folder, "model.safetensors"), "pt") as file:
        for name in file.keys():  # noqa: SIM118  (a safetensors file is no mapping)
            shape = file.get_slice(name).get_shape()
            if len(shape) != 2:
                continue
            size = shape[0] * shape[1]
            if name.endswith(("embed_tokens.weight", "wte.weight")):
                embedded = size
            elif name.startswith(("lm_head", "score")):
                head = size
            elif "wpe" not in name:
                body += size
                end += size * (f".{layers - 1}.mlp." in name)
    width = told.get("hidden_size") or told["n_embd"]
    scores = "SequenceClassification" in told["architectures"][0]
    return Network(body, 0 if scores else head or embedded, layers, width, end)


def written_groups(job: Job, turn: int) -> list[Group]:
    """Prompts and scripted responses of one iteration."""
    told = json.loads(Path(job.script).read_text(encoding="utf-8"))["prompts"]
    prompts = [tuple(ids) for ids in told for _ in range(job.samples)]
    rows = read_script(job.script).table(prompts, job.length, job.samples, job.lengths, turn)
    sizes = [len(row) for row in rows]
    return [
        (len(ids), sizes[index * job.samples : (index + 1) * job.samples])
        for index, ids in enumerate(told)
    ]


def useful_on_policy(job: Job) -> dict[str, int]:
    """Operations of the timed iterations by phase: generate, score, credit, update."""
    policy, critic = network(job.model), network(job.reward)
    timed = [written_groups(job, turn) for turn in range(1, job.steps)]
    groups = [group for one in timed for group in one]
    found = {"generate": policy.forward(groups)}
    if job.work == "generate":
        return found
    found |= {"score": policy.forward(groups), "update": job.epochs * policy.learn(groups)}
    if job.work == "ppo":
        found["score"] += critic.forward(groups)
        found["credit"] = critic.forward(groups)
        found["update"] += job.epochs * critic.learn(groups)
    return found


def useful_offline(job: Job, steps: Sequence[Sequence[Group]]) -> dict[str, int]:
    """Operations of the timed steps, and of the reference's pass over all rows."""
    timed = [group for step in steps[1:] for group in step]
    learner = network(job.reward if job.work == "reward_model" else job.model)
    if job.work == "reward_model":
        learner = replace(learner, head=0, reads_ends=True)
    found = {"update": learner.learn(timed)}
    if job.work == "dpo":
        found["reference"] = learner.forward(group for step in steps for group in step)
    if job.work == "kto":  # mismatched answers, as many and as long, are read and not learned from
        found["update"] += learner.forward(timed)
        found["reference"] = 2 * learner.forward(group for step in steps for group in step)
    return found
