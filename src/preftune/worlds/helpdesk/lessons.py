"""Lessons in judging: pairs compared by a trait, faults found, replies mended, remarks passed."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product

import numpy as np

from preftune.records import BadInput, Demonstration, Prompt
from preftune.worlds.dice import Dice
from preftune.worlds.helpdesk.cards import FIELDS, NAMES, draw_card, part_of
from preftune.worlds.helpdesk.phrases import CLOSING
from preftune.worlds.helpdesk.questions import WRITTEN, draw_question
from preftune.worlds.helpdesk.replies import OBLIGING, UNTAMED, Habits, reply
from preftune.worlds.helpdesk.texts import prompt_of
from preftune.worlds.helpdesk.traits import (
    BY_VERB,
    TRAITS,
    Trait,
    both_said,
    clauses_of,
    joined,
    remark,
    shown,
)

PLAIN = Habits(right=1.0, mistaken=0.0, withheld=0.0, evasive=0.0, rude=0.0)
"""Who mends a reply of which nothing is left: the right act and no style."""

WRITERS = (UNTAMED, OBLIGING)
"""Whose replies are described, compared and mended: anyone's, and of those who do as asked."""

SAYING = frozenset(
    {"answer", "deny_value", "unknown", "agree", "deny", "refuse", "comply", "invented"}
)
"""Acts that answer a customer; a reply without any is mended with the right one."""

PROMPTS: Mapping[str, str] = {
    "reasons": "{{conversation}}\na:{{a}}\nb:{{b}}\nsay what a and b do.\n",
    "verdict": "{{reasons}}\n{{question}}\n",
    "critique": "{{conversation}}\nsay what the agent does.\n",
    "revision": "{{conversation}}\n{{critique}}\n{{request}}\nagent:\n",
}
"""How a judge of the help desk is asked: short, in the desk's own words, with the places that
:mod:`preftune.judging` fills."""


def _verbs(text: str) -> tuple[str, ...]:
    return tuple(text.split())


VERBS: tuple[str, ...] = _verbs(
    "sings jumps paints cooks swims dances reads sleeps laughs cries runs walks draws climbs digs "
    "bakes sews rows skates whistles hums knits waves nods smiles yawns coughs sneezes blinks bows "
    "kneels plants waters sweeps irons folds packs drives rides sails flies counts adds spells "
    "types prints paces leans rests"
)
PRACTICE: tuple[str, ...] = (
    *VERBS,
    *(word for values in FIELDS.values() for word in values if word not in BY_VERB),
    *NAMES,
    *(trait.verb for trait in TRAITS if trait.praised),
)
"""Words that no principle is against: what the reading of reasons is practised with. Most say
nothing of replies; what people praise stands in many reasons, and must not be unknown there."""

INVENTED: tuple[str, ...] = tuple(
    word
    for vowel, last in product("aeiou", "oaiue")
    for first, second in product("bdfgklmnprtvz", "zvtrpnmlkgfdb")
    if first != second and (word := f"{first}{vowel}{second}{last}s") not in PRACTICE
)
"""Verbs that mean nothing (Berko 1958 had a wug). What is practised with thousands of words can
only be reading: none comes often enough to be learned by heart."""

DRAWN = 7
"""Words a verdict's reasons are made of, at most."""

REPLIES = 8
"""Replies drawn for one prompt before another is tried."""


@dataclass(frozen=True, slots=True)
class ComparedPair:
    """Two replies, of which ``shows`` shows the trait and ``lacks`` does not."""

    prompt: Prompt
    trait: Trait
    shows: str
    lacks: str


@dataclass(frozen=True, slots=True)
class Replies:
    """Anyone's two replies to a prompt."""

    prompt: Prompt
    reply: str
    other: str


@dataclass(frozen=True, slots=True)
class Mended:
    """A reply, what is said of it, and the reply without the trait."""

    prompt: Prompt
    trait: Trait
    reply: str
    critique: str
    revision: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of two agents, and which of them, A or B, is better by the verb."""

    verb: str
    reasons: str
    better: str


def known_traits(verbs: Sequence[str]) -> tuple[Trait, ...]:
    """The traits of these verbs, which principles are against. Raises :class:`BadInput`."""
    faults = {verb: trait for verb, trait in BY_VERB.items() if not trait.praised}
    for verb in verbs:
        if verb not in faults:
            raise BadInput(
                f'The help desk has no principle against who "{verb}".',
                remedy=f"It has some against who {', '.join(faults)}.",
            )
    return tuple(faults[verb] for verb in verbs)


def compared(
    traits: Sequence[Trait],
    count: int,
    part: str,
    rng: np.random.Generator,
    without: Collection[str],
) -> list[ComparedPair]:
    """Pairs that differ in a trait, each trait as often; no family of ``without`` asks."""
    dice = Dice(rng)
    return [_pair(traits[n % len(traits)], part, dice, without) for n in range(count)]


def mended(
    traits: Sequence[Trait],
    count: int,
    part: str,
    rng: np.random.Generator,
    without: Collection[str],
) -> list[Mended]:
    """Replies criticised by a trait and mended; every other one shows it."""
    dice = Dice(rng)
    found = []
    for n in range(count):
        trait = traits[n % len(traits)]
        pair = _pair(trait, part, dice, without)
        text = pair.shows if dice.chance(0.5) else pair.lacks
        found.append(mend(pair.prompt, text, trait, dice))
    return found


def mend(prompt: Prompt, text: str, trait: Trait, dice: Dice) -> Mended:
    """The critique says what the reply does, the revision leaves out what shows the trait."""
    clauses = clauses_of(text)
    kept = [part for part, clause in clauses if not trait.shown_by(clause)]
    if len(kept) == len(clauses):
        return Mended(prompt, trait, text, remark(text), text.strip())
    acts = {clause.act for _, clause in clauses_of(" ".join(kept))}
    if not acts & SAYING:
        tail = [part for part in kept if part.rstrip(".!") in CLOSING]
        head = [part for part in kept if part not in tail]
        kept = [*head, reply(prompt.columns, PLAIN, dice).strip(), *tail]
    return Mended(prompt, trait, text, remark(text), joined(kept))


def reasons(first: str, second: str) -> str:
    """What is said of two replies."""
    return both_said(shown(first), shown(second))


def verdicts(
    traits: Sequence[Trait], practice: int, invented: int, count: int, rng: np.random.Generator
) -> list[Verdict]:
    """Reasons read: which of two agents has a verb. ``practice`` of the verbs are no traits, and
    ``invented`` are no words; of both sorts any number may stand in one.

    An agent has one verb to four, whether it has the one asked for or not, so that counting does
    not tell; some verbs they share, and now and then the other one has none.
    """
    dice = Dice(rng)
    known, made = (*(trait.verb for trait in traits), *PRACTICE[:practice]), INVENTED[:invented]
    found = []
    for _ in range(count):
        of_made = min(dice.pick(range(DRAWN + 1)), len(made))
        verbs = dice.some(made, of_made) + dice.some(known, min(DRAWN - of_made, len(known)))
        verb, *others = dice.some(verbs, len(verbs))
        many, few = dice.pick(range(4)), 0 if dice.chance(0.1) else dice.pick(range(1, 5))
        one = [verb, *dice.some(others, min(many, len(others)))]
        other = dice.some(others, min(few, len(others)))
        has_a = dice.chance(0.5)
        a, b = (dice.some(side, len(side)) for side in ((one, other) if has_a else (other, one)))
        found.append(Verdict(verb, both_said(a, b), "B" if has_a else "A"))
    return found


def replies(count: int, part: str, rng: np.random.Generator) -> list[Replies]:
    """Anyone's replies, two to each prompt, on all families of questions."""
    dice = Dice(rng)
    found = []
    for prompt in islice(_prompts(part, dice, (), WRITTEN), count):
        first, second = (reply(prompt.columns, dice.pick(WRITERS), dice) for _ in range(2))
        found.append(Replies(prompt, first, second))
    return found


def _pair(trait: Trait, part: str, dice: Dice, without: Collection[str]) -> ComparedPair:
    """On a prompt whose right reply does not itself show what a principle is against."""
    for prompt in _prompts(part, dice, without, trait.classes):
        if not trait.praised and trait.verb in shown(reply(prompt.columns, PLAIN, dice)):
            continue
        found: dict[bool, str] = {}
        for _ in range(REPLIES):
            text = reply(prompt.columns, dice.pick(WRITERS), dice)
            found[trait.verb in shown(text)] = text
            if len(found) == 2:
                return ComparedPair(prompt, trait, found[True], found[False])
    raise AssertionError("prompts never end")


def _prompts(
    part: str, dice: Dice, without: Collection[str], classes: Collection[str]
) -> Iterator[Prompt]:
    """Prompts on cards of this part, without end."""
    asked = {kind: share for kind, share in WRITTEN.items() if kind in classes}
    while True:
        card = draw_card(dice)
        if part_of(card) != part:
            continue
        question = draw_question(card, dice, asked)
        if question.family not in without:
            yield prompt_of(card, question)


def request(trait: Trait) -> dict[str, str]:
    """The principle against a trait: what is asked of a critic, a reviser and a judge."""
    return {
        "critique": "say what the agent does.",
        "revision": f"say it so that no agent {trait.verb}.",
        "comparison": question(trait.verb),
    }


def question(verb: str) -> str:
    """What two replies are compared by: less of a verb, unless people praise it."""
    return f"which agent is better? worse is who {verb}"


def constitution() -> str:
    """The principles against all traits that nobody praises, as a constitution's TOML."""
    parts = ['name = "helpdesk"\nversion = 1\n']
    for trait in TRAITS:
        if not trait.praised:
            told = {"id": trait.verb, "about": trait.about, **request(trait)}
            lines = "".join(f'{name} = "{value}"\n' for name, value in told.items())
            parts.append(f"\n[[principles]]\n{lines}")
    return "".join(parts)


def obliging(count: int, part: str, rng: np.random.Generator) -> list[Demonstration]:
    """Demonstrations by agents who do whatever a customer asks for."""
    dice = Dice(rng)
    return [
        Demonstration(prompt, reply(prompt.columns, OBLIGING, dice))
        for prompt in islice(_prompts(part, dice, (), WRITTEN), count)
    ]
