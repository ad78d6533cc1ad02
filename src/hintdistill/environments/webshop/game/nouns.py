"""Finds the nouns of a product's name, which the reward compares.

WebShop tags names with spaCy. Where a model of it is installed it is used here; otherwise every
word that is no function word counts as a noun, since names of products are little else. A catalogue
may bring a table of nouns, which needs neither.
"""

import re
from functools import cache, lru_cache
from pathlib import Path

from hintdistill.core.yaml_file import read_yaml

SPACY_MODEL = "en_core_web_sm"
WORDS: dict[str, list[str]] = read_yaml(Path(__file__).with_name("words.yaml"))
_FUNCTION_WORDS = frozenset(WORDS["function_words"])
_WORD = re.compile(r"[a-z]+")


@cache
def _tagger():
    """spaCy's English model, or None where it is not installed."""
    try:
        import spacy
    except ImportError:
        return None
    if not spacy.util.is_package(SPACY_MODEL):
        return None
    return spacy.load(SPACY_MODEL, disable=["parser", "ner", "lemmatizer"])


@lru_cache(maxsize=100_000)
def nouns_of(name: str) -> tuple[str, ...]:
    """The nouns of a name in their order, in lower case, repeated ones too."""
    tagger = _tagger()
    if tagger is not None:
        return tuple(t.text.lower() for t in tagger(name) if t.pos_ in ("NOUN", "PROPN"))
    return tuple(word for word in _WORD.findall(name.lower()) if word not in _FUNCTION_WORDS)
