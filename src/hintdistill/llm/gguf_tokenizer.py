"""A tokenizer in a GGUF file, and proof that llama.cpp encodes text with it as it should."""

import json
from pathlib import Path
from typing import Any

from hintdistill.core.errors import UserError
from hintdistill.llm.model.chat import ChatRenderer, common_prefix
from hintdistill.llm.model.proof import TALK

# How text is cut before BPE, in llama.cpp's words: by the pattern of a tokenizer's own cut, or ""
# for GPT-2's. SmolLM2's own files say smollm, which cuts digits apart as well; that is lost where
# transformers reads a GGUF file, so what is written is how the folder's tokenizer does.
_TAIL = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_HEAD = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"
_CUTS = {
    "": "gpt-2",
    "Digits": "smollm",
    _HEAD + r"\p{N}{1,3}" + _TAIL: "llama-bpe",
    _HEAD + r"\p{N}" + _TAIL: "qwen2",
}


def cut_of(tokenizer: dict[str, Any]) -> str | None:
    """llama.cpp's name of a byte-level tokenizer's cut, None if it has none known here.

    `tokenizer` is the content of its tokenizer.json.
    """
    outer = tokenizer.get("pre_tokenizer") or {}
    steps = outer.get("pretokenizers", [outer])
    if not steps or steps[-1].get("type") != "ByteLevel" or tokenizer.get("normalizer"):
        return None
    cuts = []
    for step in steps[:-1]:
        regex = step.get("pattern", {}).get("Regex")
        by_itself = step.get("type") == "Digits" and step.get("individual_digits")
        cuts.append(regex if step.get("type") == "Split" else "Digits" if by_itself else None)
    known = steps[-1].get("use_regex", True) == (cuts in ([], ["Digits"]))
    return _CUTS.get("".join(map(str, cuts))) if known and len(cuts) < 2 else None


def add_tokenizer(writer, renderer: ChatRenderer, vocab_size: int) -> None:
    """The vocabulary, for users of llama.cpp; the engine itself passes token ids."""
    from gguf import TokenType

    tokenizer = renderer.tokenizer
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    tokens = [f"<unused_{i}>" for i in range(vocab_size)]
    types = [TokenType.UNUSED] * vocab_size
    for token, index in tokenizer.get_vocab().items():
        tokens[index], types[index] = token, TokenType.NORMAL
    for index, added in tokenizer.added_tokens_decoder.items():
        types[index] = TokenType.CONTROL if added.special else TokenType.USER_DEFINED
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(cut_of(content))
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    merges = content["model"]["merges"]
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    writer.add_add_bos_token(False)
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_eot_token_id(renderer.end)
    if tokenizer.bos_token_id is not None:
        writer.add_bos_token_id(tokenizer.bos_token_id)
    if tokenizer.pad_token_id is not None:
        writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_chat_template(renderer.template)


# What tokenizers cut in different ways: numbers, line breaks, runs of spaces, apostrophes, accents.
_PROBE = "I'll look at drawer 1234.5:\n\n\tCAFÉ au lait,  naïve\r\n日本語 😀 it's a_b+c==d <|x|> "


def prove_tokenizer(path: Path, folder: Path) -> None:
    """A UserError where llama.cpp encodes text otherwise than the tokenizer of a model's folder.

    The proof takes llama.cpp itself, of the package xllamacpp.
    """
    import requests

    try:
        import xllamacpp
    except ImportError as error:
        raise UserError(
            f"{path}: expected the package xllamacpp, which proves that the file is right, could "
            f"not import it: {error}. Run `make setup`."
        ) from None
    renderer = ChatRenderer.open(folder, {})
    texts = [_PROBE, renderer.tokenizer.decode(renderer.prompt(TALK[:-1]))]
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.port, params.n_ctx, params.n_parallel, params.warmup = 0, 64, 1, False
    params.verbosity = -1
    try:
        server = xllamacpp.Server(params)
    except RuntimeError as error:
        raise UserError(f"{path}: llama.cpp can't load it: {error}") from None
    with requests.Session() as session:
        session.trust_env = False  # no proxy on the way to this process itself
        for text in texts:
            asked = {"content": text, "add_special": False, "parse_special": True}
            answer = session.post(f"{server.listening_address}/tokenize", json=asked, timeout=60)
            theirs = answer.json()["tokens"]
            ours = renderer.tokenizer.encode(text, add_special_tokens=False)
            if theirs != ours:
                at = common_prefix(ours, theirs)
                raise UserError(
                    f"{path}: expected llama.cpp to encode text as {folder} does, got other tokens "
                    f"after {renderer.tokenizer.decode(ours[:at])[-30:]!r}. Serve the model by "
                    "vLLM, or another server that reads safetensors."
                )
