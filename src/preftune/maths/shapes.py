"""Names carry shapes: the letters after the last underscore bind to sizes, and must agree.

B responses, T response tokens, S tokens of prompt and response, V vocabulary, H hidden size;
N prompts with G responses each.
"""

import torch


class ShapeError(ValueError):
    """Two tensors disagree about a letter, or a tensor has the wrong number of axes."""


def check_shapes(**named: torch.Tensor) -> dict[str, int]:
    """Binds each letter to a size and returns the binding; raises :class:`ShapeError`.

    ``check_shapes(logprobs_BT=x, scores_B=y)`` wants ``x.ndim == 2`` and ``len(y) == x.shape[0]``.
    """
    sizes: dict[str, int] = {}
    for name, tensor in named.items():
        letters = name.rpartition("_")[2]
        if tensor.ndim != len(letters):
            raise ShapeError(f"{name} has shape {tuple(tensor.shape)}, not {len(letters)} axes")
        for letter, size in zip(letters, tensor.shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                raise ShapeError(f"{name}: {letter} is {size} here and {sizes[letter]} elsewhere")
    return sizes
