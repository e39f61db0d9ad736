"""A Python function as a :class:`preftune.records.Score`.

The function is called once a batch, as TRL calls its reward functions: with ``prompts``,
``completions`` and every column of the prompts' rows as lists, by keyword. It returns a number or
None (does not apply) for each completion, and may be ``async``.
"""

import ast
import importlib
import inspect
import math
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from types import ModuleType
from typing import Any

from preftune.records import Axes, BadInput, Completion, PreftuneError, RunFailed, Text
from preftune.rewards.waiting import wait_for_all

GOLD_ROOM = "preftune.worlds"
OWN = frozenset({"prompt", "completion", "prompts", "completions"})
"""Columns that are handed over under names of their own."""

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class CallableScore:
    """The function's number for each completion on one axis, ``score``; None where it says None.

    Raises :class:`RunFailed` for an exception inside, :class:`BadInput` for anything it returns
    that is not one number or None for each completion.
    """

    name: str
    function: Function
    origin: str = "rule"

    def __call__(self, completions: Sequence[Completion]) -> list[Axes | None]:
        (answer,) = wait_for_all([self.ask(completions)])
        return self.read(answer, completions)

    def ask(self, completions: Sequence[Completion]) -> Any:
        """What the function returns: its answer, or for an ``async`` one something to wait for."""
        given = arguments(self.function, completions)
        try:
            answer = self.function(**given)
        except Exception as error:
            raise self._failed(error) from error
        return self._waiting(answer) if inspect.isawaitable(answer) else answer

    def read(self, answer: Any, completions: Sequence[Completion]) -> list[Axes | None]:
        """An answer as one axis for each completion, checked."""
        rows = answer.tolist() if hasattr(answer, "tolist") else answer
        if not isinstance(rows, list | tuple):
            raise self._useless(f"returned a {type(answer).__name__}, not a list")
        if len(rows) != len(completions):
            raise self._useless(f"returned {len(rows)} values for {len(completions)} completions")
        return [self._axis(value, place) for place, value in enumerate(rows)]

    async def _waiting(self, answer: Awaitable[Any]) -> Any:
        try:
            return await answer
        except Exception as error:
            raise self._failed(error) from error

    def _axis(self, value: Any, place: int) -> Axes | None:
        if value is None:
            return None
        if not isinstance(value, Real) or not math.isfinite(value):
            raise self._useless(f"returned {value!r} for completion {place + 1}")
        return {"score": float(value)}

    def _useless(self, what: str) -> BadInput:
        return BadInput(
            f"The reward {self.name!r} {what}.",
            file=_place(self.function)[0],
            line=_place(self.function)[1],
            remedy="Return a list with one finite number, or None, for each completion.",
        )

    def _failed(self, error: Exception) -> PreftuneError:
        file, line = _place(self.function)
        for frame in inspect.getinnerframes(error.__traceback__) if error.__traceback__ else ():
            if frame.filename == file:
                line = frame.lineno
        return RunFailed(
            f"The reward {self.name!r} failed: {type(error).__name__}: {error}.",
            file=file,
            line=line,
            remedy="Correct the function and run the same command again; it continues.",
        )


def arguments(function: Function, completions: Sequence[Completion]) -> dict[str, list[Any]]:
    """``prompts``, ``completions`` and the columns the function accepts, one item a completion.

    A conversation is a list of ``{"role","content"}`` and so is its completion; a row without a
    column that others have gives None.
    """
    given: dict[str, list[Any]] = {
        "prompts": [_shown(c.prompt.text) for c in completions],
        "completions": [_answered(c) for c in completions],
    }
    names = dict.fromkeys(name for c in completions for name in c.prompt.columns)
    for name in names:
        if name not in OWN and name.isidentifier():
            given[name] = [c.prompt.columns.get(name) for c in completions]
    accepted = inspect.signature(function).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted):
        return given
    wanted = {parameter.name for parameter in accepted}
    return {name: column for name, column in given.items() if name in wanted}


def load_callable(reference: str) -> Function:
    """The function named ``module:function``, from the working folder or what is installed.

    Raises :class:`BadInput` when there is none, and for the gold judge's world, which measures
    and never teaches.
    """
    module_name, _, name = reference.partition(":")
    module = _module(module_name, reference)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            known = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
            raise BadInput(
                f"There is no {name!r} in the module {module_name!r}.",
                file=getattr(module, "__file__", None),
                remedy=f"It has {', '.join(known) or 'no functions'}.",
            )
        found = getattr(found, part)
    if not callable(found):
        raise BadInput(
            f"{reference!r} is a {type(found).__name__}, not a function.",
            file=getattr(module, "__file__", None),
            remedy="Name a function of prompts and completions.",
        )
    if knows_gold(found, module):
        raise BadInput(
            f"{reference!r} uses {GOLD_ROOM}, whose gold judge measures and never teaches.",
            file=getattr(module, "__file__", None),
            remedy="Write the rule without the world's judge, or train a reward model on labels.",
        )
    return found


def knows_gold(function: Function, module: ModuleType) -> bool:
    """Whether the function, or anything its module imports, is of the gold judge's room."""
    if getattr(function, "origin", None) == "gold" or _is_gold(function):
        return True
    return any(_is_gold(value) for value in vars(module).values()) or _imports_gold(module)


def _is_gold(value: object) -> bool:
    places = (
        value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None),
        type(value).__module__,
    )
    return any(isinstance(p, str) and f"{p}.".startswith(f"{GOLD_ROOM}.") for p in places)


def _imports_gold(module: ModuleType) -> bool:
    """Whether the source has such an import anywhere, inside a function for instance."""
    source = getattr(module, "__file__", None)
    if source is None or not source.endswith(".py"):
        return False
    for node in ast.walk(ast.parse(Path(source).read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        if any(f"{name}.".startswith(f"{GOLD_ROOM}.") for name in names):
            return True
    return False


def _module(name: str, reference: str) -> ModuleType:
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise _broken(name, error) from error
        raise BadInput(
            f"There is no module {name!r} for the reward {reference!r}.",
            remedy="Put it into the folder where the command runs, or install it.",
        ) from None
    except Exception as error:
        raise _broken(name, error) from error
    finally:
        if added:
            sys.path.remove(here)


def _broken(name: str, error: Exception) -> BadInput:
    return BadInput(
        f"The module {name!r} cannot be imported: {type(error).__name__}: {error}.",
        remedy=f'Make `python -c "import {name}"` work.',
    )


def _place(function: Function) -> tuple[str | None, int | None]:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return (None, None) if code is None else (code.co_filename, code.co_firstlineno)


def _shown(text: Text) -> Any:
    if isinstance(text, str):
        return text
    return [{"role": turn.role, "content": turn.content} for turn in text]


def _answered(completion: Completion) -> Any:
    if isinstance(completion.prompt.text, str):
        return completion.text
    return [{"role": "assistant", "content": completion.text}]
