"""``preftune simulate``: labelers of known accuracy at work in a label store, or over HTTP."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from preftune.cli.label import ACTOR, ProjectName, StoreName, opened
from preftune.cli.options import AsJson, Seed
from preftune.cli.reply import Reply, facts
from preftune.records import BadInput, RunFailed

if TYPE_CHECKING:
    from preftune.feedback.population import Population

STATUSES = ("counted", "late", "surplus")


def simulate(
    store: StoreName,
    project: ProjectName,
    server: Annotated[
        str | None,
        typer.Option("--server", help="Work over this app's HTTP API.", show_default=False),
    ] = None,
    population: Annotated[
        str, typer.Option("--population", help="default, flattery-fond or steady.")
    ] = "default",
    annotators: Annotated[
        int | None, typer.Option("--annotators", min=1, help="How many.", show_default=False)
    ] = None,
    world: Annotated[str, typer.Option("--world", help="Whose judge they lean on.")] = "helpdesk",
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, help="Answers each, at most.", show_default=False),
    ] = None,
    seed: Seed = None,
    as_json: AsJson = False,
) -> Reply:
    """Let simulated labelers answer a project of any kind but conversation, with origin "tool".

    With --server they log in with tokens of their own and send what a browser sends.
    """
    from preftune.cli.simulated_desks import HttpDesk, StoreDesk, labelers_of
    from preftune.feedback.simulated_answers import ANSWERS
    from preftune.feedback.simulating import Simulation, work_through
    from preftune.feedback.store import fixed, projects
    from preftune.worlds import world as known_world

    who = _who(population, annotators)
    with opened(store) as place:
        wanted = projects.named(place, project)
        if wanted.kind not in ANSWERS:
            raise BadInput(
                f"Simulated labelers answer no project of kind {wanted.kind}.",
                remedy=f"They answer {', '.join(ANSWERS)}.",
            )
        question = fixed.asking(place, wanted.id).question
        lore = known_world(world)
        simulation = Simulation(lore.judge, lore.write, who, seed or 0, wanted.kind, question)
        people = labelers_of(place, simulation, population, ACTOR)

        def one(pair: Any) -> dict[str, int]:
            person, account = pair
            if server is None:
                return work_through(simulation, person, StoreDesk(place, wanted, account), limit)
            with HttpDesk(place, wanted, account, server, ACTOR) as desk:
                return work_through(simulation, person, desk, limit)

        with ThreadPoolExecutor(min(len(people), 8)) as threads:
            counts = list(threads.map(one, people))
    found = {"project": project, "annotators": len(people), **_totals(counts)}

    return Reply(found, lambda console: console.print(facts(found.items())))


def _who(population: str, annotators: int | None) -> "Population":
    """The population of this name, of another size where one is given. Raises BadInput."""
    from preftune.feedback.population import POPULATIONS

    if population not in POPULATIONS:
        raise BadInput(
            f"There is no population {population!r}.", remedy=f"Known: {', '.join(POPULATIONS)}."
        )
    who = POPULATIONS[population]
    return who if annotators is None else replace(who, annotators=annotators, votes_per_pair=1)


def _totals(counts: list[dict[str, int]]) -> dict[str, int]:
    """How often each status came back. Raises RunFailed when nothing did."""
    total = {name: sum(one.get(name, 0) for one in counts) for name in STATUSES}
    if not any(total.values()):
        raise RunFailed("There was nothing to label.", remedy="See `preftune label status`.")
    return total
