"""Overlap with references (ROUGE, BLEU) and of a policy with itself, by the kept libraries.

``rouge_score`` (Google Research) and ``sacrebleu`` (Post 2018) come with ``preftune[metrics]``.
"""

from collections.abc import Sequence

import numpy as np

from preftune.monitoring.adapters.optional import import_extra
from preftune.records import BadInput, Completion, Estimate
from preftune.stats import mean_estimate

ROUGE = ("rouge1", "rouge2", "rougeL")
EXTRA = "metrics"


def rouge(completions: Sequence[Completion], references: Sequence[str]) -> dict[str, Estimate]:
    """Mean F1 of ROUGE-1, -2 and -L (Lin 2004), stemmed, with intervals clustered by prompt."""
    _same(completions, references)
    scorer = import_extra("rouge_score.rouge_scorer", EXTRA).RougeScorer(ROUGE, use_stemmer=True)
    found = [
        scorer.score(reference, c.text)
        for c, reference in zip(completions, references, strict=True)
    ]
    units = [c.prompt.id for c in completions]
    return {name: mean_estimate([row[name].fmeasure for row in found], units) for name in ROUGE}


def bleu(completions: Sequence[Completion], references: Sequence[str]) -> float:
    """Corpus BLEU-4 of 0 to 100 (Papineni et al. 2002) with sacrebleu's own tokens (13a)."""
    _same(completions, references)
    sacrebleu = import_extra("sacrebleu", EXTRA)
    return float(sacrebleu.corpus_bleu([c.text for c in completions], [list(references)]).score)


def self_bleu(texts: Sequence[str], *, rng: np.random.Generator, most: int = 100) -> float:
    """Mean BLEU-4 of each text against all others, 0 to 100 (Zhu et al. 2018, Texygen).

    100 is one text said over and over. Of more than ``most`` texts so many are drawn; compare
    policies at the same number. BadInput for fewer than two texts.
    """
    if len(texts) < 2:
        raise BadInput("Self-BLEU needs at least two texts.")
    sacrebleu = import_extra("sacrebleu", EXTRA)
    places = sorted(rng.permutation(len(texts))[:most].tolist())
    drawn = [texts[place] for place in places]
    scores = [
        sacrebleu.sentence_bleu(text, [*drawn[:place], *drawn[place + 1 :]]).score
        for place, text in enumerate(drawn)
    ]
    return float(np.mean(scores))


def _same(completions: Sequence[Completion], references: Sequence[str]) -> None:
    if len(completions) != len(references) or not completions:
        raise BadInput(
            f"There are {len(completions)} completions but {len(references)} references."
        )
