"""Saves models and adapters as safetensors and JSON only, the same bytes on every run."""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

from hintdistill.core.files import write_json, write_text

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"

# What PEFT leaves to the reader, in the words of its own documentation.
_ADAPTER_CARD = """---
base_model: {base}
library_name: peft
license: apache-2.0
tags: [lora, agents, {env}]
---
# {name}

LoRA adapter for `{base}`, trained by hintdistill on the `{arm}` rows of {env} ({agent} agent):
{rows} episodes, {steps} optimiser steps, loss on the agent's own turns only. It needs no hint and
no retrieval in its prompt.

```python
model = AutoModelForCausalLM.from_pretrained("{base}")
model = PeftModel.from_pretrained(model, "models/adapters/{name}")
```
"""


def empty_folder(folder: Path) -> None:
    """Make an empty folder; a save that was killed may have left files of any name in it."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)


def save_model(network, folder: Path) -> None:
    """Write weights (bfloat16; tied ones once) and config of a model into a new folder.

    Not `save_pretrained`: that refuses a model which was read from a GGUF file.
    """
    empty_folder(folder)
    weights = {name: w.to(torch.bfloat16).contiguous() for name, w in network.state_dict().items()}
    if network.config.tie_word_embeddings:
        weights.pop("lm_head.weight", None)
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})
    config = {
        key: value
        for key, value in network.config.to_dict().items()
        if not key.startswith("_") and key != "quantization_config"
    }
    write_json(folder / CONFIG, {**config, "dtype": "bfloat16"})


def copy_tokenizer(base: Path, folder: Path) -> None:
    """Copy what a model folder holds beside weights, config and card: tokenizer, template, ends."""
    for path in base.iterdir():
        if path.name not in (CONFIG, CARD) and ".safetensors" not in path.suffixes:
            shutil.copyfile(path, folder / path.name)


def describe_adapter(folder: Path, *, name: str, base: str, card: dict[str, object]) -> None:
    """Complete a PEFT adapter's folder, so that it loads with plain transformers and peft.

    `name` is the last part of its final path, `base` the base model's path in the repository, and
    `card` has arm, env, agent, rows and steps for the model card.
    """
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = base
    config["target_modules"] = sorted(config["target_modules"])  # PEFT writes an unordered set
    write_json(folder / "adapter_config.json", config)
    write_text(folder / CARD, _ADAPTER_CARD.format(base=base, name=name, **card))


def replace_folder(new: Path, folder: Path) -> None:
    """Put a finished folder in its final place, which until then has nothing of it."""
    empty_folder(folder)
    if new.stat().st_dev != folder.stat().st_dev:  # `.scratch` is on a disk of its own
        beside = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(beside, ignore_errors=True)
        shutil.move(new, beside)
        new = beside
    new.rename(folder)  # in place of the empty one
