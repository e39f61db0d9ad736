"""A small language model from scratch: a tokenizer, then next-token prediction on text."""

from collections.abc import Iterator, Sequence

import numpy as np
from transformers import PreTrainedModel

from preftune.maths.losses.sft import sft_loss
from preftune.models import (
    Row,
    build_policy,
    collate,
    embed_by_cooccurrence,
    micro_batches,
    response_logprobs,
    save_model,
    train_tokenizer,
)
from preftune.pipeline.cards import model_card
from preftune.pipeline.context import StageContext, StageOutcome
from preftune.pipeline.documents import Written, document_rows, encoded, read_texts
from preftune.pipeline.networks import learner
from preftune.recipe import Pretrain
from preftune.training import Loss, StepReport, Training, shuffled

MICRO_BATCH_TOKENS = 8192
TOKENIZER_TEXTS = 20_000


def run(context: StageContext[Pretrain]) -> StageOutcome:
    settings = context.settings
    texts = read_texts([context.inputs[f"data.{i}"] for i in range(len(settings.data))])
    with context.console.progress("tokenizer", 1) as bar:
        tokenizer = train_tokenizer(_sample(context, texts), settings.vocab_size)
        bar.advance()
    model = build_policy(settings.architecture, tokenizer, context.seed_for("weights"))
    read = encoded(tokenizer, texts)
    if settings.embeddings == "cooccurrence":
        whole = [(*row.prompt_ids, *row.response_ids) for row in read]
        embed_by_cooccurrence(model, whole, context.seed_for("embeddings"))
    model.to(context.device)  # type: ignore[arg-type]
    learner(context, model)
    rows = packed(read, settings, int(tokenizer.eos_token_id))
    summary = _train(context, model, rows, int(tokenizer.pad_token_id))
    save_model(model, tokenizer, context.model_folder, model_card(context, "pretrained"))
    summary |= {
        "texts": len(texts),
        "tokens": sum(len(row.response_ids) for row in rows),
        "parameters": sum(p.numel() for p in model.parameters()),
        "vocabulary": len(tokenizer),
    }
    return StageOutcome({"model": "model"}, summary)


def packed(texts: Sequence[Row], settings: Pretrain, eos: int) -> list[Row]:
    """Rows to learn from, each after an end token.

    ``documents``: a document a row; of a prompt with a completion only the completion is learned.
    ``stream``: all text in one stream, prompts too, cut to the context.
    """
    context = settings.architecture.context
    if settings.packing == "documents":
        return document_rows(texts, context, eos)
    parts = [np.array((*r.prompt_ids, *r.response_ids, eos), dtype=np.int64) for r in texts]
    stream, width = np.concatenate(parts), context - 1
    cut = stream[: len(stream) // width * width].reshape(-1, width)
    if not len(cut):
        return [Row((eos,), tuple(stream.tolist()))]
    starts = [eos, *cut[:-1, -1].tolist()]
    return [Row((start,), tuple(row)) for start, row in zip(starts, cut.tolist(), strict=True)]


def batches(rows: Sequence[Row], batch_tokens: int, seed: int) -> Iterator[list[Row]]:
    """Endless shuffled batches of about ``batch_tokens`` tokens."""
    epoch = 0
    batch: list[Row] = []
    room = batch_tokens
    while True:
        for index in shuffled(len(rows), seed, epoch):
            if batch and len(rows[index]) > room:
                yield batch
                batch, room = [], batch_tokens
            batch.append(rows[index])
            room -= len(rows[index])
        epoch += 1


def _train(
    context: StageContext[Pretrain], model: PreTrainedModel, rows: Sequence[Row], pad_id: int
) -> dict[str, float]:
    settings = context.settings
    training = Training(
        {"policy": model}, {"policy": settings.optimizer}, settings.steps, context.seed
    )
    source = batches(rows, settings.batch_tokens, context.seed_for("order"))
    window: list[float] = []
    with (
        context.journal(settings.checkpoint_every) as journal,
        journal.progress("pretrain", settings.steps) as bar,
    ):
        done, state, _ = journal.resume(training)
        window, loss = state.get("window", []), state.get("loss", 0.0)
        bar.resume(done)
        for _ in range(done):
            next(source)
        for at in range(done, settings.steps):
            report = _step(training, model, next(source), pad_id, at)
            window.append(report.loss)
            if (at + 1) % settings.log_every == 0 or at + 1 == settings.steps:
                loss, window = sum(window) / len(window), []
                journal.record(
                    at + 1,
                    {
                        "loss": loss,
                        "learning_rate": report.learning_rates["policy"],
                        "grad_norm": report.grad_norms["policy"],
                    },
                )
            bar.advance(1, f"loss {report.loss:.3f}")
            journal.checkpoint(at + 1, training, {"window": window, "loss": loss})
    model.eval()
    told = {"loss": loss} if settings.steps else {}
    return told | {"steps": settings.steps}


def _step(
    training: Training, model: PreTrainedModel, rows: Sequence[Row], pad_id: int, at: int
) -> StepReport:
    model.train()
    tokens = sum(len(row.response_ids) for row in rows)

    def objective(indices: list[int]) -> Loss:
        batch = collate([rows[i] for i in indices], pad_id, model.device)
        logprobs_BT = response_logprobs(model, batch, 1.0)
        mask_BT = batch.action_mask_BT
        loss = sft_loss(logprobs_BT=logprobs_BT, action_mask_BT=mask_BT, denominator=tokens)
        return Loss(loss, {})

    return training.step(
        micro_batches([len(row) for row in rows], MICRO_BATCH_TOKENS), objective, at=at
    )


def _sample(context: StageContext[Pretrain], texts: Sequence[Written]) -> list[str]:
    rng = np.random.default_rng(context.seed_for("tokenizer"))
    chosen = rng.permutation(len(texts))[:TOKENIZER_TEXTS]
    return [texts[i].prompt + texts[i].body for i in chosen]
