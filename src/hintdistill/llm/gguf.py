"""Writes models as GGUF files, which openvino_genai, llama.cpp and Ollama read.

A file is made once for a model and an adapter and kept in `.cache/gguf/`, outside DVC's outs. Its
name holds the hash of what it was made from and the hash of its own bytes, so a file that is old,
cut short or damaged is never taken for the right one; it appears whole, by a rename.
"""

import hashlib
import json
import logging
import os
from importlib import metadata
from pathlib import Path

from hintdistill.core.errors import UserError
from hintdistill.core.files import file_sha256
from hintdistill.llm import gguf_tokenizer
from hintdistill.llm.gguf_tokenizer import add_tokenizer, cut_of
from hintdistill.llm.model import weights
from hintdistill.llm.model.chat import ChatRenderer

log = logging.getLogger(__name__)
CACHE = Path(".cache/gguf")
KEPT = 12  # files; the least recently used beyond these are removed
ARCHITECTURE = "llama"
# Packages that read, merge and write.
CONVERTERS = ("gguf", "peft", "torch", "transformers")
CODE = [Path(module) for module in (__file__, weights.__file__, gguf_tokenizer.__file__)]
_HASH_DIGITS = 32


def require_llama(folder: Path) -> None:
    """A UserError where a folder's model isn't a plain llama with a byte-level BPE tokenizer."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{folder}: expected a model folder with config.json and tokenizer.json: {error}. "
            "Make it with `dvc repro`, or fetch it with `dvc pull`."
        ) from None
    rope = config.get("rope_parameters") or {}
    expected = [
        ("model_type", ARCHITECTURE, config.get("model_type")),
        ("rope_type", "default", rope.get("rope_type", "default")),
        ("attention_bias", False, config.get("attention_bias", False)),
        ("mlp_bias", False, config.get("mlp_bias", False)),
        ("tokenizer", "BPE", tokenizer.get("model", {}).get("type")),
        ("a cut of text that GGUF has a name for", True, cut_of(tokenizer) is not None),
    ]
    for key, value, came in expected:
        if came != value:
            raise UserError(
                f"{folder}: a GGUF file, which engine openvino needs, is made of a model with "
                f"{key} {value!r}, got {came!r}. Set rollout.engine to transformers in params.yaml."
            )


def _source_key(folder: Path, adapter: Path | None) -> str:
    """Hash of all that a GGUF file is made from: model, adapter and this converter."""
    inputs = [*folder.glob("*.safetensors"), *folder.glob("*.json"), *folder.glob("*.jinja")]
    if adapter:
        inputs += [adapter / weights.ADAPTER_WEIGHTS, adapter / "adapter_config.json"]
    versions = [f"{name} {metadata.version(name)}" for name in CONVERTERS]
    digest = hashlib.sha256(" ".join(versions).encode())
    for path in [*sorted(inputs), *CODE]:
        digest.update(f"\0{path.name}\0{file_sha256(path)}".encode())
    return digest.hexdigest()[:_HASH_DIGITS]


def _content_hash(path: Path) -> str:
    return file_sha256(path)[:_HASH_DIGITS]


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return True


def cached_gguf(folder: Path, adapter: Path | None) -> Path:
    """The GGUF file of a model folder, with an adapter merged into it where one is given."""
    require_llama(folder)
    key = _source_key(folder, adapter)
    for path in sorted(CACHE.glob(f"{key}-*.gguf")):
        if path.stem == f"{key}-{_content_hash(path)}":
            path.touch()
            return path
        log.warning("%s: damaged, made anew", path)
        path.unlink(missing_ok=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    for left in CACHE.glob("*.[0-9]*.partial"):
        if not _is_running(int(left.suffixes[-2][1:])):  # its conversion was killed
            left.unlink(missing_ok=True)
    partial = CACHE / f"{key}.{os.getpid()}.partial"
    write_gguf(folder, adapter, partial)
    path = CACHE / f"{key}-{_content_hash(partial)}.gguf"
    partial.replace(path)
    by_use = sorted(CACHE.glob("*.gguf"), key=lambda file: file.stat().st_mtime, reverse=True)
    for old in by_use[KEPT:]:
        old.unlink(missing_ok=True)
    return path


def write_gguf(folder: Path, adapter: Path | None, path: Path) -> None:
    """Convert a llama model folder, with an adapter merged in float32, to a GGUF file."""
    import gguf

    network = weights.load_merged(folder, adapter)
    config = network.config
    writer = gguf.GGUFWriter(path, ARCHITECTURE)
    writer.add_name(folder.name)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_vocab_size(config.vocab_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    add_tokenizer(writer, ChatRenderer.open(folder, {}), config.vocab_size)
    _add_weights(writer, network)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_weights(writer, network) -> None:
    """All matrices in 8 bits, vectors in float32."""
    import gguf

    config = network.config
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)

    for name, tensor in network.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        array = tensor.numpy()
        if name.endswith("q_proj.weight"):
            array = _interleave_halves(array, config.num_attention_heads)
        elif name.endswith("k_proj.weight"):
            array = _interleave_halves(array, config.num_key_value_heads)
        matrix = array.ndim == 2
        kind = gguf.GGMLQuantizationType.Q8_0 if matrix else gguf.GGMLQuantizationType.F32
        stored = gguf.quants.quantize(array, kind)
        writer.add_tensor(names.get_name(name, (".weight",)), stored, raw_dtype=kind)


def _interleave_halves(weight, heads: int):
    """Rows of a query or key projection in GGUF's order.

    Transformers rotates a head's first half against its second half, GGUF pairs of neighbours.
    """
    rows, columns = weight.shape
    halves = weight.reshape(heads, 2, rows // heads // 2, columns)
    return halves.swapaxes(1, 2).reshape(rows, columns)
