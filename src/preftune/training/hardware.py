"""Which units of this machine multiply bfloat16 matrices, and the number format to compute in."""

from pathlib import Path

import torch

CPUINFO = Path("/proc/cpuinfo")
UNITS = {
    "amx_bf16": "AMX",
    "avx512_bf16": "AVX-512 BF16",
    "sme": "SME",
    "bf16": "ARM BF16",
}
"""A processor's flag → the unit it stands for, the fastest first."""


def bfloat16_unit(device: torch.device) -> str | None:
    """The unit that multiplies bfloat16 on ``device``, None where there is none.

    On a GPU its name; on a processor AMX, AVX-512 BF16, SME or ARM BF16, by the flags Linux shows.
    """
    if device.type == "cuda":
        supported = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.cuda.get_device_name(device) if supported else None
    flags = processor_flags()
    return next((unit for flag, unit in UNITS.items() if flag in flags), None)


def precision_for(wanted: str, device: torch.device) -> torch.dtype:
    """The number format a recipe's ``precision`` means on ``device``."""
    fast = wanted == "bfloat16" or (wanted == "auto" and bfloat16_unit(device) is not None)
    return torch.bfloat16 if fast else torch.float32


def processor_flags(cpuinfo: Path = CPUINFO) -> set[str]:
    """What the first processor says it can do (``flags`` on x86, ``Features`` on ARM)."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    told = (line for line in lines if line.startswith(("flags", "Features")))
    return set(next(told, "").partition(":")[2].split())
