"""How much memory a stage will need at its peak, for ``preftune doctor``. Arithmetic, no torch.

A stage holds its networks, and of what learns the gradient and Adam's two moments; a step adds
what the backward pass keeps of the largest micro-batch; a validation keeps the best weights; a
checkpoint copies what it writes. The coefficients are bytes that PyTorch keeps for the gradient,
counted layer by layer (:data:`KEPT`), and what a process holds before it has a model.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from preftune.recipe import (
    ILQL,
    NLPO,
    SFT,
    SPIN,
    Adapting,
    Architecture,
    Computing,
    OfflineSettings,
    OnPolicy,
    OnPolicyWithCritic,
    Pretrain,
    Recipe,
    RejectionSampling,
    RewardModel,
    Section,
    Source,
)

PROCESS = 600 * 2**20
"""Python, torch, transformers and their threads before any model."""
FLOAT, HALF, NF4 = 4, 2, 0.516
KEPT: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "llama": {"float32": (32, 16), "bfloat16": (30, 8)},
    "qwen3": {"float32": (40, 16), "bfloat16": (43, 8)},
    "gpt2": {"float32": (32, 8), "bfloat16": (30, 4)},
}
"""Family → number format → bytes kept for each token and layer: a unit of hidden size, of inner
size. In bfloat16 as on a processor, whose attention is in float32; a GPU keeps 10 bytes less."""
NOT_GIVEN_BACK = 0.4
"""Share of freed memory that the allocator holds on to, measured."""
IN_PIECES = 0.75
"""Share of a step's memory that is no room for a merged weight, measured."""
MAPPED = 32 * 2**20
"""Bytes from which on glibc gives a table pages of its own, and back to the system once freed."""
HOLES: Mapping[str, float] = {"llama": 0.6, "qwen3": 0.6, "gpt2": 0.3}
"""Of what the backward pass keeps in smaller tables, the share that lies free between them, by
measurement: an adapter's short-lived tables leave gaps among those that are kept, and an aligned
table does not fit again into the gap of one as large. Without an adapter it is a fifth to two
fifths, which is not counted: gradients and moments take room there too."""
ENDS = ("embed_tokens", "wte", "wpe", "lm_head")
"""Modules of a network, by the names families give them, that get no adapter."""
FEW_LOGITS = 2**23
LOGIT_COPIES = 5
"""Tables of [tokens, vocabulary] alive at once around a loss that holds its logits."""
KEPT_LOGITS = 2**25
"""Up to so many are kept for the gradient, beside two tables of the few that are made at once."""


@dataclass(frozen=True, slots=True)
class Network:
    """What a model's memory depends on."""

    family: str
    hidden: int
    inner: int
    layers: int
    vocabulary: int
    context: int
    weights: int
    """Numbers in all."""
    embeddings: int
    """Of them, those of tokens, of places and of a head of its own, which no adapter lies over."""

    @property
    def packed(self) -> float:
        """Bytes of the weights where those beneath adapters are held in four bits."""
        return FLOAT * self.embeddings + NF4 * (self.weights - self.embeddings)

    def kept(self, tokens: int, settings: Computing, half: bool) -> float:
        """Bytes a backward pass keeps of this many tokens."""
        layer = sum(self.layer(half))
        ends = 3 * FLOAT * self.hidden
        if settings.activation_checkpointing:
            return tokens * (self.layers * FLOAT * self.hidden + layer + ends)
        inside = self.weights - self.vocabulary * self.hidden
        copies = HALF * inside if half else 0
        return tokens * (self.layers * layer + ends) + copies

    def holes(self, tokens: int, settings: Computing, half: bool) -> float:
        """Bytes that stay free between what a backward pass with an adapter keeps."""
        if settings.activation_checkpointing:
            return 0.0
        number = HALF if half else FLOAT
        sides = zip(self.layer(half), (self.hidden, self.inner), strict=True)
        small = sum(kept for kept, width in sides if tokens * width * number < MAPPED)
        return HOLES.get(self.family, HOLES["llama"]) * tokens * self.layers * small

    def layer(self, half: bool) -> tuple[float, float]:
        """Bytes kept of a token in a layer: in tables of hidden size, and of inner size."""
        formats = KEPT.get(self.family, KEPT["llama"])
        per_hidden, per_inner = formats["bfloat16" if half else "float32"]
        return per_hidden * self.hidden, per_inner * self.inner

    def adapted(self, rank: int) -> int:
        """Numbers in adapters of this rank on every linear layer."""
        attention = 4 * 2 * self.hidden * rank
        wide = 2 if self.family == "gpt2" else 3
        return self.layers * (attention + wide * (self.hidden + self.inner) * rank)


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes a stage needs at its peak, and what they are for."""

    networks: int
    learning: int
    step: int
    copies: int
    loading: int = 0
    """While a network that will be held in four bits is read in whole."""
    merged: int = 0
    """The weights that are saved where an adapter is merged into them."""

    @property
    def peak(self) -> int:
        """While a step is taken, while a checkpoint is written, of which the allocator keeps a
        part of the lesser, while a model is read in, or while a merged one is saved."""
        more, less = max(self.step, self.copies), min(self.step, self.copies)
        working = self.networks + self.learning + more + NOT_GIVEN_BACK * less
        saving = self.networks + self.learning + self.merged + IN_PIECES * self.step
        return int(PROCESS + max(working, self.loading, saving))


def network_of_architecture(made: Architecture, vocabulary: int, weights: int) -> Network:
    ends = 1 if made.tie_word_embeddings else 2
    places = made.context if made.family == "gpt2" else 0
    return Network(
        made.family,
        made.hidden_size,
        made.intermediate_size,
        made.layers,
        vocabulary,
        made.context,
        weights,
        made.hidden_size * (ends * vocabulary + places),
    )


def network_of_folder(folder: Path) -> Network | None:
    """Read off config.json and the weights' size; None where that is not a model folder."""
    try:
        read = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        sizes = [of_one for file in folder.glob("*.safetensors") for of_one in _sizes(file)]
    except (OSError, ValueError):
        return None
    hidden = int(read.get("hidden_size") or read.get("n_embd") or 0)
    if not sizes or not hidden:
        return None
    return Network(
        family=str(read.get("model_type", "llama")),
        hidden=hidden,
        inner=int(read.get("intermediate_size") or read.get("n_inner") or 4 * hidden),
        layers=int(read.get("num_hidden_layers") or read.get("n_layer") or 1),
        vocabulary=int(read.get("vocab_size", 0)),
        context=int(read.get("max_position_embeddings") or read.get("n_positions") or 2048),
        weights=sum(size for _, size in sizes),
        embeddings=sum(size for name, size in sizes if name in ENDS),
    )


def _sizes(file: Path) -> Iterator[tuple[str, int]]:
    """The module and the count of numbers of each table in a safetensors file, by its header."""
    with file.open("rb") as stored:
        length = int.from_bytes(stored.read(8), "little")
        header = json.loads(stored.read(min(length, file.stat().st_size)))
    for name, table in header.items():
        if name != "__metadata__":
            yield name.rpartition(".")[0].rpartition(".")[2], prod(table["shape"])


def need_of(settings: Section, network: Network, half: bool) -> Need | None:
    """What a training stage needs; None for a stage that trains nothing."""
    if not isinstance(settings, Computing):
        return None
    adapter = settings.adapter if isinstance(settings, Adapting) else None
    trained = network.weights if adapter is None else network.adapted(adapter.rank)
    learners = 2 if _separate_value(settings) else 1
    whole, packed = _networks(settings, adapter is not None), 0
    if adapter is not None and adapter.quantize:
        packed = learners + isinstance(settings, NLPO)
    held = FLOAT * network.weights * (whole - packed) + network.packed * packed
    if adapter is not None:
        held += FLOAT * trained * learners
    tokens = _micro_batch(settings, network)
    step = FLOAT * trained * learners + network.kept(tokens, settings, half)
    if adapter is not None:
        step += network.holes(tokens, settings, half)
    logits = _responses(settings, tokens) * network.vocabulary
    if _has_head(settings):
        step += FLOAT * _logits_held(logits)
    best = trained if _keeps_best(settings) else 0
    return Need(
        networks=int(held),
        learning=2 * FLOAT * trained * learners + FLOAT * best,
        step=int(step),
        copies=2 * 2 * FLOAT * trained,
        loading=FLOAT * network.weights + int(held - network.packed) if packed else 0,
        merged=FLOAT * network.weights if adapter is not None and adapter.merge else 0,
    )


def _networks(settings: Section, adapted: bool) -> int:
    """Whole networks in memory."""
    reference = 0 if adapted else 1
    if isinstance(settings, OnPolicy):
        scored = settings.reward_model is not None
        scored_too = sum(reward.model is not None for reward in settings.rewards.values())
        masked = isinstance(settings, NLPO)
        return 1 + reference + scored + scored_too + masked + _separate_value(settings)
    if isinstance(settings, RejectionSampling):
        return 1 + (settings.reward_model is not None)
    return 1


def _separate_value(settings: Section) -> bool:
    return isinstance(settings, OnPolicyWithCritic) and settings.value == "separate"


def _keeps_best(settings: Section) -> bool:
    kinds = SFT | RewardModel | OfflineSettings
    return isinstance(settings, kinds) and settings.validation is not None


def _logits_held(logits: int) -> int:
    """The most at once, in tables of all of them or of a part."""
    held = LOGIT_COPIES * min(logits, FEW_LOGITS)
    return max(held, logits + 2 * FEW_LOGITS) if FEW_LOGITS < logits <= KEPT_LOGITS else held


def _has_head(settings: Section) -> bool:
    return not isinstance(settings, RewardModel)


def _micro_batch(settings: Section, network: Network) -> int:
    """Tokens that go through at once, at most: a step may have fewer."""
    most = int(getattr(settings, "micro_batch_tokens", 8192))
    longest = min(int(getattr(settings, "max_length", None) or network.context), network.context)
    if isinstance(settings, Pretrain):
        return min(most, settings.batch_tokens)
    rows = int(getattr(settings, "batch_size", 0))
    if isinstance(settings, OnPolicy):
        rows = settings.rollouts // settings.minibatches
    if isinstance(settings, OfflineSettings | RewardModel):
        rows *= 2
    return min(max(most, longest), max(rows, 1) * longest)


def _responses(settings: Section, tokens: int) -> int:
    """Of them, those a token is predicted at."""
    if isinstance(settings, Pretrain | ILQL | SFT | SPIN):
        return tokens
    return tokens // 2


def source_of_network(settings: Section) -> Source | None:
    """Where the network that learns comes from."""
    found = getattr(settings, "policy", None) or getattr(settings, "model", None)
    return found if isinstance(found, Source) else None


def networks_of(recipe: Recipe, made: Mapping[str, int]) -> dict[str, Network]:
    """The network each training stage works on, where it can be told before anything ran.

    ``made`` are the weights of the stages that make one from scratch.
    """
    found: dict[str, Network] = {}
    for name, settings in recipe.stages.items():
        if isinstance(settings, Pretrain):
            shape, words = settings.architecture, settings.vocab_size
            found[name] = network_of_architecture(shape, words, made[name])
            continue
        source = source_of_network(settings)
        if source is None:
            continue
        if source.stage is not None:
            network = found.get(source.stage[0])
        else:
            network = network_of_folder(_place(source, recipe))
        if network is not None:
            found[name] = network
    return found


def _place(source: str, recipe: Recipe) -> Path:
    if source.startswith("data:"):
        return Path(recipe.data.root or ".").expanduser() / source.removeprefix("data:")
    return Path(source.removeprefix("hub:")).expanduser()


def what_to_change(settings: Section, need: Need) -> str:
    """The key that saves the most of what this stage needs."""
    adapter = settings.adapter if isinstance(settings, Adapting) else None
    if isinstance(settings, Adapting) and adapter is None and need.learning > need.step:
        return "set adapter = { rank = 16, alpha = 32 }, or take a smaller model"
    if adapter is not None and not adapter.quantize and need.networks > need.step:
        return 'set adapter.quantize = "nf4" and adapter.merge = false, or take a smaller model'
    if not getattr(settings, "activation_checkpointing", True):
        return "set activation_checkpointing = true, or lower micro_batch_tokens"
    return "lower micro_batch_tokens, or take a smaller model"
