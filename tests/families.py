"""Tiny random models with the tokenisers and chat templates of other families than the base's.

Templates are those that TRL ships. Tokenisers are trained here, on the prompts, in a second: what
matters of a family is how it cuts text and which tokens it adds.
"""

import re
from functools import lru_cache
from pathlib import Path

import torch
import trl
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.trainers import BpeTrainer
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = Path(trl.__file__).parent / "chat_templates"
MISTRAL = (  # as of Mistral 7B Instruct v0.3, without tools
    "{{ bos_token }}{% set system = messages[0].content if messages[0].role == 'system' %}"
    "{% set chat = messages[1:] if system else messages %}{% for m in chat %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% if m.role == 'user' %}{{ '[INST] ' }}"
    "{% if loop.last and system %}{{ system + '\n\n' }}{% endif %}{{ m.content + '[/INST]' }}"
    "{% else %}{{ ' ' + m.content + eos_token }}{% endif %}{% endfor %}"
)
# Runs of letters, single digits, punctuation, line breaks with the space before them: as Qwen does.
_QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_CONTROL = re.compile(
    r"<\|?[a-zA-Z_/][\w｜▁ /|]{0,30}[|｜]?>|<｜[^｜]{1,30}｜>|\[/?[A-Z_]+\]|<(?=turn\|>)turn\|>"
)


def template(name: str) -> str:
    return (TEMPLATES / f"{name}.jinja").read_text()


@lru_cache
def _trained(kind: str) -> str:
    """A BPE of 600 tokens over the prompts, as JSON."""
    text = [path.read_text() for path in sorted((ROOT / "prompts").rglob("*.j2"))]
    if kind == "gemma":
        tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
        tokenizer.normalizer = normalizers.Replace(" ", "▁")
        tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
        tokenizer.decoder = decoders.Sequence(
            [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
        )
        first = ["<pad>", "<eos>", "<bos>", "<unk>", *(f"<0x{i:02X}>" for i in range(256))]
        text = [line for part in text for line in part.splitlines()]
    else:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_QWEN_SPLIT), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        tokenizer.decoder = decoders.ByteLevel()
        first = []
    alphabet = [] if kind == "gemma" else pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(
        vocab_size=900, special_tokens=first, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(text, trainer)
    return tokenizer.to_str()


def tokenizer_of(chat_template: str, kind: str = "qwen") -> PreTrainedTokenizerFast:
    """A tokeniser that knows a template's control tokens; `kind` is qwen or gemma.

    As in Qwen's, `<think>` and `<tool_call>` are added tokens that are not special. As in
    Gemma 3's, line breaks are added tokens, and the end of text is not the end of a turn.
    """
    tokenizer = Tokenizer.from_str(_trained(kind))
    control = dict.fromkeys(_CONTROL.findall(chat_template))
    plain = ["<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>"]
    tokenizer.add_special_tokens([t for t in control if t not in plain])
    if kind == "gemma":
        breaks = ["\n" * n for n in range(1, 6)] + ["▁" * n for n in range(2, 6)] + ["<table>"]
        tokenizer.add_tokens([AddedToken(t, normalized=False) for t in breaks])
        ends = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"}
    else:
        tokenizer.add_tokens([AddedToken(t, normalized=False) for t in plain])
        tokenizer.add_special_tokens(["<|endoftext|>", "</s>", "<s>"])
        end = "</s>" if "[INST]" in chat_template else "<|endoftext|>"
        ends = {"bos_token": "<s>", "eos_token": end, "pad_token": "<|endoftext|>"}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **ends)
    fast.chat_template = chat_template
    return fast


def write_model(folder: Path, tokenizer: PreTrainedTokenizerFast, config, ends=None) -> Path:
    """A model folder with random weights; `ends` as in Gemma's generation_config.json."""
    torch.manual_seed(0)
    config.vocab_size = len(tokenizer)
    config.eos_token_id, config.bos_token_id = tokenizer.eos_token_id, tokenizer.bos_token_id
    config.pad_token_id = tokenizer.pad_token_id
    network = AutoModelForCausalLM.from_config(config)
    if ends:
        network.generation_config.eos_token_id = ends
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def gemma3(folder: Path) -> Path:
    """Two layers, of which one sees a window of 32 tokens."""
    from transformers import Gemma3TextConfig

    tokenizer = tokenizer_of(template("gemma3"), "gemma")
    config = Gemma3TextConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, sliding_window=32,
        layer_types=["sliding_attention", "full_attention"], max_position_embeddings=8192,
        query_pre_attn_scalar=16,
    )  # fmt: skip
    end = tokenizer.convert_tokens_to_ids("<end_of_turn>")
    return write_model(folder, tokenizer, config, [tokenizer.eos_token_id, end])


def qwen3(folder: Path) -> Path:
    from transformers import Qwen3Config

    config = Qwen3Config(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=16, max_position_embeddings=8192,
    )  # fmt: skip
    return write_model(folder, tokenizer_of(template("qwen3")), config)
