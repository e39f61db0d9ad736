"""What a frozen reference says of each answer, kept on the disk under what it was asked of whom.

A row is known by the hash of its ids, the reference by the hash of its weights and the number
format it computed in. Where all of these agree the numbers are read, else they are worked out.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from transformers import PreTrainedModel

from preftune.artifacts.files import write_bytes_atomic
from preftune.models import Row, computed_in, weights_digest
from preftune.records import BadInput

NAME = "reference.safetensors"
"""In a stage's folder: digests of rows [N, 16], their log-probabilities [N]."""


def kept_logprobs(
    reference: PreTrainedModel,
    rows: Sequence[Row],
    ask: Callable[[Sequence[Row]], torch.Tensor],
    here: Path,
    elsewhere: Path | None = None,
) -> torch.Tensor:
    """log π_ref(y|x) of every row, [N], in nats a response, and all of them in the file ``here``.

    Read from it, or from the file ``elsewhere`` of another stage or run; rows that neither knows
    are asked of the reference. Raises :class:`BadInput` where ``elsewhere`` is another model's.
    """
    who = {"model": weights_digest(reference), "computed_in": str(computed_in(reference))}
    known = read(here, who) if here.exists() else {}
    if elsewhere is not None and not known:
        known = read(elsewhere, who)
        if not known:
            raise BadInput(
                "These log-probabilities are of another reference, or of the same one computing "
                "in another number format.",
                file=elsewhere,
                remedy="Leave reference_logprobs out; they are then worked out anew.",
            )
    digests = [digest_of(row) for row in rows]
    missing = [row for row, digest in zip(rows, digests, strict=True) if digest not in known]
    if missing:
        told = ask(missing).tolist()
        known |= dict(zip((digest_of(row) for row in missing), told, strict=True))
    sums = torch.tensor([known[digest] for digest in digests])
    write(here, who, digests, sums)
    return sums


def digest_of(row: Row) -> bytes:
    """16 bytes that name a prompt with its answer, as ids."""
    parts = (np.array(ids, dtype="<i8").tobytes() for ids in (row.prompt_ids, row.response_ids))
    hashed = hashlib.sha256(len(row.prompt_ids).to_bytes(8, "little"))
    for part in parts:
        hashed.update(part)
    return hashed.digest()[:16]


def write(path: Path, who: dict[str, str], digests: Sequence[bytes], sums: torch.Tensor) -> None:
    table = np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, 16)
    tensors = {"rows": torch.from_numpy(table.copy()), "logprobs": sums.contiguous()}
    content = save(tensors, metadata={"reference": json.dumps(who, sort_keys=True)})
    if not path.exists() or path.read_bytes() != content:
        write_bytes_atomic(path, content)


def read(path: Path, who: dict[str, str]) -> dict[bytes, float]:
    """The log-probabilities by digest; none where they are of another reference.

    Raises :class:`BadInput` for a file that is none of these.
    """
    try:
        with safe_open(path, framework="pt") as opened:
            if json.loads((opened.metadata() or {}).get("reference", "{}")) != who:
                return {}
            digests = opened.get_tensor("rows").numpy()
            sums = opened.get_tensor("logprobs").tolist()
    except (OSError, SafetensorError, ValueError) as error:
        raise BadInput(
            "This file holds no log-probabilities of a reference.",
            file=path,
            remedy=f"Name the output `reference` of a dpo, ipo or kto stage, a {NAME}.",
        ) from error
    return dict(zip((bytes(row) for row in digests), sums, strict=True))
