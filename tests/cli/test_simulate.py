"""`preftune simulate` at work in a project of every kind, over the app's HTTP API."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from preftune.feedback.simulated_answers import ANSWERS
from preftune.feedback.store import items, judgments, projects
from preftune.feedback.store.engine import open_store
from preftune.feedback.store.nouns import NewItem, ProjectSettings
from preftune.web import create_app
from preftune.worlds import world
from preftune.worlds.world import Sizes
from tests.cli.command import preftune
from tests.web.site import served

RESPONSES = {"comparison": 2, "ranking": 4, "ratings": 2, "demonstration": 0}
COUNT = 4


def test_every_kind_is_labelled_over_http(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "labels.db"), create=True)
    lore, rng = world("helpdesk"), np.random.default_rng(0)
    sizes = Sizes({"train": COUNT}, demonstrations=1, demonstrations_validation=1, documents=1)
    prompts = lore.make(sizes, 0).prompts["train"]
    made: dict[str, Any] = {}
    for name in ANSWERS:
        project = projects.create(
            store, ProjectSettings(name, name, overlap=2, gold_fraction=0.0), actor="test"
        )
        new = [
            NewItem(
                str(number),
                prompt.text,
                [lore.write(prompt.columns, rng) for _ in range(RESPONSES.get(name, 1))],
                columns=dict(prompt.columns),
            )
            for number, prompt in enumerate(prompts)
        ]
        items.add(store, project.id, new, actor="test")
        made[name] = project
    with served(create_app(store)) as url:
        for name in ANSWERS:
            words = ("simulate", tmp_path / "labels.db", name, "--server", url)
            done = preftune(*words, "--annotators", "2", "--seed", "1", "--json").json
            assert done["counted"] == 2 * COUNT, name
    for name, project in made.items():
        for item in items.listed(store, project.id):
            said = judgments.of_item(store, item.number)
            assert [one.origin for one in said] == ["tool", "tool"], name
            assert {one.presentation["ui_version"] for one in said} == {"simulate"}
    store.close()
    for name in ANSWERS:
        out = tmp_path / f"{name}.jsonl"
        written = preftune(
            "label", "export", tmp_path / "labels.db", name, out, "--rows", "per_vote", "--json"
        )
        assert written.code == 0, written.err
        assert json.loads(out.read_text().splitlines()[0])["prompt"]


def test_nobody_to_talk_with_is_one_sentence(tmp_path: Path) -> None:
    store = tmp_path / "labels.db"
    preftune("label", "init", store, "--project", "talks", "--kind", "conversation")
    failed = preftune("simulate", store, "talks", "--json")
    assert failed.code == 2 and "conversation" in failed.json["error"]["sentence"]


@pytest.mark.parametrize("world_name", ["helpdesk", "digest"])
def test_a_world_writes_what_its_judge_can_read(world_name: str) -> None:
    from preftune.records import Completion, StopReason

    lore = world(world_name)
    sizes = Sizes({"train": 5}, demonstrations=1, demonstrations_validation=1, documents=1)
    for prompt in lore.make(sizes, 1).prompts["train"]:
        texts = [lore.write(prompt.columns, np.random.default_rng(seed)) for seed in range(20)]
        found = lore.judge([Completion(prompt, text, StopReason.EOS, "") for text in texts])
        gold = [axes["gold"] for axes in found if axes is not None]
        assert len(gold) == 20 and np.median(gold) > 0.5 and len(set(texts)) > 5
        assert texts[0] == lore.write(prompt.columns, np.random.default_rng(0))
