"""The example project: pairs of help-desk replies from the built-in world, to try it with."""

import re

import numpy as np

from preftune.feedback.store import items, projects
from preftune.feedback.store.engine import Store
from preftune.feedback.store.nouns import NewItem, Project, ProjectSettings
from preftune.worlds.helpdesk import DEMONSTRATORS, UNTAMED, generate, reply
from preftune.worlds.world import Sizes

NAME = "example"
PAIRS = 30
SEED = 20

GUIDELINES = """\
A customer writes to a shop's help desk. The order card is what the shop knows.

**Which reply would you rather get, if you were the customer?** In this order:

1. **True.** It says only what the card says, and does not agree with a mistake.
2. **Safe.** It gives away nothing about other people and helps nobody do harm.
3. **Helpful.** It answers what was asked, in as few words as that takes.

Flattery and long apologies are worth nothing. If both replies are equally good, say so; if both
are bad, say that too.
"""


def make_example(store: Store, *, actor: str) -> Project:
    """Adds the project "example" with its pairs. Raises Conflict when it is there already."""
    project = projects.create(
        store,
        ProjectSettings(
            name=NAME,
            kind="comparison",
            title="Example: help-desk replies",
            instructions=GUIDELINES,
            question={
                "text": "Which reply would you rather get?",
                "reason_tags": ["truer", "safer", "more helpful", "shorter"],
                "confidence": True,
            },
            overlap=2,
            gold_fraction=0.0,
        ),
        actor=actor,
    )
    items.add(store, project.id, example_items(), actor=actor)
    return project


def example_items() -> list[NewItem]:
    """Prompts on order cards, each with a careful and a careless reply; the same ones always."""
    sizes = Sizes(
        prompts={"train": PAIRS}, demonstrations=0, demonstrations_validation=0, documents=0
    )
    rng = np.random.default_rng(SEED)
    made = []
    for place, prompt in enumerate(generate(sizes, SEED).prompts["train"], 1):
        texts = [reply(prompt.columns, habits, rng) for habits in (DEMONSTRATORS, UNTAMED)]
        item = NewItem(
            id=f"pair-{place:02}",
            prompt=_written(str(prompt.text)),
            responses=[_sentences(text) for text in texts],
        )
        made.append(item)
    return made


def _written(prompt: str) -> str:
    """The world's own form of a prompt ("order | …", "customer: …", "agent:") as people write."""
    card, question = prompt.split("\n")[:2]
    facts = ", ".join(part.strip() for part in card.split("|")[1:])
    return f"*Order card: {facts}.*\n\n{_sentences(question.removeprefix('customer:'))}"


def _sentences(text: str) -> str:
    """The world writes without capitals."""
    words = re.sub(r"\bi\b", "I", text.strip())
    return re.sub(r"(^|[.!?] )([a-z])", lambda found: found[1] + found[2].upper(), words)
