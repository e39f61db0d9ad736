"""Tokenizers: loading one, training a small one, and the pad token every batch needs."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from preftune.models.ensembles import require_one_model
from preftune.records import BadInput

logger = logging.getLogger(__name__)

EOS, PAD = "<|end|>", "<|pad|>"


def load_tokenizer(folder: str | Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a model folder. One without a pad token gets its end token, said once.

    Padding is always masked by length, never by comparing with the pad id, so the two may be the
    same token. Raises :class:`BadInput` when there is no tokenizer or it has no end token.
    """
    require_one_model(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
    except (OSError, ValueError, KeyError, ImportError) as error:
        remedy = "Save the tokenizer beside the model with tokenizer.save_pretrained."
        if Path(folder, "model", "config.json").exists():
            remedy = f"This is a stage's folder; its model is {Path(folder, 'model')}."
        raise BadInput(
            "The model folder has no tokenizer that can be read.", file=folder, remedy=remedy
        ) from error
    if tokenizer.eos_token_id is None:
        raise BadInput(
            "The tokenizer has no end-of-sequence token, so completions could never end.",
            file=folder,
            remedy="Set tokenizer.eos_token and save it again.",
        )
    if tokenizer.pad_token_id is None:
        logger.warning("%s: no pad token; the end token %r serves", folder, tokenizer.eos_token)
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """A byte-level byte-pair tokenizer with an end and a pad token (Sennrich et al. 2016)."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[EOS, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=EOS,
        pad_token=PAD,
        clean_up_tokenization_spaces=False,
    )


def stop_ids(tokenizer: PreTrainedTokenizerBase, stops: Sequence[str]) -> tuple[int, ...]:
    """Ids of the recipe's stop texts. Raises :class:`BadInput` when one is not a single token."""
    ids = []
    for text in stops:
        found = tokenizer(text, add_special_tokens=False)["input_ids"]
        if len(found) != 1:
            raise BadInput(
                f"The stop text {text!r} is {len(found)} tokens of this tokenizer, not one.",
                remedy="Choose a text that is one token, or rely on the end token.",
            )
        ids.append(found[0])
    return tuple(ids)
