"""The estimate of a training's memory, against what an H100 has measured."""

import pytest
import torch
from train_at_size import SHAPES
from transformers import AutoModelForCausalLM, Qwen2Config

from hintdistill.core.errors import UserError
from hintdistill.training.sft.memory import (
    GIB,
    Load,
    estimate_memory,
    largest_batch,
    require_memory,
)
from hintdistill.training.sft.rows import IGNORED, SftParams, TokenisedRow

PARAMS = SftParams(
    dtype="bfloat16", r=64, alpha=128, dropout=0.1, learning_rate=2e-4, epochs=1, batch=1,
    accumulation=1, activation_checkpointing=False, max_length=8192, seed=0, threads=1, launcher="",
)  # fmt: skip
CHECKPOINTING = PARAMS.model_copy(update={"activation_checkpointing": True})
PEAKS = {  # GiB allocated, by benchmarks/train_at_size.py on an H100
    ("Qwen2.5-7B", 1024, True): 17.19,
    ("Qwen2.5-7B", 1024, False): 26.12,
    ("Qwen2.5-7B", 4096, True): 18.88,
    ("Qwen2.5-7B", 4096, False): 55.98,
    ("Qwen2.5-7B", 8192, True): 21.66,
    ("Qwen2.5-14B", 1024, True): 32.56,
    ("Qwen2.5-14B", 1024, False): 48.34,
    ("Qwen2.5-14B", 4096, True): 34.76,
    ("Qwen2.5-14B", 8192, True): 38.65,
}
TOO_MUCH = [("Qwen2.5-7B", 8192), ("Qwen2.5-14B", 4096), ("Qwen2.5-14B", 8192)]


def network(name: str):
    """A model without its weights."""
    with torch.device("meta"):
        config = Qwen2Config(**SHAPES[name], tie_word_embeddings=False)
        return AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)


def test_the_estimate_is_a_little_above_what_was_measured():
    networks = {name: network(name) for name in SHAPES}
    for (name, tokens, checkpointing), peak in PEAKS.items():
        params = CHECKPOINTING if checkpointing else PARAMS
        estimate = estimate_memory(networks[name], params, "lora", Load(tokens, tokens // 6)) / GIB
        assert peak <= estimate <= 1.05 * peak, (name, tokens, checkpointing, estimate)
    for name, tokens in TOO_MUCH:
        load = Load(tokens, tokens // 6)
        assert estimate_memory(networks[name], PARAMS, "lora", load) > 79 * GIB


def test_what_does_not_fit_is_refused_with_what_would_help(monkeypatch):
    model, load = network("Qwen2.5-14B"), Load(8192, 1365)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (79 * GIB, 79 * GIB))
    with pytest.raises(
        UserError, match=r"8192 tokens, found 75\.\d\. Set activation_checkpointing"
    ):
        require_memory(model, PARAMS, "lora", load)
    require_memory(model, CHECKPOINTING, "lora", load)
    with pytest.raises(UserError, match=r"found 75\.\d\. Lower batch"):
        require_memory(model, CHECKPOINTING, "full", load)


def test_the_largest_batch_has_the_longest_row_and_the_most_labels():
    rows = [TokenisedRow([1] * 9, [1] + [IGNORED] * 8), TokenisedRow([1] * 4, [1] * 4)]
    assert largest_batch(rows, 2) == Load(18, 8)
