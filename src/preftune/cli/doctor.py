"""``preftune doctor``: what this machine can run, and whether a recipe can start on it."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from preftune.cli.machine import look_at_devices, look_at_machine, look_at_packages
from preftune.cli.options import AsJson, Overrides
from preftune.cli.recipe_needs import look_at_recipe
from preftune.cli.reply import Reply, facts, table, write_line
from preftune.cli.train_extra import INSTALL, missing_packages
from preftune.records import BadInput

NO_DEVICES: dict[str, Any] = {"devices": [], "bfloat16": None, "precision": None}


def doctor(
    recipe: Annotated[
        str | None,
        typer.Argument(
            metavar="[RECIPE]", help="Also look whether this recipe can start.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where runs would be written.")
    ] = Path("runs"),
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> Reply:
    """Say what this machine can run: versions, cores, memory, disk, devices, precision.

    With a recipe it reads it, looks for its files, and counts the parameters of models trained
    from scratch; it exits with 2 if something is missing.
    """
    found: dict[str, Any] = look_at_machine(out)
    found |= {"packages": look_at_packages(), "train_ready": not missing_packages()}
    found |= look_at_devices() if found["train_ready"] else NO_DEVICES
    found["recipe"] = None if recipe is None else look_at_recipe(recipe, overrides or [])
    return Reply(found, lambda console: _show(found, console), _complaint(recipe, found))


def _complaint(recipe: str | None, found: dict[str, Any]) -> BadInput | None:
    """The first thing that keeps the recipe from starting."""
    if found["recipe"] is None or found["recipe"]["ready"]:
        return None
    first = found["recipe"]["missing"][0]
    return BadInput(
        f"{first['stage']}.{first['role']} names a file that does not exist.",
        file=first["path"],
        remedy="Check the path, or data.root for data: sources.",
    )


def _show(found: dict[str, Any], console: Console) -> None:
    rows: list[tuple[str, object]] = [
        ("preftune", found["preftune"]),
        ("python", found["python"]),
        ("platform", found["platform"]),
        ("cores", found["cores"]),
        ("memory", _size(found["memory_bytes"])),
        ("memory free", _size(found["memory_free_bytes"])),
        (f"disk free at {found['out']}", _size(found["disk_free_bytes"])),
    ]
    for device in found["devices"]:
        memory = f", {_size(device['memory_bytes'])}" if device["memory_bytes"] else ""
        rows.append(("device", f"{device['name']}: {device['description']}{memory}"))
    if found["bfloat16"] is not None:
        units = [
            f"{d['name']}: {d['bfloat16_unit']}" for d in found["devices"] if d["bfloat16_unit"]
        ]
        rows.append(("bfloat16 in hardware", ", ".join(units) or "no"))
        rows.append(("advised", found["precision"]))
    console.print(facts(rows))
    console.print()
    packages = [
        (name, item["version"] or "not installed", item["needed_for"], item["install"])
        for name, item in found["packages"].items()
    ]
    console.print(table("", ("package", "version", "for", "install with"), packages))
    if not found["train_ready"]:
        console.print()
        write_line(console, f"Training, evaluation and chat need: {INSTALL}")
    if found["recipe"] is not None:
        _show_recipe(found["recipe"], console)


def _show_recipe(recipe: dict[str, Any], console: Console) -> None:
    console.print()
    rows = [
        (
            stage["name"],
            stage["kind"],
            f"{stage['parameters']:,}" if stage["parameters"] else "–",
        )
        for stage in recipe["stages"]
    ]
    write_line(console, f"{recipe['title']} ({recipe['file']})")
    console.print(table("", ("stage", "kind", "parameters from scratch"), rows))
    for item in recipe["missing"]:
        write_line(console, f"missing: {item['stage']}.{item['role']} = {item['path']}")
    for item in recipe["hub"]:
        write_line(console, f"from the hub: {item['stage']}.{item['role']} = {item['name']}")
    write_line(console, "can start here" if recipe["ready"] else "cannot start here")


def _size(count: int | None) -> str:
    return "not known" if count is None else f"{count / 2**30:.1f} GiB"
