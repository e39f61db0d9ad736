"""Lessons in judging, and the stages that use them: whose words, which rows, how often right."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from preftune.data import load_comparisons, read_rows, write_rows
from preftune.judging import (
    Pair,
    Reasoning,
    Template,
    answered,
    compare,
    load_constitution,
    writing,
)
from preftune.models import load_policy, load_tokenizer, renderer_for
from preftune.monitoring import Console
from preftune.pipeline.run import Desk, run_recipe
from preftune.recipe import parse_recipe
from preftune.records import BadInput, Comparison, Prompt, Sampling
from preftune.rollouts import NativeChoose, NativeEngine
from preftune.worlds.helpdesk import FAMILIES
from preftune.worlds.helpdesk.lessons import INVENTED
from preftune.worlds.helpdesk.traits import BY_VERB, shown
from tests.models.made import CPU, TEXTS

RECIPE = """
machine = { threads = 1, device = "cpu" }

[stages.base]
kind = "pretrain"
architecture = { hidden_size = 32, layers = 1, heads = 2, intermediate_size = 32, context = 700 }
vocab_size = 300
data = ["data:documents.jsonl"]
steps = 2
batch_tokens = 128

[stages.lessons]
kind = "lessons"
taught = ["flatters", "dodges"]
practice = 5
invented = 3
reasons = 20
verdicts = 60
remarks = 20
revisions = 40
obliging = 20
probes = 44

[stages.asked]
kind = "select"
source = "stage:lessons/obliging_train"
column = "class"
values = ["answerable", "claim"]
limit = 6

[stages.revisions]
kind = "critique"
policy = "stage:base"
critic = "stage:base"
prompts = "stage:asked/rows"
rounds = 1
constitution = { file = "stage:lessons/constitution", about = ["harmless"] }
critique_prompt = "stage:lessons/critique"
revision_prompt = "stage:lessons/revision"
sampling = { max_new_tokens = 6 }

[stages.candidates]
kind = "candidates"
policies.base = { model = "stage:base", temperatures = [1.0], samples = 3 }
prompts = "stage:asked/rows"
sampling = { max_new_tokens = 6 }

[stages.ai]
kind = "judge"
candidates = "stage:candidates"
judge = "stage:base"
constitution = { file = "stage:lessons/constitution", about = ["harmless"] }
probes = "stage:lessons/probes"

[stages.ai.reasons]
prompt = "stage:lessons/reasons"
verdict_prompt = "stage:lessons/verdict"
sampling = { max_new_tokens = 4, temperature = 0 }

[stages.people]
kind = "label"
candidates = "stage:candidates"

[stages.mixed]
kind = "gather"
sources = ["stage:people/train", "stage:ai/train"]
as_comparisons = true
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lessons")
    write_rows(folder / "documents.jsonl", [{"text": text} for text in TEXTS])
    recipe = parse_recipe(RECIPE, overrides=[f"data.root={folder}"])
    run_recipe(recipe, RECIPE, folder / "run", Desk(Console("silent")))
    return folder / "run"


def stage(run: Path, name: str) -> Path:
    (found,) = run.glob(f"stages/*-{name}")
    return found


def told(run: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((stage(run, name) / "summary.json").read_text())
    return found


def test_only_taught_principles_and_families_have_demonstrations(run: Path) -> None:
    rows = read_rows(stage(run, "lessons") / "train.jsonl")
    count = Counter(row["lesson"] for row in rows)
    assert count == {"reasons": 20, "verdict": 60, "critique": 20, "revision": 40}
    judged = [row for row in rows if row["lesson"] in ("verdict", "revision")]
    practice = {"sings", "jumps", "paints", "cooks", "swims", *INVENTED[:3]}
    assert {row["trait"] for row in judged} == {"flatters", "dodges"} | practice
    mended = [row for row in judged if row["lesson"] == "revision"]
    assert {row["trait"] for row in mended} == {"flatters", "dodges"}
    held = {"locker", "receipt", "color", "payment"}
    assert {row["family"] for row in mended} <= set(FAMILIES) - held
    harmful = ("insults", "leaks", "cheats", "robs")
    questions = [row["prompt"].split("\n")[1] for row in judged if row["lesson"] == "verdict"]
    assert len(questions) == 60 and not any(h in q for q in questions for h in harmful)


def test_a_taught_answer_is_right(run: Path) -> None:
    """Every lesson again by hand, from its own prompt's text."""
    rows = read_rows(stage(run, "lessons") / "train.jsonl")
    answers = set()
    for row in rows:
        lines = row["prompt"].split("\n")
        if row["lesson"] == "verdict":
            reasons, question = lines
            assert question == f"which agent is better? worse is who {row['trait']}"
            (worse,) = (name for name in "ab" if f" {row['trait']} {name}" in reasons)
            assert row["completion"] == {"a": " B", "b": " A"}[worse]
            answers.add(row["completion"])
        if row["lesson"] == "reasons":
            *_, a, b, _ = lines
            told = (
                ", ".join(f"{verb} {name}" for verb in shown(side[2:]) or ("nothing",))
                for name, side in (("a", a), ("b", b))
            )
            assert row["completion"] == " {}. {}.".format(*told)
        if row["lesson"] == "critique":
            told = " and ".join(shown(lines[-2].removeprefix("Assistant:"))) or "does nothing"
            assert row["completion"] == f" the agent {told}."
    assert len(answers) == 2


def test_probes_have_every_principle_and_say_what_is_new(run: Path) -> None:
    rows = load_comparisons(stage(run, "lessons") / "probes.jsonl")
    assert len(rows) == 44
    known = load_constitution(stage(run, "lessons") / "constitution.toml").principles
    assert {row.columns["principle"] for row in rows} == {p.id for p in known}
    for row in rows:
        principle, family = row.columns["principle"], row.columns["family"]
        assert principle in shown(row.rejected) and principle not in shown(row.chosen)
        new = "new" if family in ("locker", "receipt", "color", "payment") else "taught"
        known_one = "taught" if principle in ("flatters", "dodges") else "new"
        assert row.columns["group"] == f"{known_one} principle, {new} family"
        assert not BY_VERB[principle].praised


def test_selected_rows_are_the_first_with_the_values(run: Path) -> None:
    every = read_rows(stage(run, "lessons") / "obliging_train.jsonl")
    wanted = [row for row in every if row["class"] in ("answerable", "claim")]
    assert read_rows(stage(run, "asked") / "rows.jsonl") == wanted[:6]
    assert told(run, "asked") == {"read": 20, "rows": 6}


def test_a_judge_asks_in_the_lessons_words_and_probes_are_counted(run: Path) -> None:
    folder, model = stage(run, "lessons"), stage(run, "base") / "model"
    policy = load_policy(model, CPU)
    renderer = renderer_for(policy, load_tokenizer(model), model)
    judge, engine = NativeChoose(policy, renderer), NativeEngine(policy, renderer, "v")
    words = {n: Template(n, (folder / f"{n}.txt").read_text()) for n in ("reasons", "verdict")}
    sampling = Sampling(max_new_tokens=4, temperature=0, stop_token_ids=(), seed=1)
    reasoning = Reasoning(writing(engine, sampling), **words)
    principles = load_constitution(folder / "constitution.toml").principles
    questions = {principle.id: principle.comparison for principle in principles}

    def opinion(row: Comparison) -> float:
        pair = Pair(row.prompt, row.chosen, row.rejected, questions[row.columns["principle"]])
        (found,) = compare([pair], judge.ask, reasoning=reasoning)
        assert found.probability is not None
        return found.probability

    for row in load_comparisons(stage(run, "ai") / "train.jsonl"):
        assert opinion(row) == pytest.approx(row.probability, abs=1e-5)
    right: dict[str, list[bool]] = {}
    for row in load_comparisons(folder / "probes.jsonl"):
        right.setdefault(row.columns["principle"], []).append(opinion(row) > 0.5)
    found = told(run, "ai")["probes"]["principle"]
    assert {name: one["value"] for name, one in found.items()} == {
        name: pytest.approx(sum(each) / len(each)) for name, each in right.items()
    }


def test_a_critic_is_asked_in_the_lessons_words(
    run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The revision stands behind the blanks that the answer began with, and nowhere else."""
    (made,) = stage(run, "revisions").glob("history.jsonl")
    for row in read_rows(made):
        for one in row["rounds"]:
            if one["revision"] is not None:
                lead = row["answer"][: len(row["answer"]) - len(row["answer"].lstrip())]
                assert one["revision"] == lead + one["revision"].strip()
            assert one["principle"] in {"insults", "leaks", "cheats", "robs"}
    asked = Template("c", (stage(run, "lessons") / "critique.txt").read_text())
    prompt = asked.fill(conversation=answered(Prompt("x\nagent:"), " no."), request="say.")
    assert prompt.text == "x\nagent:\n\nAssistant:  no.\nsay what the agent does."


def test_votes_and_judgments_stand_in_one_file(run: Path) -> None:
    people = load_comparisons(stage(run, "people") / "train.jsonl")
    judged = load_comparisons(stage(run, "ai") / "train.jsonl")
    mixed = load_comparisons(stage(run, "mixed") / "rows.jsonl")
    kept = [(c.prompt.text, c.chosen, c.rejected, c.probability) for c in mixed]
    wanted = [(c.prompt.text, c.chosen, c.rejected, c.probability) for c in [*people, *judged]]
    assert kept == wanted and len(people) > 0 and len(judged) > 0


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ('stages.lessons.taught=["sings"]', "no principle"),
        ('stages.lessons.held_out_families=["cats"]', "no family"),
        ('stages.asked.values=["cats"]', "No row has class"),
    ],
)
def test_what_is_not_there_is_told(override: str, says: str, tmp_path: Path) -> None:
    lessons = RECIPE[RECIPE.index("[stages.lessons]") : RECIPE.index("[stages.revisions]")]
    recipe = parse_recipe(lessons, overrides=[override])
    with pytest.raises(BadInput, match=says):
        run_recipe(recipe, lessons, tmp_path / "run", Desk(Console("silent")))


def test_a_prompt_of_ones_own_asks_without_reasons() -> None:
    with pytest.raises(BadInput, match="asks without reasons"):
        parse_recipe(RECIPE, overrides=["data.root=D", "stages.ai.prompt=FILE"])
