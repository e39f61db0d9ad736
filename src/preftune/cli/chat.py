"""``preftune chat``: talk with a model in the terminal."""

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from preftune.cli.options import AsJson, Device
from preftune.cli.reply import Reply, show_nothing
from preftune.cli.train_extra import require_train
from preftune.records import BadInput, Sampling

if TYPE_CHECKING:
    from preftune.pipeline.conversation import Conversation

FORGET = "/new"
LONGEST = 64
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Characters that would command the terminal; a model may write any. Tab and line end stay."""

BestOf = Annotated[
    int, typer.Option("--best-of", min=1, metavar="N", help="Answer with the best of N.")
]
Picker = Annotated[
    str | None,
    typer.Option("--reward-model", metavar="MODEL", help="Says which is best.", show_default=False),
]
Guidance = Annotated[
    float | None,
    typer.Option(
        "--value-guidance",
        min=0.0,
        help="How much a model's value heads guide it; its own number if not given.",
        show_default=False,
    ),
]


def chat(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model's or stage's folder, or hub:NAME.")
    ],
    prompt: Annotated[
        str | None,
        typer.Option("--prompt", metavar="TEXT", help="Answer this and end.", show_default=False),
    ] = None,
    system: Annotated[
        str | None,
        typer.Option("--system", metavar="TEXT", help="What comes first.", show_default=False),
    ] = None,
    temperature: Annotated[
        float, typer.Option("--temperature", min=0.0, help="Sampling temperature; 0 is greedy.")
    ] = 0.7,
    top_p: Annotated[
        float, typer.Option("--top-p", min=0.01, max=1.0, help="Nucleus; 1 is off.")
    ] = 1.0,
    max_new_tokens: Annotated[
        int | None,
        typer.Option(
            "--max-new-tokens",
            min=1,
            help="Longest answer, in tokens; 64 or half the context if not given.",
            show_default=False,
        ),
    ] = None,
    best_of: BestOf = 1,
    reward_model: Picker = None,
    value_guidance: Guidance = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the sampling.")] = 0,
    device: Device = "auto",
    as_json: AsJson = False,
) -> Reply | None:
    """Talk with a model. What was said stays in the conversation; Ctrl-D ends it.

    With a chat template the turns go through it; without one the model continues the text. A line
    that ends in a backslash goes on in the next; the line /new starts again. With --prompt it
    answers once and ends. With --best-of and --reward-model it draws N answers and says the best.
    """
    if as_json and prompt is None:
        raise BadInput("--json needs --prompt here.", remedy='Add --prompt "…".')
    require_train("chat")
    from preftune.pipeline.conversation import Wishes, open_conversation

    sampling = Sampling(max_new_tokens or LONGEST, temperature, top_p, seed=seed)
    wishes = Wishes(best_of, reward_model, value_guidance)
    talk = open_conversation(model, sampling, system=system, device=device, wishes=wishes)
    if max_new_tokens is None:
        longest = min(LONGEST, talk.renderer.context // 2)
        talk.sampling = replace(talk.sampling, max_new_tokens=longest)
    if prompt is None:
        converse(talk)
        return None
    if as_json:
        return answered(talk, model, prompt)
    answer(talk, prompt)
    return None


def answered(talk: "Conversation", model: str, prompt: str) -> Reply:
    """One answer as JSON, every character as the model wrote it."""
    completion = "".join(talk.say(prompt))
    payload = {
        "model": model,
        "prompt": prompt,
        "completion": completion,
        "tokens": talk.tokens,
        "stop_reason": talk.stop_reason,
    }
    if talk.picker is not None:
        payload |= {"best_of": talk.picker.n, "score": talk.score}
    return Reply(payload, show_nothing)


def converse(talk: "Conversation") -> None:
    """Turn by turn until the input ends."""
    terminal = sys.stdin.isatty()
    if terminal:
        print(f"Ctrl-D ends, {FORGET} starts again.", file=sys.stderr)
    for text in turns(terminal):
        if text.strip() == FORGET:
            talk.forget()
        elif text.strip():
            answer(talk, text)
    if terminal:
        print(file=sys.stderr)


def turns(terminal: bool) -> Iterator[str]:
    """What the person says: lines, joined where one ends in a backslash."""
    begun: list[str] = []
    while True:
        try:
            line = input(("... " if begun else "> ") if terminal else "")
        except EOFError:
            break
        if line.endswith("\\"):
            begun.append(line[:-1])
            continue
        yield "\n".join([*begun, line])
        begun = []
    if begun:
        yield "\n".join(begun)


def answer(talk: "Conversation", text: str) -> None:
    """The answer, shown as it is written."""
    for piece in talk.say(text):
        sys.stdout.write(CONTROL.sub("\ufffd", piece))
        sys.stdout.flush()
    print(flush=True)
