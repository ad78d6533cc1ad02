"""Supervised fine-tuning with LoRA: TRL's trainer and PEFT, resumable, the same bytes every run."""

import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from accelerate import PartialState
from datasets import Dataset
from peft import LoraConfig
from transformers import (
    AutoModelForCausalLM,
    PreTrainedTokenizerBase,
    PrinterCallback,
    TrainerCallback,
)
from trl import SFTConfig, SFTTrainer

from hintdistill.core.errors import UserError
from hintdistill.core.records import Message
from hintdistill.llm.model.chat import ChatRenderer
from hintdistill.training.sft.lora import lora_targets
from hintdistill.training.sft.memory import largest_batch, require_memory
from hintdistill.training.sft.rows import IGNORED, SftParams, tokenise, training_order

log = logging.getLogger(__name__)
# Of an optimiser step (counted from 1), and the mean loss a target token.
OnLoss = Callable[[int, float], None]
# Optimiser steps; a stopped run repeats fewer than these. All weights with their optimiser are
# twelve bytes a parameter, a hundred times an adapter's.
CHECKPOINT_EVERY = {"lora": 10, "full": 100}
WHOLE = "whole"  # the file that tells a whole checkpoint from one that a kill left incomplete


class Trained(NamedTuple):
    """The trained model (PEFT's, where LoRA was), and figures that are the same on every run."""

    model: torch.nn.Module
    figures: dict[str, int]


class _Whole(TrainerCallback):
    """Marks a checkpoint once every process has written its part of it."""

    def on_save(self, args, state, control, **kwargs):
        PartialState().wait_for_everyone()
        if state.is_world_process_zero:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE).touch()


class _TrainingProgress(TrainerCallback):
    """Every loss to `on_loss`, and a line a checkpoint: steps, loss, tokens a second, time left."""

    def __init__(self, tokens_a_step: float, on_loss: OnLoss) -> None:
        self._tokens_a_step, self._on_loss = tokens_a_step, on_loss

    def on_train_begin(self, args, state, control, **kwargs):
        self._start, self._first = time.monotonic(), state.global_step
        for entry in state.log_history:  # of the checkpoint that is continued from
            self._on_loss(entry["step"], entry["loss"])

    def on_log(self, args, state, control, logs=None, **kwargs):
        if "loss" not in logs:
            return
        self._on_loss(state.global_step, logs["loss"])
        if state.global_step % args.save_steps:
            return
        seconds = time.monotonic() - self._start
        rate = (state.global_step - self._first) / seconds
        log.info(
            "step %d of %d, loss %.3f, %.0f tokens/s, %.0f s left",
            state.global_step, state.max_steps, logs["loss"], rate * self._tokens_a_step,
            (state.max_steps - state.global_step) / rate,
        )  # fmt: skip


class OwnTurnTrainer(SFTTrainer):
    """TRL's trainer with the vocabulary's logits only at positions that carry loss.

    TRL's own loss computes them everywhere, in float32; on a CPU that is half of a step, and
    about one token in six is the agent's own.
    """

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        labels = inputs["labels"][:, 1:]
        positions = (labels != IGNORED).any(dim=0).nonzero().squeeze(1)
        logits = model(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            logits_to_keep=positions,
            use_cache=False,
        ).logits
        kept = labels[:, positions]
        target = kept != IGNORED
        total = torch.nn.functional.cross_entropy(
            logits[target].float(), kept[target], reduction="sum"
        )
        # Tokens are counted over all processes, whose gradients are averaged and not added.
        return total * self.accelerator.num_processes / num_items_in_batch


def _drop_unfinished(folder: Path) -> None:
    """Remove checkpoints that a kill left incomplete."""
    for checkpoint in folder.glob("checkpoint-*"):
        if not (checkpoint / WHOLE).is_file():
            shutil.rmtree(checkpoint)


def _filling(rows: int, args: SFTConfig) -> list[dict[str, list[int]]]:
    """Rows without loss, by which all of several processes get as many batches.

    They would otherwise be given some rows a second time.
    """
    if args.world_size == 1:
        return []
    missing = -rows % (args.per_device_train_batch_size * args.world_size)
    return [{"input_ids": [0], "labels": [IGNORED]}] * missing


def make_trainer(
    network,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Mapping[str, list[int]]],
    params: SftParams,
    folder: Path,
    method: str,
) -> OwnTurnTrainer:
    """A trainer of a model on rows in their order, each with `input_ids` and `labels`.

    `method` and `folder` are as in `fine_tune`; of `tokenizer` only the padding is used.
    """
    args = SFTConfig(
        output_dir=str(folder),
        per_device_train_batch_size=params.batch,
        gradient_accumulation_steps=params.accumulation,
        num_train_epochs=1,  # `examples` hold all epochs
        train_sampling_strategy="sequential",
        learning_rate=params.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=0.1,
        weight_decay=0.01,
        max_length=params.max_length,
        dataset_kwargs={"skip_prepare_dataset": True},
        activation_checkpointing=params.activation_checkpointing,
        bf16=False,  # no autocast: the base has its dtype already, the adapter stays float32
        seed=params.seed,
        logging_steps=1,
        save_strategy="steps",
        save_steps=CHECKPOINT_EVERY[method],
        save_total_limit=1,
        report_to=[],
        disable_tqdm=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        use_cpu=not torch.accelerator.is_available(),  # or processes there would not be joined
        ddp_find_unused_parameters=False,  # every step uses all that is trained
    )
    if args.n_gpu > 1:
        raise UserError(
            f"training: expected one GPU for one process, found {args.n_gpu}. Set `launcher` to "
            f"`accelerate launch --num_processes {args.n_gpu}`, or CUDA_VISIBLE_DEVICES to one GPU."
        )
    lora = LoraConfig(
        r=params.r,
        lora_alpha=params.alpha,
        lora_dropout=params.dropout,
        target_modules=lora_targets(network),
        task_type="CAUSAL_LM",
    )
    trainer = OwnTurnTrainer(
        model=network,
        args=args,
        train_dataset=Dataset.from_list([*examples, *_filling(len(examples), args)]),
        processing_class=tokenizer,
        peft_config=lora if method == "lora" else None,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def fine_tune(
    base: Path,
    conversations: list[list[Message]],
    params: SftParams,
    template_kwargs: Mapping[str, Any],
    folder: Path,
    method: str,
    on_loss: OnLoss,
) -> Trained:
    """Train a LoRA adapter, or all weights, on conversations; loss on own turns only.

    `method` is `lora` (its weights are in float32) or `full`. Optimiser checkpoints go to `folder`;
    a checkpoint found there is continued from. `on_loss` is told of every step from the first on,
    those before that checkpoint too; of several processes it is the first one's that is. A
    UserError where there is nothing to train on, or the GPU's memory can't suffice.
    """
    if not conversations:
        raise UserError("training: expected at least one row, got none")
    torch.set_num_threads(params.threads)
    renderer = ChatRenderer.open(base, template_kwargs)
    talks = [tokenise(renderer, messages, params.max_length) for messages in conversations]
    rows = [row for talk in talks for row in talk.rows]
    lengths = [len(row.input_ids) for row in rows]
    order = training_order(lengths, params.batch, params.epochs, params.seed)
    examples = [{"input_ids": rows[i].input_ids, "labels": rows[i].labels} for i in order]
    network = AutoModelForCausalLM.from_pretrained(base, dtype=getattr(torch, params.dtype))
    require_memory(network, params, method, largest_batch(rows, params.batch))
    trainer = make_trainer(network, renderer.tokenizer, examples, params, folder, method)
    trainer.add_callback(_Whole())
    if trainer.is_world_process_zero():
        rows_a_step = params.batch * params.accumulation * trainer.args.world_size
        tokens_a_step = sum(lengths) * params.epochs * rows_a_step / len(order)
        trainer.add_callback(_TrainingProgress(tokens_a_step, on_loss))
        _drop_unfinished(folder)
    trainer.accelerator.wait_for_everyone()
    trainer.train(resume_from_checkpoint=any(folder.glob("checkpoint-*")) or None)
    cut = sum(talk.cut for talk in talks)
    if cut and trainer.is_world_process_zero():
        log.warning(
            "%d of %d conversations were cut at max_length = %d tokens, and what the agent said "
            "after it was not learnt", cut, len(talks), params.max_length,
        )  # fmt: skip
    figures = {
        "rows": len(talks),
        "tokens": sum(lengths),
        "target_tokens": sum(label != IGNORED for row in rows for label in row.labels),
        "truncated": cut,
    }
    return Trained(trainer.model, figures)
