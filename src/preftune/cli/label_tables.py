"""What people read of ``preftune label``."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from preftune.cli.reply import facts, shown, table, write_line

POOLS = {"human_human": "people", "machine_machine": "machines", "mixed": "people and machines"}


def show_init(made: Mapping[str, Any], console: Console) -> None:
    write_line(console, f"label store: {made['store']}")
    if made["project"]:
        write_line(console, f"project: {made['project']} ({made['kind']})")


def show_imported(found: Mapping[str, Any], console: Console) -> None:
    write_line(console, f"{found['added']} items added to {found['project']}")
    if found["known"]:
        write_line(console, f"{found['known']} were there already")
    if found["votes"]:
        write_line(console, f"{found['votes_added']} of {found['votes']} votes taken in")


def show_exported(found: Mapping[str, Any], console: Console) -> None:
    rows = [("path", found["path"]), ("watermark", found["watermark"])]
    if "files" in found:
        rows += [(name, f"{part['rows']} rows") for name, part in found["files"].items()]
    else:
        rows += [
            ("rows", found["rows"]),
            ("kind", found["kind"]),
            ("put together by", found["how"]),
        ]
    console.print(facts(rows))


def show_status(found: Mapping[str, Any], console: Console) -> None:
    seconds = found["seconds_per_judgment"]
    rows = [
        ("project", f"{found['project']} ({found['kind']}, {found['state']})"),
        ("items done", f"{found['items_done']} of {found['items']}"),
        ("judgments", f"{found['places_done']} of {found['places']}"),
        ("with people now", found["places_leased"]),
        (
            "surplus, revised, skipped",
            f"{found['surplus']}, {found['revised']}, {found['skipped']}",
        ),
        ("active hours", shown(found["active_seconds"] / 3600)),
        ("seconds a judgment", shown(seconds)),
        ("cost", shown(found["cost"])),
    ]
    console.print(facts(rows))
    if found["annotators"]:
        of_person = ("annotator", "group", "origin", "judgments", "skipped", "median seconds")
        people = [
            (a["name"], a["group"] or "–", a["origin"], a["judgments"], a["skipped"],
             shown(a["median_seconds"]))
            for a in found["annotators"]
        ]  # fmt: skip
        console.print(table("", of_person, people))
    if found["known_items"]:
        of_checks = ("annotator", "known items", "right", "asked", "share right")
        checks = [
            (k["annotator"], k["purpose"], k["right"], k["asked"], shown(k["share"], True))
            for k in found["known_items"]
        ]
        console.print(table("", of_checks, checks))


def show_agreement(found: Mapping[str, Any], console: Console) -> None:
    names = ("measure", "among", "percent", "kappa", "alpha", "AC1", "pairs")
    rows = []
    for measure, whole in found["measures"].items():
        pools = {POOLS[name]: whole[name] for name in POOLS if name in whole}
        pools |= {f"people, {group}": one for group, one in whole["groups"].items()}
        rows += [
            (
                measure,
                among,
                shown(one["percent"], True),
                shown(one["kappa"]),
                shown(one["alpha"]),
                shown(one["ac1"]),
                one["pairs"],
            )
            for among, one in pools.items()
        ]
    console.print(table("", names, rows))


def show_place(found: Mapping[str, Any], console: Console) -> None:
    write_line(console, found["path"])


def show_verdict(found: Mapping[str, Any], console: Console) -> None:
    if found["ok"]:
        write_line(console, f"{found['events']} events, unbroken; the last is {found['head'][:16]}")
