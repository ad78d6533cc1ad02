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
from hintdistill.llm.model import weights

log = logging.getLogger(__name__)
CACHE = Path(".cache/gguf")
KEPT = 12  # files; the least recently used beyond these are removed
ARCHITECTURE = "llama"
# Packages that read, merge and write.
CONVERTERS = ("gguf", "peft", "torch", "transformers")
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
    ]
    for key, value, came in expected:
        if came != value:
            raise UserError(
                f"{folder}: engine openvino expects a model with {key} {value!r}, got "
                f"{came!r}. Set rollout.engine to transformers in params.yaml."
            )


def _source_key(folder: Path, adapter: Path | None) -> str:
    """Hash of all that a GGUF file is made from: model, adapter and this converter."""
    inputs = [*folder.glob("*.safetensors"), *folder.glob("*.json"), *folder.glob("*.jinja")]
    if adapter:
        inputs += [adapter / weights.ADAPTER_WEIGHTS, adapter / "adapter_config.json"]
    versions = [f"{name} {metadata.version(name)}" for name in CONVERTERS]
    digest = hashlib.sha256(" ".join(versions).encode())
    for path in [*sorted(inputs), Path(__file__), Path(weights.__file__)]:
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
    from transformers import AutoTokenizer

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
    _add_tokenizer(writer, AutoTokenizer.from_pretrained(folder), config.vocab_size)
    _add_weights(writer, network)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_tokenizer(writer, tokenizer, vocab_size: int) -> None:
    """The vocabulary, for users of llama.cpp; the engine itself passes token ids."""
    from gguf import TokenType

    content = json.loads(tokenizer.backend_tokenizer.to_str())
    tokens = [f"<unused_{i}>" for i in range(vocab_size)]
    types = [TokenType.UNUSED] * vocab_size
    for token, index in tokenizer.get_vocab().items():
        tokens[index], types[index] = token, TokenType.NORMAL
    for index, added in tokenizer.added_tokens_decoder.items():
        types[index] = TokenType.CONTROL if added.special else TokenType.USER_DEFINED
    writer.add_tokenizer_model("gpt2")
    # How text is split before BPE: SmolLM2's own files split digits as well, which is lost
    # where transformers reads a GGUF file; what is written is how this folder's tokenizer does.
    splits_digits = '"Digits"' in json.dumps(content["pre_tokenizer"])
    writer.add_tokenizer_pre("smollm" if splits_digits else "gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    merges = content["model"]["merges"]
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    writer.add_add_bos_token(False)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    if tokenizer.bos_token_id is not None:
        writer.add_bos_token_id(tokenizer.bos_token_id)
    if tokenizer.pad_token_id is not None:
        writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_chat_template(tokenizer.chat_template)


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
