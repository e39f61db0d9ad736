"""What a processor says of itself, and the number format that follows from it."""

from pathlib import Path

import pytest
import torch

from preftune.training import bfloat16_unit, hardware, precision_for, processor_flags

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("flags\t\t: fpu avx512f avx512_bf16\n", "AVX-512 BF16"),
        ("flags\t\t: fpu avx512_bf16 amx_bf16\n", "AMX"),
        ("Features\t: fp asimd bf16\n", "ARM BF16"),
        ("flags\t\t: fpu avx2\n", None),
        ("", None),
    ],
)
def test_the_unit_is_read_off_the_flags(
    text: str, unit: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "cpuinfo"
    told.write_text(f"model name\t: x\n{text}", encoding="utf-8")
    flags = processor_flags(told)
    monkeypatch.setattr(hardware, "processor_flags", lambda: flags)
    assert bfloat16_unit(CPU) == unit
    assert precision_for("auto", CPU) is (torch.float32 if unit is None else torch.bfloat16)


def test_a_number_format_that_is_asked_for_is_taken() -> None:
    assert precision_for("float32", CPU) is torch.float32
    assert precision_for("bfloat16", CPU) is torch.bfloat16


def test_a_system_that_tells_nothing(tmp_path: Path) -> None:
    assert processor_flags(tmp_path / "no") == set()
