"""Operator mutants of the formulas: one sign, operator, extreme or constant of a function changed.

A mutant's code is put into the functions themselves, so whoever holds one has the mutant, and is
taken out again afterwards. Formulas keep no state, so nothing else is left behind.
"""

import ast
import copy
import importlib
import inspect
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

from tests.house.source import ROOT

MATHS = ROOT / "src" / "preftune" / "maths"
OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
}
SIGNS = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.BitAnd: "&", ast.BitOr: "|",
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
NAMES = {
    "min": "max", "max": "min", "amin": "amax", "sum": "mean", "mean": "sum",
    "maximum": "minimum", "minimum": "maximum", "exp": "expm1", "any": "all",
}  # fmt: skip
COUNTS = ("correction", "min", "max")
"""Keywords whose constants are part of the formula."""


@dataclass(frozen=True)
class Site:
    """The ``place``-th change that could be made in a function, from 0."""

    module: str
    function: str
    place: int
    change: str

    @property
    def name(self) -> str:
        short = self.module.removeprefix("preftune.maths.")
        return f"{short}.{self.function} [{self.place}] {self.change}"


def modules() -> list[str]:
    """Every module of formulas, as imported."""
    paths = sorted(p for p in MATHS.rglob("*.py") if p.name != "__init__.py")
    parts = [path.relative_to(ROOT / "src").with_suffix("").parts for path in paths]
    return [".".join(part) for part in parts]


def mirror(module: str) -> str:
    """The test module of a module of formulas."""
    *above, last = module.removeprefix("preftune.").split(".")
    return ".".join(["tests", *above, f"test_{last}"])


def sites(module: str) -> list[Site]:
    """Every change that can be made in the module's functions, in their order."""
    found = []
    for function in functions_of(module):
        changes = [change for _, change in changes_in(function)]
        found += [Site(module, function.name, i, change) for i, change in enumerate(changes)]
    return found


def functions_of(module: str) -> list[ast.FunctionDef]:
    tree = ast.parse(inspect.getsource(importlib.import_module(module)))
    return [node for node in tree.body if isinstance(node, ast.FunctionDef)]


def changes_in(function: ast.FunctionDef) -> Iterator[tuple[Callable[[], None], str]]:
    """What can be changed in a function's own tree, and a word for it; signature left alone."""
    for statement in function.body:
        for node in ast.walk(statement):
            yield from _changes_of(node)


def _changes_of(node: ast.AST) -> Iterator[tuple[Callable[[], None], str]]:
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        after = OPERATORS[type(node.op)]
        said = f"{SIGNS[type(node.op)]} to {SIGNS[after]} in {ast.unparse(node)}"
        yield lambda: setattr(node, "op", after()), said
    if isinstance(node, ast.Compare) and type(node.ops[0]) in OPERATORS:
        after = OPERATORS[type(node.ops[0])]
        said = f"{SIGNS[type(node.ops[0])]} to {SIGNS[after]} in {ast.unparse(node)}"
        yield lambda: setattr(node, "ops", [after(), *node.ops[1:]]), said
    if isinstance(node, ast.Attribute) and node.attr in NAMES:
        said = f"{node.attr} to {NAMES[node.attr]} in {ast.unparse(node)}"
        yield lambda: setattr(node, "attr", NAMES[node.attr]), said
    if isinstance(node, ast.Name) and node.id in ("min", "max"):
        yield lambda: setattr(node, "id", NAMES[node.id]), f"{node.id} to {NAMES[node.id]}"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not _constant(node):
        said = f"sign of {ast.unparse(node)}"
        yield lambda: setattr(node, "op", ast.UAdd()), said
    for constant in _constants(node):
        said = f"{constant.value} to {constant.value + 1} in {ast.unparse(node)}"
        yield lambda c=constant: setattr(c, "value", c.value + 1), said  # type: ignore[misc]


def _constants(node: ast.AST) -> list[ast.Constant]:
    """Numbers that are operands, compared with, or a keyword of the formula."""
    held: list[ast.expr] = []
    if isinstance(node, ast.BinOp):
        held = [node.left, node.right]
    elif isinstance(node, ast.Compare):
        held = [node.left, *node.comparators]
    elif isinstance(node, ast.Call):
        held = [keyword.value for keyword in node.keywords if keyword.arg in COUNTS]
    return [
        one for one in held if isinstance(one, ast.Constant) and type(one.value) in (int, float)
    ]


def _constant(node: ast.UnaryOp) -> bool:
    return isinstance(node.operand, ast.Constant)


@contextmanager
def in_place(site: Site) -> Iterator[None]:
    """The mutant instead of the function, for as long as the block lasts."""
    real = getattr(importlib.import_module(site.module), site.function)
    real = inspect.unwrap(real)  # under torch.no_grad
    assert isinstance(real, FunctionType)
    before = real.__code__
    real.__code__ = code_of(site)
    try:
        yield
    finally:
        real.__code__ = before


def code_of(site: Site) -> Any:
    """The compiled code of the changed function."""
    function = copy.deepcopy(
        next(node for node in functions_of(site.module) if node.name == site.function)
    )
    function.decorator_list = []
    if site.place >= 0:
        change, _ = list(changes_in(function))[site.place]
        change()
    tree = ast.Module([function], [])
    namespace = dict(vars(importlib.import_module(site.module)))
    exec(compile(ast.fix_missing_locations(tree), site.name, "exec"), namespace)
    return namespace[site.function].__code__


Case = tuple[str, Callable[..., Any], Mapping[str, Any]]


def cases(module: str) -> list[Case]:
    """The tests of a module with each of their parameters; those by hypothesis come last."""
    loaded = importlib.import_module(mirror(module))
    tests = [(n, f) for n, f in vars(loaded).items() if n.startswith("test_") and callable(f)]
    tests.sort(key=lambda pair: hasattr(pair[1], "hypothesis"))
    return [(name, test, given) for name, test in tests for given in _parameters(loaded, test)]


def _parameters(loaded: ModuleType, test: Callable[..., Any]) -> Iterator[dict[str, Any]]:
    """Every combination of a test's parameters; none of a test that wants a fixture."""
    tables = []
    for mark in getattr(test, "pytestmark", []):
        if mark.name == "parametrize":
            names, values = mark.args[0], mark.args[1]
            names = [n.strip() for n in names.split(",")] if isinstance(names, str) else names
            tables.append([_row(names, value) for value in values])
    wanted = set() if hasattr(test, "hypothesis") else set(inspect.signature(test).parameters)
    for rows in itertools.product(*tables):
        given = {name: value for row in rows for name, value in row.items()}
        if wanted <= set(given):
            yield given


def _row(names: list[str], value: Any) -> dict[str, Any]:
    value = getattr(value, "values", value) if type(value).__name__ == "ParameterSet" else value
    if len(names) == 1:
        single = type(value) is tuple and len(value) == 1
        return {names[0]: value[0] if single else value}
    return dict(zip(names, value, strict=True))


def killer(module: str) -> tuple[str | None, str]:
    """The first test that an AssertionError ends, and else what went wrong otherwise."""
    said = ""
    for name, test, given in cases(module):
        try:
            test(**given)
        except AssertionError:
            return name, ""
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            said = said or f"{name}: {type(error).__name__}: {error}"
    return None, said
