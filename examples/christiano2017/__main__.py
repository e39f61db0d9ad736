"""``python -m examples.christiano2017 run | study | person``: see README.md beside this file."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch

from examples.christiano2017.experiment import Settings, from_preferences
from examples.christiano2017.person import Person
from examples.christiano2017.study import LABELS, study, table, telling
from preftune.records import BadInput


def main(arguments: list[str] | None = None) -> None:
    given = _parser().parse_args(arguments)
    try:
        _do(given)
    except BadInput as problem:
        raise SystemExit(str(problem)) from problem


def _do(given: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    settings = replace(Settings(), iterations=given.iterations, test_episodes=given.test_episodes)
    if given.verb == "study":
        path = study(settings, given.seeds, given.labels, given.out)
        print(table(json.loads(path.read_text(encoding="utf-8"))))
        return
    settings = replace(settings, labels=given.labels, random_share=given.random_share)
    teacher = Person(given.out) if given.verb == "person" else None
    outcome = from_preferences(settings, given.seed, teacher, telling(f"seed {given.seed}"))
    print(f"true return of the trained policy: {outcome.final_return:.0f}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.christiano2017")
    verbs = parser.add_subparsers(dest="verb", required=True)
    run = verbs.add_parser("run", help="one run with a synthetic teacher")
    person = verbs.add_parser("person", help="one run; you answer the questions")
    several = verbs.add_parser("study", help="all arms on several seeds, with a picture")
    for verb in (run, person):
        verb.add_argument("--labels", type=int, default=300 if verb is run else 100)
        verb.add_argument("--random-share", type=float, default=Settings.random_share)
        verb.add_argument("--seed", type=int, default=0)
    several.add_argument("--labels", type=int, nargs="+", default=list(LABELS))
    several.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    several.add_argument("--out", type=Path, default=Path("runs/christiano2017"))
    person.add_argument("--out", type=Path, default=Path("runs/christiano2017-questions"))
    for verb in (run, person, several):
        verb.add_argument("--iterations", type=int, default=Settings.iterations)
        verb.add_argument("--test-episodes", type=int, default=Settings.test_episodes)
    return parser


if __name__ == "__main__":
    main()
