"""Memory and speed of LoRA training at the paper's sizes, on one GPU, without the models' weights.

    python benchmarks/train_at_size.py --out metrics/train_at_size.jsonl

Models have the exact shapes of Qwen2.5-7B and Qwen2.5-14B and random bfloat16 weights, made on the
GPU: neither what fits nor how fast it is depends on what the weights are. Rows are made up, a token
in six the agent's own. The trainer, its loss and LoRA's layers are the pipeline's own, LoRA's shape
the paper's. One line of JSON a case; a case that does not fit says so. `--tiny` tries the script
itself on small shapes, on a CPU too.
"""

import gc
import json
import random
import statistics
import tempfile
import time
from itertools import product
from pathlib import Path
from typing import Any

import click
import torch
from tokenizers import Tokenizer, models
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, Qwen2Config, TrainerCallback

from hintdistill.training.sft.rows import IGNORED, SftParams
from hintdistill.training.sft.trainer import make_trainer

VOCABULARY = 152064
SHAPES = {
    "Qwen2.5-7B": {
        "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
        "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": VOCABULARY,
    },
    "Qwen2.5-14B": {
        "hidden_size": 5120, "intermediate_size": 13824, "num_hidden_layers": 48,
        "num_attention_heads": 40, "num_key_value_heads": 8, "vocab_size": VOCABULARY,
    },
}  # fmt: skip
TINY = {
    "tiny": {
        "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 512,
    }
}  # fmt: skip
LENGTHS, TINY_LENGTHS = (1024, 4096, 8192), (48, 96)
WARM_UP, STEPS = 2, 4  # optimiser steps: the first are not timed
TURN, OWN = 60, 10  # tokens from one own turn's beginning to the next one's, and of it itself
GIB = 2**30


class _Clock(TrainerCallback):
    """The time at which each optimiser step was done."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_step_end(self, args, state, control, **kwargs):
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.times.append(time.perf_counter())


def made_up_rows(length: int, vocabulary: int, count: int) -> list[dict[str, list[int]]]:
    """Rows of random tokens, OWN of every TURN of them the agent's."""
    rng = random.Random(length)
    rows = []
    for _ in range(count):
        ids = rng.choices(range(vocabulary), k=length)
        labels = [t if i % TURN >= TURN - OWN else IGNORED for i, t in enumerate(ids)]
        rows.append({"input_ids": ids, "labels": labels})
    return rows


def random_model(shape: dict[str, int]):
    """A Qwen2 model with random bfloat16 weights, on the GPU where there is one."""
    config = Qwen2Config(
        **shape, max_position_embeddings=32768, tie_word_embeddings=False, eos_token_id=0
    )
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        return AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)


def train(shape: dict[str, int], length: int, checkpointing: bool) -> dict[str, Any]:
    """Train a few steps, and say what they took; `held_gib` is what stays between steps."""
    params = SftParams(
        dtype="bfloat16", r=64, alpha=128, dropout=0.1, learning_rate=2e-4, epochs=1, batch=1,
        accumulation=1, activation_checkpointing=checkpointing, max_length=length, seed=0,
        threads=torch.get_num_threads(), launcher="",
    )  # fmt: skip
    # The trainer asks a tokenizer for the padding alone.
    words = Tokenizer(models.WordLevel({"<pad>": 0}, unk_token="<pad>"))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="<pad>"
    )
    rows = made_up_rows(length, shape["vocab_size"], WARM_UP + STEPS)
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(random_model(shape), tokenizer, rows, params, Path(folder), "lora")
        clock = _Clock()
        trainer.add_callback(clock)
        trainer.args.save_strategy = "no"  # a save would be timed
        trainer.train()
    took = [b - a for a, b in zip(clock.times[WARM_UP - 1 :], clock.times[WARM_UP:], strict=False)]
    trained = [w.numel() for w in trainer.model.parameters() if w.requires_grad]
    figures: dict[str, Any] = {
        "parameters": sum(w.numel() for w in trainer.model.parameters()) - sum(trained),
        "lora_parameters": sum(trained),
        "tokens_per_s": round(length / statistics.median(took), 1),
        "tokens_per_s_runs": [round(length / t, 1) for t in took],
    }
    if torch.cuda.is_available():
        figures |= {
            "held_gib": round(torch.cuda.memory_allocated() / GIB, 2),
            "peak_gib": round(torch.cuda.max_memory_allocated() / GIB, 2),
            "peak_reserved_gib": round(torch.cuda.max_memory_reserved() / GIB, 2),
        }
    return figures


def measure(shape: dict[str, int], length: int, checkpointing: bool) -> dict[str, Any]:
    """What `train` says, or how it failed, as where memory does not suffice."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    try:
        return train(shape, length, checkpointing)
    except RuntimeError as error:
        return {"failed": str(error).splitlines()[0]}
    finally:
        gc.collect()  # a trainer is held by its own parts in a ring
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


@click.command()
@click.option("--out", type=click.Path(path_type=Path), help="File for the lines, as JSONL.")
@click.option("--tiny", is_flag=True, help="Small shapes, to try the script.")
def main(out: Path | None, tiny: bool) -> None:
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    lines = []
    shapes, lengths = (TINY, TINY_LENGTHS) if tiny else (SHAPES, LENGTHS)
    for (name, shape), length, checkpointing in product(shapes.items(), lengths, (True, False)):
        began = time.perf_counter()
        case = {
            "model": name,
            "tokens": length,
            "activation_checkpointing": checkpointing,
            **measure(shape, length, checkpointing),
            "wall_s": round(time.perf_counter() - began, 1),
            "device": device,
            "torch": torch.__version__,
        }
        lines.append(json.dumps(case))
        print(lines[-1], flush=True)
        if out:
            out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
