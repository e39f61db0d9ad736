"""GPT-2's activation as one operation instead of eight.

transformers writes the tanh form of GELU (Hendrycks and Gimpel 2016) out in eight steps, of which
a backward pass keeps five tables of [tokens, inner size]; PyTorch's own keeps its input.
"""

from torch import nn
from transformers import PreTrainedModel
from transformers.activations import NewGELUActivation


def fuse_activations(model: PreTrainedModel) -> PreTrainedModel:
    """The same network: 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))) to the rounding of a float."""
    for part in model.modules():
        for name, child in part.named_children():
            if isinstance(child, NewGELUActivation):
                setattr(part, name, nn.GELU(approximate="tanh"))
    return model
