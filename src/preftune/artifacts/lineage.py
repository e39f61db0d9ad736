"""Where an artifact came from: manifests walked back to the raw files.

The graph is plain JSON: ``{"nodes": [...], "edges": [...]}``. A node is one content, known by its
hash: ``{"id", "name", "kind", "stage", "path"}`` with the kind of the stage that made it, or
``raw`` for a file no stage made, or ``missing`` where the stage that made it cannot be found.
Judgments frozen from a label store are of kind ``feedback``, and ``feedback`` in the node lists
each one. An edge ``{"from", "to", "role"}`` says that ``to`` was made from ``from`` in that role.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from preftune.artifacts.manifest import MANIFEST_NAME, Manifest, Parent, read_manifest
from preftune.records import BadInput

STAGES = "stages"
FEEDBACK_ORIGIN = ".feedback.json"
"""What stands after a frozen dataset's name in the file that lists its judgments."""
SHORT = 12

Graph = dict[str, list[dict[str, Any]]]


@dataclass(slots=True)
class _Walk:
    """What has been found so far; ``made`` maps a content to the stage folder that made it."""

    run: Path
    made: dict[str, tuple[Path, Manifest, str]] = field(default_factory=dict)
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    edges: dict[tuple[str, str, str], None] = field(default_factory=dict)


def lineage(folder: str | Path) -> Graph:
    """The graph behind a run folder, a stage's folder, or an output inside a stage's folder.

    Parents made by another run are followed into that run. BadInput when no manifest is found,
    or one on the way is broken.
    """
    start = Path(folder).resolve()
    targets, run = _targets(start, Path(folder))
    walk = _Walk(run)
    _index(walk, run)
    for stage, manifest, name in targets:
        walk.made.setdefault(manifest.outputs[name]["sha256"], (stage, manifest, name))
    waiting = [manifest.outputs[name]["sha256"] for _, manifest, name in reversed(targets)]
    while waiting:
        content = waiting.pop()
        if content in walk.nodes:
            continue
        waiting.extend(reversed(_visit(walk, content)))
    edges = [{"from": a, "to": b, "role": role} for a, b, role in walk.edges]
    return {"nodes": list(walk.nodes.values()), "edges": edges}


def render_lineage_text(graph: Graph) -> str:
    """An indented tree for people: each artifact with what it was made from below it."""
    nodes = {node["id"]: node for node in graph["nodes"]}
    below: dict[str, list[tuple[str, str]]] = {}
    for edge in graph["edges"]:
        below.setdefault(edge["to"], []).append((edge["from"], edge["role"]))
    used = {edge["from"] for edge in graph["edges"]}
    roots = [key for key in nodes if key not in used] or list(nodes)[:1]
    shown: set[str] = set()
    lines: list[str] = []
    for root in roots:
        waiting = [(root, "", 0)]
        while waiting:
            key, role, depth = waiting.pop()
            again = key in shown and key in below
            lines.append("  " * depth + _line(nodes[key], role) + (" (see above)" if again else ""))
            if key in shown:
                continue
            shown.add(key)
            waiting.extend((k, r, depth + 1) for k, r in reversed(below.get(key, [])))
    return "\n".join(lines) + "\n"


def _line(node: dict[str, Any], role: str) -> str:
    head = f"{role}: " if role else ""
    what = node["name"] if node["stage"] is None else f"{node['stage']}/{node['name']}"
    line = f"{head}{what} [{node['kind']}] {node['path']} {node['id'][:SHORT]}"
    about = node.get("feedback")
    if about is None:
        return line
    versions = sorted({str(one["guideline_version"]) for one in about["judgments"]})
    return (
        f"{line} ({len(about['judgments'])} judgments of {about['project']} up to event "
        f"{about['watermark']}, guidelines {', '.join(versions)})"
    )


def _targets(start: Path, given: Path) -> tuple[list[tuple[Path, Manifest, str]], Path]:
    """The outputs asked about, and the run folder they belong to."""
    stages = list(_stages(start))
    if stages:
        return [(s, m, name) for s, m in stages for name in m.outputs], start
    for stage in (start, *start.parents):
        if not (stage / MANIFEST_NAME).is_file():
            continue
        manifest = read_manifest(stage)
        inside = [
            name
            for name, output in manifest.outputs.items()
            if start.is_relative_to(stage / output["path"])
        ]
        return [(stage, manifest, n) for n in inside or manifest.outputs], _run_of(stage)
    raise BadInput(
        "No manifest is found here or above, so nothing is known of where this came from.",
        file=given,
        remedy="Give the folder of a run, of one of its finished stages, or of a model in one.",
    )


def _run_of(stage: Path) -> Path:
    return stage.parent.parent if stage.parent.name == STAGES else stage


def _stages(run: Path) -> Iterator[tuple[Path, Manifest]]:
    for path in sorted((run / STAGES).glob(f"*/{MANIFEST_NAME}")):
        if not path.parent.name.startswith("."):
            yield path.parent, read_manifest(path.parent)


def _index(walk: _Walk, run: Path) -> None:
    """Remembers which stage of ``run`` made which content; the first maker counts."""
    for stage, manifest in _stages(run):
        for name, output in manifest.outputs.items():
            walk.made.setdefault(output["sha256"], (stage, manifest, name))


def _visit(walk: _Walk, content: str) -> list[str]:
    """Adds the node of a made content, the edges to its parents, and its raw parents' nodes.

    Gives the parents that were themselves made, which are to be visited next.
    """
    stage, manifest, name = _origin(walk, content)
    copied = [p for p in manifest.parents if p.sha256 == content and p.stage is None]
    if copied:
        walk.nodes[content] = _leaf(walk.run, copied[0])
        return []
    walk.nodes[content] = {
        "id": content,
        "name": name,
        "kind": manifest.kind,
        "stage": manifest.name,
        "path": _shown(walk.run, stage / manifest.outputs[name]["path"]),
    }
    further = []
    for parent in manifest.parents:
        if parent.sha256 == content:
            continue  # handed on unchanged by a stage that is gone
        walk.edges[(parent.sha256, content, parent.role)] = None
        if _find_maker(walk, stage, parent):
            further.append(parent.sha256)
        elif parent.sha256 not in walk.nodes:
            walk.nodes[parent.sha256] = _leaf(walk.run, parent)
    return further


def _leaf(run: Path, parent: Parent) -> dict[str, Any]:
    node: dict[str, Any] = {
        "id": parent.sha256,
        "name": Path(parent.path).name,
        "kind": "raw" if parent.stage is None else "missing",
        "stage": parent.stage,
        "path": parent.path,
    }
    about = run / f"{parent.path}{FEEDBACK_ORIGIN}"
    if about.is_file():
        node["kind"] = "feedback"
        node["feedback"] = json.loads(about.read_text(encoding="utf-8"))
    return node


def _origin(walk: _Walk, content: str) -> tuple[Path, Manifest, str]:
    """The stage that made a content, past stages (of other runs) that handed it on unchanged."""
    passed: set[Path] = set()
    while True:
        stage, manifest, name = walk.made[content]
        passed.add(stage)
        handed_on = [parent for parent in manifest.parents if parent.sha256 == content]
        earlier = [maker for parent in handed_on for maker in _makers_at(walk, stage, parent)]
        fresh = [maker for maker in earlier if maker[0] not in passed]
        if not fresh:
            return stage, manifest, name
        walk.made[content] = fresh[0]


def _find_maker(walk: _Walk, stage: Path, parent: Parent) -> bool:
    if parent.sha256 in walk.made:
        return True
    for maker in _makers_at(walk, stage, parent):
        walk.made[parent.sha256] = maker
    return parent.sha256 in walk.made


def _makers_at(walk: _Walk, stage: Path, parent: Parent) -> list[tuple[Path, Manifest, str]]:
    """The stage around the place where the manifest of ``stage`` says this parent lies."""
    place = (_run_of(stage) / parent.path).resolve()
    for folder in (place, *place.parents):
        if (folder / MANIFEST_NAME).is_file():
            manifest = read_manifest(folder)
            outputs = manifest.outputs.items()
            return [(folder, manifest, n) for n, o in outputs if o["sha256"] == parent.sha256][:1]
    return []


def _shown(run: Path, path: Path) -> str:
    return path.relative_to(run).as_posix() if path.is_relative_to(run) else str(path)
