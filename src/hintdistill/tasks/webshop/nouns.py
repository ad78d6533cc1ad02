"""Nouns of a product's name, which the reward compares.

WebShop tags names with spaCy. Where a model of it is installed it is used here; otherwise every
word that is no function word counts as a noun, since names of products are little else. A catalogue
may bring a table of nouns, which needs neither.
"""

import re
from functools import cache, lru_cache

SPACY_MODEL = "en_core_web_sm"
# Determiners, prepositions, conjunctions, pronouns and auxiliaries.
_FUNCTION_WORDS = frozenset((
    "a", "about", "above", "after", "all", "an", "and", "any", "are", "around", "as", "at",
    "be", "before", "behind", "below", "between", "both", "but", "by", "can", "do", "down",
    "each", "every", "for", "from", "has", "have", "he", "her", "his", "how", "if", "in",
    "inside", "into", "is", "it", "its", "just", "like", "may", "more", "most", "my", "near",
    "no", "nor", "not", "of", "off", "on", "one", "or", "other", "our", "out", "over", "per",
    "she", "so", "some", "such", "than", "that", "the", "their", "them", "then", "they", "this",
    "to", "two", "under", "until", "up", "us", "use", "very", "was", "we", "what", "when",
    "where", "which", "while", "who", "will", "with", "within", "without", "you", "your",
))  # fmt: skip
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


def source_of_nouns() -> str:
    """What `nouns_of` goes by on this machine, for reports."""
    return SPACY_MODEL if _tagger() else "words that are no function words"


@lru_cache(maxsize=100_000)
def nouns_of(name: str) -> tuple[str, ...]:
    """The nouns of a name in their order, in lower case, repeated ones too."""
    tagger = _tagger()
    if tagger is not None:
        return tuple(t.text.lower() for t in tagger(name) if t.pos_ in ("NOUN", "PROPN"))
    return tuple(word for word in _WORD.findall(name.lower()) if word not in _FUNCTION_WORDS)
