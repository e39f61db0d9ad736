"""Every operator mutant of the formulas is killed by a named test, through an AssertionError.

Thirty of them, drawn with a fixed seed, are put in one by one in a list of their own; then all.
"""

import random
from collections.abc import Callable

import pytest

from tests.mutations.operators import Site, cases, in_place, killer, modules, sites

CANNOT_RUN = "torch has no mean of truth values, so it cannot run"
EXCLUDED = {
    "advantages.generalised_advantages [3]": "it reads beyond the last column and cannot run",
    "aggregation.sequence_mean [1]": CANNOT_RUN,
    "cooccurrence.positive_pmi [1]": "the contexts' counts are divided by their sum",
    "cooccurrence.spectral_vectors [0]": "how much wider the sketch is says how exact it is",
    "cooccurrence.spectral_vectors [1]": "a sketch narrower than nothing cannot run",
    "cooccurrence.spectral_vectors [2]": "how much wider the sketch is says how exact it is",
    "head_logprobs._add_product [0]": "of one type both ways are equal, of two it cannot run",
    "losses.grpo.clipped_losses [10]": CANNOT_RUN,
    "losses.grpo.clipped_losses [11]": CANNOT_RUN,
    "losses.grpo.clipped_losses [14]": "a token without an advantage is never held",
    "losses.grpo.clipped_losses [16]": "a token without an advantage is never held",
    "losses.gspo.sequence_ratios [4]": CANNOT_RUN,
    "losses.ilql.expectile_loss [1]": "where it differs the error is 0, whatever its weight",
    "losses.ppo.policy_loss [10]": CANNOT_RUN,
    "losses.ppo.dual_clip_policy_loss [11]": "without an advantage both terms are 0",
    "losses.ppo.dual_clip_policy_loss [13]": "where it differs both terms are the same number",
    "losses.ppo.dual_clip_policy_loss [18]": CANNOT_RUN,
    "losses.reward_model.plackett_luce_loss [1]": "an answer alone in its rank has no other equal",
    "losses.reward_model.plackett_luce_loss [8]": CANNOT_RUN,
    "losses.rloo.rloo_loss [13]": CANNOT_RUN,
    "masked.masked_mean [2]": CANNOT_RUN,
}
"""Mutants that are the same function, or none at all, each with its reason."""


def key(site: Site) -> str:
    return " ".join(site.name.split(" ")[:2])


MUTANTS = [site for module in modules() for site in sites(module) if key(site) not in EXCLUDED]
DRAWN = sorted(random.Random(11).sample(MUTANTS, 30), key=lambda site: site.name)


@pytest.mark.parametrize("site", DRAWN, ids=lambda site: site.name)
def test_a_drawn_mutant_is_killed(
    site: Site, record_property: Callable[[str, object], None]
) -> None:
    with in_place(site):
        name, otherwise = killer(site.module)
    assert name is not None, f"it survives; {otherwise or 'every test is green'}"
    record_property("mutant", f"{site.name}: killed by {name}")


@pytest.mark.parametrize("module", modules())
def test_all_mutants_of_a_module_are_killed(module: str) -> None:
    survivors = []
    for site in MUTANTS:
        if site.module == module:
            with in_place(site):
                name, _ = killer(module)
            survivors += [site.name] if name is None else []
    assert survivors == []


@pytest.mark.parametrize("module", modules())
def test_the_same_code_put_in_place_is_green(module: str) -> None:
    """It is the change that kills a mutant, not the way it is put there."""
    assert cases(module), "the tests are found"
    for function in {site.function for site in sites(module)}:
        with in_place(Site(module, function, -1, "nothing")):
            assert killer(module) == (None, "")


def test_there_are_mutants_enough_and_every_exclusion_is_one() -> None:
    assert len(MUTANTS) > 400
    assert set(EXCLUDED) <= {key(site) for module in modules() for site in sites(module)}
