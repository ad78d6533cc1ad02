"""GGUF files of other tokenisers: as llama.cpp's own tokeniser reads them, or refused."""

import json
import shutil

import pytest
from families import template, tokenizer_of, write_model
from tokenizers import Regex, pre_tokenizers
from transformers import LlamaConfig

from hintdistill.core.errors import UserError
from hintdistill.llm import gguf, gguf_tokenizer
from hintdistill.llm.gguf_tokenizer import cut_of, prove_tokenizer

LLAMA3 = gguf_tokenizer._HEAD + r"\p{N}{1,3}" + gguf_tokenizer._TAIL


def cut_by(*steps):
    return pre_tokenizers.Sequence(list(steps))


def bytes_alone(use_regex=False):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)


CUTS = {
    "llama-bpe": cut_by(pre_tokenizers.Split(Regex(LLAMA3), "isolated"), bytes_alone()),
    "gpt-2": bytes_alone(use_regex=True),
    "smollm": cut_by(pre_tokenizers.Digits(individual_digits=True), bytes_alone(use_regex=True)),
    "qwen2": None,  # what the tiny tokeniser has
}


def llama(folder, kind="qwen", cut=None):
    tokenizer = tokenizer_of(template("qwen2_5"), kind)
    if cut:
        tokenizer.backend_tokenizer.pre_tokenizer = cut
    config = LlamaConfig(
        hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=1,
        max_position_embeddings=512,
    )  # fmt: skip
    return write_model(folder, tokenizer, config)


def convert(folder, path):
    gguf.require_llama(folder)
    gguf.write_gguf(folder, None, path)
    return path


@pytest.mark.parametrize("name", CUTS)
def test_llama_cpp_encodes_as_the_folders_tokeniser(name, tmp_path):
    folder = llama(tmp_path / "model", cut=CUTS[name])
    content = json.loads((folder / "tokenizer.json").read_text())
    assert cut_of(content) == name
    prove_tokenizer(convert(folder, tmp_path / "model.gguf"), folder)


def test_a_file_that_cuts_text_otherwise_is_found_out(tmp_path, monkeypatch):
    folder = llama(tmp_path / "model", cut=CUTS["smollm"])
    monkeypatch.setattr(gguf_tokenizer, "cut_of", lambda content: "llama-bpe")
    path = convert(folder, tmp_path / "model.gguf")
    with pytest.raises(UserError, match=r"expected llama.cpp to encode text as"):
        prove_tokenizer(path, folder)


@pytest.mark.parametrize(
    ("kind", "cut"),
    [
        ("gemma", None),
        ("qwen", cut_by(pre_tokenizers.Split(Regex(r"\w+|\s"), "isolated"), bytes_alone())),
        ("qwen", cut_by(pre_tokenizers.Punctuation(), bytes_alone())),
        ("qwen", cut_by(*CUTS["llama-bpe"], bytes_alone(use_regex=True))),
    ],
)
def test_what_can_not_be_written_rightly_is_refused(kind, cut, tmp_path):
    folder = llama(tmp_path / "model", kind, cut)
    with pytest.raises(UserError, match=r"a cut of text that GGUF has a name for"):
        gguf.require_llama(folder)


def test_a_file_that_is_none_is_said(tmp_path):
    folder = llama(tmp_path / "model")
    path = convert(folder, tmp_path / "model.gguf")
    shutil.copyfile(folder / "config.json", path)
    with pytest.raises(UserError, match=r"llama.cpp can't load it"):
        prove_tokenizer(path, folder)
