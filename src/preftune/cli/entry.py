"""The command line as a whole: its verbs, and how replies and errors leave it."""

import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from typing import Annotated, Any

import typer
from typer.main import get_command

import preftune
from preftune.cli import audits, evaluate_runs, evaluate_samples, label_serve  # noqa: F401  (they join)
from preftune.cli.bench import bench
from preftune.cli.chat import chat
from preftune.cli.check import check
from preftune.cli.compare import compare
from preftune.cli.convert_config import convert_config
from preftune.cli.data import data
from preftune.cli.doctor import doctor
from preftune.cli.evaluate import evaluate
from preftune.cli.evaluate_judge import judge
from preftune.cli.label import label
from preftune.cli.lineage import lineage
from preftune.cli.mistakes import as_known, bug
from preftune.cli.options import examples
from preftune.cli.quickstart import quickstart
from preftune.cli.reply import Reply, json_text, print_for_people
from preftune.cli.report import report
from preftune.cli.run import run
from preftune.cli.serve import serve
from preftune.cli.simulate import simulate
from preftune.records import PreftuneError, RunFailed

STOPPED = 130
"""The exit code of a command stopped with Ctrl-C."""

app = typer.Typer(
    name="preftune",
    help="People's preferences in, a better language model out, with the evidence.",
    epilog=examples("preftune quickstart", "preftune run recipe.toml --out runs/first"),
    rich_markup_mode=None,
    add_completion=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)

VERBS = (
    (quickstart, ("preftune quickstart --out runs/quickstart",)),
    (
        run,
        (
            "preftune run recipe.toml --out runs/first",
            "preftune run tiny/ppo --seed 1 --set stages.ppo.kl.coefficient=0.1",
        ),
    ),
    (check, ("preftune check recipe.toml", "preftune check world/quickstart --set seed=3")),
    (report, ("preftune report runs/first",)),
    (
        compare,
        (
            "preftune compare runs/ppo runs/dpo --out compare.html",
            "preftune compare runs/seed-0 runs/seed-1 runs/seed-2 --markdown table.md",
        ),
    ),
    (lineage, ("preftune lineage runs/first", "preftune lineage runs/first/stages/03-ppo/model")),
    (
        chat,
        (
            "preftune chat runs/first/stages/03-ppo/model",
            'preftune chat MODEL --prompt "Is tea hot?" --temperature 0 --json',
        ),
    ),
    (
        simulate,
        (
            "preftune simulate labels.db replies --population default --seed 1",
            "preftune simulate labels.db replies --server http://127.0.0.1:8000",
        ),
    ),
    (bench, ("preftune bench dpo --data comparisons.jsonl", "preftune bench feedback --rounds 1")),
    (
        serve,
        (
            "preftune serve runs/first/stages/03-ppo",
            "preftune serve sft=runs/first/stages/01-sft ppo=runs/first/stages/03-ppo --port 8001",
        ),
    ),
    (doctor, ("preftune doctor", "preftune doctor recipe.toml")),
    (
        convert_config,
        ("preftune convert-config ppo_config.json --kind ppo --out ppo.toml",),
    ),
)
"""The verbs that stand alone, with their examples."""

for _verb, _examples in VERBS:
    _name = _verb.__name__.replace("_", "-")
    app.command(name=_name, epilog=examples(*_examples))(_verb)
evaluate.command(
    name="judge",
    epilog=examples(
        "preftune evaluate judge --judge judge.toml --data pairs.jsonl",
        "preftune evaluate judge --judge MODEL --data graded.jsonl --propositions words.jsonl",
    ),
)(judge)
app.add_typer(data, name="data")
app.add_typer(evaluate, name="evaluate")
app.add_typer(label, name="label")


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"preftune {preftune.__version__}")
        raise typer.Exit()


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """People's preferences in, a better language model out, with the evidence."""
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line and ends the process with its exit code."""
    sys.exit(invoke(sys.argv[1:] if arguments is None else arguments))


def invoke(arguments: Sequence[str]) -> int:
    """Runs one command; prints its reply or its error; returns the exit code."""
    quieten_libraries()
    as_json = "--json" in arguments and not {"--help", "-h"} & set(arguments)
    answer = sys.stdout
    try:
        with redirect_stdout(sys.stderr if as_json else answer), warnings.catch_warnings():
            if not sys.warnoptions:
                warnings.simplefilter("ignore")  # libraries' advice to programmers
            reply = get_command(app).main(
                args=list(arguments), prog_name="preftune", standalone_mode=False
            )
        return _deliver(reply, as_json)
    except BrokenPipeError:
        _close_stdout()
        return 1
    except (KeyboardInterrupt, typer.Abort):
        return _fail(_stopped(), as_json, STOPPED)
    except Exception as error:
        known = as_known(error)
        if known is None:
            traceback.print_exc()
            known = bug(error)
        return _fail(known, as_json, known.exit_code)


def quieten_libraries() -> None:
    """Before anything heavy is imported: stderr is ours, and workers may be forked."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")


def _deliver(reply: Any, as_json: bool) -> int:
    """Prints a verb's reply. The parser gives a number for --help, --version and Ctrl-C."""
    if isinstance(reply, int) and not isinstance(reply, bool):
        return _fail(_stopped(), as_json, STOPPED) if reply == STOPPED else reply
    if not isinstance(reply, Reply):
        return 0
    if as_json:
        error = {} if reply.error is None else {"error": reply.error.as_json()}
        print(json_text({**reply.payload, **error}), flush=True)
    else:
        print_for_people(reply.show, sys.stdout)
        if reply.error is not None:
            _say(reply.error)
    return 0 if reply.error is None else reply.error.exit_code


def _fail(error: PreftuneError, as_json: bool, exit_code: int) -> int:
    if as_json:
        print(json_text({"error": error.as_json()}), flush=True)
    else:
        _say(error)
    return exit_code


def _say(error: PreftuneError) -> None:
    with suppress(OSError, ValueError):
        print(f"preftune: {error}", file=sys.stderr, flush=True)


def _stopped() -> PreftuneError:
    return RunFailed("Stopped.", remedy="The same command continues where it stopped.")


def _close_stdout() -> None:
    """Whoever read our output has gone: nothing more is to be said to them."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
