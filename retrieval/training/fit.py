"""Runs the trainer of the library for a kind of model."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retrieval.embedding.declared import DOCUMENT_PROMPTS, QUERY_PROMPTS, prompt_of
from retrieval.embedding.quiet import quiet
from retrieval.errors import InvalidInput
from retrieval.spaces.progress import Progress
from retrieval.training.columns import LABEL, QUERY, Columns
from retrieval.training.kinds import TRAINERS
from retrieval.training.losses import build_loss
from retrieval.training.options import TrainingOptions

TRAINING = "training"
LOOKS = 4
WARM_UP = 0.1
IN_BATCH_LOSSES = ("mnrl",)


@dataclass(frozen=True, slots=True)
class Fitted:
    """How training went: steps that were made, and the one whose weights were kept.

    `loss` is that of the examples that training does not see; None where there are none.
    """

    steps: int
    best_step: int
    stopped_early: bool
    loss: float | None


def fit(
    encoder: Any,
    options: TrainingOptions,
    learned: Columns,
    validation: Columns | None,
    checkpoints: Path,
    resume: Path | None,
    progress: Progress,
) -> Fitted:
    """Train the encoder in place; it ends with the weights of the least loss that was seen."""
    import sentence_transformers
    from datasets import Dataset

    name = TRAINERS[options.kind]
    with _training(encoder, options):
        trainer = getattr(sentence_transformers, f"{name}Trainer")(
            model=encoder,
            args=_arguments(encoder, options, learned, validation, checkpoints),
            train_dataset=Dataset.from_dict(learned),
            eval_dataset=Dataset.from_dict(validation) if validation else None,
            loss=build_loss(encoder, options, learned),
            callbacks=_callbacks(options, validation, progress),
        )
        _silence(trainer)
        _run(trainer, options, resume)
    return _fitted(trainer.state)


def _arguments(
    encoder: Any,
    options: TrainingOptions,
    learned: Columns,
    validation: Columns | None,
    checkpoints: Path,
) -> Any:
    import sentence_transformers
    import torch

    steps = options.max_steps or _steps(options, learned)
    every = max(1, math.ceil(steps / (LOOKS * max(1, round(options.epochs)))))
    graphics = torch.cuda.is_available()
    bfloat16 = graphics and torch.cuda.is_bf16_supported()
    return getattr(sentence_transformers, f"{TRAINERS[options.kind]}TrainingArguments")(
        output_dir=str(checkpoints),
        num_train_epochs=options.epochs,
        max_steps=options.max_steps or -1,
        per_device_train_batch_size=options.batch_size,
        per_device_eval_batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        warmup_steps=int(WARM_UP * steps),
        seed=options.seed,
        data_seed=options.seed,
        use_cpu=options.bfloat16 and not graphics,
        bf16=bfloat16 or (options.bfloat16 and not graphics),
        fp16=graphics and not bfloat16,
        # a text twice in a batch would be its own negative
        batch_sampler="no_duplicates" if options.loss in IN_BATCH_LOSSES else "batch_sampler",
        eval_strategy="steps" if validation else "no",
        eval_steps=every,
        save_steps=every,
        save_total_limit=2,
        load_best_model_at_end=validation is not None,
        metric_for_best_model="eval_loss" if validation else None,
        greater_is_better=False if validation else None,
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=graphics,
        **_sides(encoder, options, learned),
    )


def _steps(options: TrainingOptions, learned: Columns) -> int:
    return math.ceil(options.epochs * math.ceil(len(learned[QUERY]) / options.batch_size))


def _sides(encoder: Any, options: TrainingOptions, learned: Columns) -> dict[str, Any]:
    """The prompts that searches put before texts, and the routes that these take."""
    if options.kind == "reranker":
        prompt = encoder.prompts.get(encoder.default_prompt_name)
        return {"prompts": prompt} if prompt else {}
    sides = {name: "query" if name == QUERY else "document" for name in learned if name != LABEL}
    texts = {
        "query": prompt_of(encoder, QUERY_PROMPTS),
        "document": prompt_of(encoder, DOCUMENT_PROMPTS),
    }
    given: dict[str, Any] = {"prompts": {name: texts[side] for name, side in sides.items()}}
    if hasattr(encoder[0], "sub_modules"):
        given["router_mapping"] = sides
    return given


def _callbacks(
    options: TrainingOptions, validation: Columns | None, progress: Progress
) -> list[Any]:
    from transformers import EarlyStoppingCallback, TrainerCallback

    class Shown(TrainerCallback):
        """Says how far training is."""

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            progress(TRAINING, state.global_step, state.max_steps)

    callbacks: list[Any] = [Shown()]
    if validation and options.patience:
        callbacks.append(EarlyStoppingCallback(options.patience))
    return callbacks


def _silence(trainer: Any) -> None:
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)


def _run(trainer: Any, options: TrainingOptions, resume: Path | None) -> None:
    try:
        trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "memory" not in str(error):
            raise
        raise InvalidInput(
            f"there is not enough memory for batches of {options.batch_size}: take a smaller "
            "batch_size, fewer negatives, or max_tokens"
        ) from error


def _fitted(state: Any) -> Fitted:
    best = state.best_global_step or state.global_step
    return Fitted(state.global_step, best, state.global_step < state.max_steps, state.best_metric)


@contextmanager
def _training(encoder: Any, options: TrainingOptions) -> Iterator[None]:
    """Keep the libraries quiet, and let the model read as many tokens as it is told to."""
    read = encoder.max_seq_length
    # For the page that the library writes beside a checkpoint: it would ask the hub about the
    # model, and choose texts to show, with a bar of its own, unless there is one.
    encoder.model_card_data.local_files_only = True
    encoder.model_card_data.generate_widget_examples = False
    encoder.model_card_data.widget = [{"text": ""}]
    with quiet(), _parallelism():
        if options.max_tokens is not None:
            encoder.max_seq_length = min(options.max_tokens, read or options.max_tokens)
        try:
            yield
        finally:
            encoder.max_seq_length = read
            encoder.eval()


@contextmanager
def _parallelism() -> Iterator[None]:
    """Tokenizers warn of processes that fork after they have been used in threads."""
    name = "TOKENIZERS_PARALLELISM"
    former = os.environ.get(name)
    os.environ.setdefault(name, "false")
    try:
        yield
    finally:
        if former is None:
            os.environ.pop(name, None)
