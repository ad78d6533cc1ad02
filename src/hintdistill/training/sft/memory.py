"""Says before a training whether it fits the GPU, by estimate."""

import os
from typing import NamedTuple

import torch

from hintdistill.core.errors import UserError
from hintdistill.training.sft.lora import lora_targets
from hintdistill.training.sft.rows import IGNORED, SftParams, TokenisedRow

GIB = 2**30
# Bytes. Calibrated on an H100 with benchmarks/train_at_size.py: over Qwen2.5's 7B and 14B, with and
# without checkpointing, the estimates are 0 to 4 % above the peaks. To adjust, measure there again.
# A trained weight, its gradient and AdamW's two moments, all in float32.
TRAINED_BYTES = 16
# What the backward pass needs of a token, for each input and output of a linear layer: by LoRA's
# float32 copies more than the dtype has. Float32's was counted on a CPU, not measured.
FEATURE_BYTES = {torch.bfloat16: 4.1, torch.float32: 6.9}
LOGIT_BYTES = 21  # a word of the vocabulary at a label: in the dtype and float32, with gradients
FREE_SHARE = 0.95  # of free memory that can be had, for it is handed out in blocks


class Load(NamedTuple):
    """The largest batch of a training: its tokens, padding included, and labels."""

    tokens: int
    labels: int


def largest_batch(rows: list[TokenisedRow], batch: int) -> Load:
    """As if the longest row and that with the most labels filled a batch together."""
    longest = max(len(row.input_ids) for row in rows)
    labels = max(sum(label != IGNORED for label in row.labels) for row in rows)
    return Load(batch * longest, batch * labels)


def estimate_memory(network, params: SftParams, method: str, load: Load) -> float:
    """Bytes that a training takes of a GPU at most; `network` may be on the meta device."""
    config = network.config
    targets = lora_targets(network)
    layers = [
        module.weight.shape
        for name, module in network.named_modules()
        if name.rpartition(".")[2] in targets
    ]
    weights = sum(weight.nbytes for weight in network.parameters())
    if method == "lora":
        trained = TRAINED_BYTES * params.r * sum(sum(shape) for shape in layers)
    else:
        trained = (TRAINED_BYTES - 4) * sum(weight.numel() for weight in network.parameters())
    activations = FEATURE_BYTES[network.dtype] * load.tokens * sum(sum(shape) for shape in layers)
    logits = LOGIT_BYTES * load.labels * config.vocab_size
    if params.activation_checkpointing:  # what goes into each layer, and then a layer at a time
        between = network.dtype.itemsize * config.hidden_size * config.num_hidden_layers
        most = between * load.tokens + max(activations / config.num_hidden_layers, logits)
    else:
        most = activations + logits
    return weights + trained + most


def require_memory(network, params: SftParams, method: str, load: Load) -> None:
    """A UserError where a training can't fit the GPU; nothing where there is none."""
    if not torch.cuda.is_available():
        return
    own = int(os.environ.get("LOCAL_RANK", 0))  # each process of a machine has a GPU
    free = FREE_SHARE * torch.cuda.mem_get_info(own)[0]
    needed = estimate_memory(network, params, method, load)
    if needed <= free:
        return
    less = params.model_copy(update={"activation_checkpointing": True})
    with_it = estimate_memory(network, less, method, load)
    ways = "Lower batch and raise accumulation, lower max_length, or take a smaller model"
    if with_it < needed:
        ways = f"Set activation_checkpointing to true (then {with_it / GIB:.1f} GiB). {ways}"
    raise UserError(
        f"training: expected {needed / GIB:.1f} GiB of free GPU memory for batches of "
        f"{load.tokens} tokens, found {free / GIB:.1f}. {ways}."
    )
