"""Which layers of a model LoRA trains: all linear ones but the head, as the authors do."""

import torch
from transformers.pytorch_utils import Conv1D

from hintdistill.core.errors import UserError

# Weights that LoRA leaves as they are may be this share of those that it trains: a router of
# experts, a small convolution.
MOST_LEFT = 0.01


def lora_targets(network) -> list[str]:
    """Names of the linear layers, as PEFT's `target_modules` takes them, sorted.

    For Llama and Qwen these are the seven projections of Ibrahim et al. 2025. A UserError where
    more than MOST_LEFT of the weights in the layers is held otherwise, as fused experts are: an
    adapter would train the model in part.
    """
    head = network.get_output_embeddings()
    targets, trained, left = set(), 0, {}
    for name, module in network.named_modules():
        if isinstance(module, torch.nn.Linear | Conv1D):
            if module is not head:
                targets.add(name.rpartition(".")[2])
                trained += module.weight.numel()
        elif not isinstance(module, torch.nn.Embedding):
            for part, weight in module.named_parameters(recurse=False):
                if weight.ndim > 1:
                    left[f"{name}.{part}"] = weight.numel()
    if sum(left.values()) > MOST_LEFT * trained:
        raise UserError(
            f"{network.config.model_type}: expected a model whose layers are linear, which LoRA "
            f"can train, got {sum(left.values()) / (trained + sum(left.values())):.0%} of their "
            f"weights in others, as {max(left, key=left.__getitem__)}. Take a model without them."
        )
    return sorted(targets)
