"""Reading a TRL configuration's fields, and what becomes of one."""

import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from preftune.records import BadInput


class Row(NamedTuple):
    """What becomes of one field."""

    field: str
    into: Literal["mapped", "ignored", "unsupported"]
    text: str
    settings: Mapping[str, Any] = MappingProxyType({})
    """Dotted key → value."""
    lost: bool = False


def spread(field: str, sections: tuple[str, ...], settings: Mapping[str, Any]) -> Row:
    """The same settings in every section; the first is the one named."""
    both = {f"{section}.{key}": value for section in sections for key, value in settings.items()}
    return Row(field, "mapped", next(iter(both)), both)


def mapped(field: str, key: str, value: Any) -> Row:
    return Row(field, "mapped", key, {key: value})


def number_row(values: Mapping[str, Any], field: str, key: str, kind: type) -> Row:
    return mapped(field, key, (whole if kind is int else real)(values, field))


def data_row(values: Mapping[str, Any], key: str) -> Row:
    name = values["dataset_name"]
    return mapped("dataset_name", key, source_of(name) if name else f"{key.upper()}.jsonl")


def device_row(values: Mapping[str, Any]) -> Row:
    cpu = switch(values, "use_cpu")
    return Row("use_cpu", "mapped", "machine.device", {"machine.device": "cpu"} if cpu else {})


def model_row(values: Mapping[str, Any]) -> Row:
    model = values["model_name_or_path"]
    return mapped("model_name_or_path", "model", source_of(model) if model else "MODEL")


def batch_rows(values: Mapping[str, Any]) -> list[Row]:
    fields = ("per_device_train_batch_size", "gradient_accumulation_steps")
    batch = math.prod(whole(values, field) for field in fields)
    return [mapped(field, "batch_size", batch) for field in fields]


def epoch_rows(values: Mapping[str, Any]) -> list[Row]:
    """Whole epochs; a number of steps is not taken."""
    epochs = real(values, "num_train_epochs")
    steps = real(values, "max_steps")
    reason = "Training is counted in epochs: set epochs."
    counted = Row("max_steps", "unsupported", reason, lost=steps > 0)
    if epochs == int(epochs):
        return [counted, mapped("num_train_epochs", "epochs", int(epochs))]
    reason = "Epochs are whole: set epochs."
    return [counted, Row("num_train_epochs", "unsupported", reason, lost=steps <= 0)]


def source_of(name: Any) -> str:
    """A name of the hub (``owner/name`` or ``name``), unless it is written as a path."""
    text = str(name)
    return f"hub:{text}" if re.fullmatch(r"[\w-][\w.-]*(/[\w.-]+)?", text) else text


def real(values: Mapping[str, Any], field: str) -> float:
    """A number; YAML reads 3e-6 as text, for it has no point."""
    value = values[field]
    try:
        if isinstance(value, bool):
            raise TypeError
        number = float(value)
        if not math.isfinite(number):
            raise ValueError
        return number
    except (TypeError, ValueError):
        raise BadInput(
            f"{field} = {value!r} cannot be used.", remedy="It must be a number."
        ) from None


def whole(values: Mapping[str, Any], field: str) -> int:
    number = real(values, field)
    if number != int(number):
        raise BadInput(f"{field} = {number:g} cannot be used.", remedy="It must be a whole number.")
    return int(number)


def switch(values: Mapping[str, Any], field: str) -> bool:
    value = values[field]
    if not isinstance(value, bool):
        raise BadInput(f"{field} = {value!r} cannot be used.", remedy="It must be true or false.")
    return value
