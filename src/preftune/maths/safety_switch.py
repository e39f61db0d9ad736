"""Llama 2's combined reward: the safety model speaks where safety is in question (Touvron et al.
2023, §3.2.3). B responses."""

import torch

from preftune.maths.shapes import check_shapes


def switched(
    *, helpful_B: torch.Tensor, safe_B: torch.Tensor, tagged_B: torch.Tensor, threshold: float
) -> torch.Tensor:
    """R_c = R_s where the prompt is tagged or R_s < threshold, else R_h, [B].

    Both are probabilities. ``tagged_B`` is True where a prompt may bring out unsafe answers. The
    paper's threshold is .15 (precision .89, recall .55 for unsafe answers). A hard switch: at the
    threshold the reward may jump.
    """
    check_shapes(helpful_B=helpful_B, safe_B=safe_B, tagged_B=tagged_B)
    return torch.where(tagged_B | (safe_B < threshold), safe_B, helpful_B)


def whitened_logits(*, probabilities_B: torch.Tensor, clip: float) -> torch.Tensor:
    """whiten(logit(R_c)) with probabilities held within [clip, 1 − clip], [B].

    Mean 0 and standard deviation 1 over the batch (n − 1), before any KL penalty is taken off: β
    is then in standard deviations of the reward. A batch without spread becomes zeros.
    """
    check_shapes(probabilities_B=probabilities_B)
    logits_B = torch.logit(probabilities_B.clamp(clip, 1 - clip))
    centred_B = logits_B - logits_B.mean()
    if len(logits_B) < 2:
        return torch.zeros_like(logits_B)
    spread = logits_B.std()
    return centred_B / spread if spread > 0 else torch.zeros_like(logits_B)
