"""Candidates: the best of several by a reward model, and text guided by a model's values."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from preftune.artifacts import derive_seed
from preftune.data import load_prompts
from preftune.models import load_policy, load_reward_model, load_tokenizer, load_value_heads
from preftune.models.rendering import Renderer
from preftune.monitoring import Console
from preftune.pipeline.conversation import Wishes, open_conversation
from preftune.pipeline.measure import Drawing, evaluate_policy
from preftune.pipeline.run import Desk, run_recipe
from preftune.recipe import parse_recipe
from preftune.records import BadInput, Sampling
from preftune.rewards import RewardModelScore
from preftune.rollouts import NativeEngine
from tests.models.made import CPU, TEXTS

RECIPE = """
machine = { threads = 1, device = "cpu" }

[stages.base]
kind = "pretrain"
architecture = { hidden_size = 32, layers = 1, heads = 2, intermediate_size = 32, context = 48 }
vocab_size = 300
data = ["data:documents.jsonl"]
steps = 4
batch_tokens = 128

[stages.reward]
kind = "reward_model"
model = "stage:base"
train = "data:pairs.jsonl"
batch_size = 4

[stages.ilql]
kind = "ilql"
model = "stage:base"
train = "data:rewarded.jsonl"
epochs = 4
batch_size = 8
value_guidance = 5.0

[stages.candidates]
kind = "candidates"
policies.base = { model = "stage:base", temperatures = [1.0], samples = 1, best_of = 5 }
policies.ilql = { model = "stage:ilql", temperatures = [1.0], samples = 1 }
reward_model = "stage:reward"
prompts = "data:prompts.jsonl"
sampling = { max_new_tokens = 6 }

[stages.evaluation]
kind = "evaluate"
policies = { base = "stage:base", ilql = "stage:ilql" }
reference = "base"
prompts = "data:prompts.jsonl"
sampling = { max_new_tokens = 6 }
"""


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    rows: dict[str, list[dict[str, Any]]] = {
        "documents": [{"text": text} for text in TEXTS],
        "pairs": [{"prompt": t[:15], "chosen": t[15:], "rejected": "No."} for t in TEXTS[:8]],
        "rewarded": [
            {"prompt": t[:15], "completion": t[15:], "reward": float(n % 3)}
            for n, t in enumerate(TEXTS[:16])
        ],
        "prompts": [{"prompt": text[:15], "id": str(n)} for n, text in enumerate(TEXTS[:6])],
    }
    for name, lines in rows.items():
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (data / f"{name}.jsonl").write_text(text)
    recipe = parse_recipe(RECIPE, [f"data.root={data}"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("preftune.pipeline.summary.write_report", lambda out: None)
        run_recipe(recipe, RECIPE, data / "run", Desk(Console("silent")))
    return data / "run" / "stages"


def engine_of(folder: Path) -> NativeEngine:
    policy = load_policy(folder, CPU)
    heads = load_value_heads(folder, policy)
    return NativeEngine(policy, Renderer(load_tokenizer(folder), 48), "v", value_heads=heads)


def written(stages: Path) -> list[list[dict[str, Any]]]:
    lines = (stages / "04-candidates" / "candidates.jsonl").read_text().splitlines()
    return [json.loads(line)["completions"] for line in lines]


def test_a_candidate_is_the_best_of_its_draws(stages: Path) -> None:
    engine = engine_of(stages / "01-base" / "model")
    prompts = load_prompts_of(stages)
    seed = derive_seed(derive_seed(0, "candidates"), "sample", "base", "1.0", 0)
    drawn = engine([p for p in prompts for _ in range(5)], Sampling(6, seed=seed))
    source = stages / "02-reward" / "model"
    renderer = Renderer(load_tokenizer(source), 48)
    axes = RewardModelScore(load_reward_model(source, CPU), renderer, same_ids=False)(drawn)
    scores = [a["score"] for a in axes if a is not None]
    for place, (base, _) in enumerate(written(stages)):
        own = range(5 * place, 5 * place + 5)
        best = max(own, key=lambda index: scores[index])
        assert base["text"] == drawn[best].text
        assert base["best_of"] == 5 and base["policy"] == "base"


def test_a_model_with_values_writes_by_its_own_guidance(stages: Path) -> None:
    engine = engine_of(stages / "03-ilql" / "model")
    prompts = load_prompts_of(stages)
    seed = derive_seed(derive_seed(0, "candidates"), "sample", "ilql", "1.0", 0)
    plain = Sampling(6, seed=seed)
    guided = [c.text for c in engine(prompts, replace(plain, value_guidance=5.0))]
    assert [ilql["text"] for _, ilql in written(stages)] == guided
    assert guided != [c.text for c in engine(prompts, plain)]
    assert all("best_of" not in ilql for _, ilql in written(stages))


def test_evaluation_measures_what_was_really_sampled(stages: Path) -> None:
    summary = json.loads((stages / "05-evaluation" / "summary.json").read_text())
    kls = {name: report["kl"]["value"] for name, report in summary["policies"].items()}
    assert kls["base"] == pytest.approx(0.0, abs=1e-4)
    assert kls["ilql"] > 0.1

    def measured(guidance: float | None) -> float:
        found = evaluate_policy(
            stages / "03-ilql",
            stages.parent.parent / "prompts.jsonl",
            reference=stages / "01-base",
            drawing=Drawing(max_new_tokens=6, device="cpu", value_guidance=guidance),
        )
        return float(found["kl"]["value"])

    assert measured(None) == measured(5.0) > measured(0.0)


def test_talking_to_it_is_guided_too(stages: Path) -> None:
    sampling = Sampling(6, temperature=0.0)

    def said(guidance: float | None) -> str:
        talk = open_conversation(
            stages / "03-ilql", sampling, device="cpu", wishes=Wishes(value_guidance=guidance)
        )
        return "".join(talk.say("Where is my lamp?"))

    engine = engine_of(stages / "03-ilql" / "model")
    prompts = [replace(p, text="Where is my lamp?") for p in load_prompts_of(stages)[:1]]
    for guidance, expected in ((None, 5.0), (5.0, 5.0), (0.0, 0.0)):
        (completion,) = engine(prompts, replace(sampling, value_guidance=expected))
        assert said(guidance) == completion.text
    with pytest.raises(BadInput, match="no value heads"):
        talk = open_conversation(
            stages / "01-base", sampling, device="cpu", wishes=Wishes(value_guidance=1.0)
        )
        list(talk.say("Where?"))


def load_prompts_of(stages: Path) -> list[Any]:
    return load_prompts(stages.parent.parent / "prompts.jsonl")
