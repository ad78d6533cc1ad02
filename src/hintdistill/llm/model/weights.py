"""Weights on disk: says which model a folder holds, and loads it with its adapter merged."""

import hashlib
from pathlib import Path

from hintdistill.core.errors import UserError
from hintdistill.core.files import file_sha256
from hintdistill.core.records import Model, Sha256

ADAPTER_WEIGHTS = "adapter_model.safetensors"


def model_identity(folder: Path) -> Model:
    """The folder's name, and the hash over its weight files; a UserError where it has none."""
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise UserError(
            f"{folder}: expected a model folder with *.safetensors weights, found none. "
            "Make it with `dvc repro`, or fetch it with `dvc pull`."
        )
    digest = hashlib.sha256("".join(file_sha256(path) for path in weights).encode())
    return Model(name=folder.name, sha256=digest.hexdigest())


def adapter_sha256(folder: Path) -> Sha256:
    """The hash of an adapter's weights; a UserError where they are missing."""
    weights = folder / ADAPTER_WEIGHTS
    if not weights.is_file():
        raise UserError(
            f"{folder}: expected a PEFT adapter with {ADAPTER_WEIGHTS}, found none. "
            "Make it with `dvc repro`, or fetch it with `dvc pull`."
        )
    return file_sha256(weights)


def adapter_identity(folder: Path | None) -> Sha256 | None:
    """The hash of an adapter's weights, None without one."""
    return adapter_sha256(folder) if folder else None


def student_name(adapter: Path) -> str:
    """The name by which a server is asked for an adapter, as in `alfworld-react-sft-1a2b3c4d`.

    It ends in the first digits of the weights' hash: a server that still has older weights lacks
    this name.
    """
    return f"{adapter.name}-{adapter_sha256(adapter)[:8]}"


def load_merged(folder: Path, adapter: Path | None):
    """A folder's model in float32, with a PEFT adapter folder added into its weights."""
    import torch
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    if adapter is None:
        return network
    from peft import PeftModel

    return PeftModel.from_pretrained(network, adapter).merge_and_unload()
