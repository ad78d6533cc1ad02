"""Searches for products by BM25, as WebShop's Lucene index computes it.

Pyserini's defaults: k1 0.9, b 0.4, English stop words, Porter's stems, the best 50 products, ties
by asin. Tokens come from a regular expression, which is Lucene's tokeniser (UAX #29) up to rare
signs: of the small set, whose index has 107,608 tokens and 68,475 postings, it makes 107,643 and
68,463.
"""

import logging
import os
import re
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from hintdistill.environments.webshop.game.catalogue import Catalogue, Product

log = logging.getLogger(__name__)

K1, B = 0.9, 0.4
HITS = 50
CACHE = Path(".cache/webshop")
_VERSION = 1  # of what an index is made of
# A query to asins, the best first.
Search = Callable[[str], list[str]]

_LETTER = r"[^\W\d_]"
_TOKEN = re.compile(
    rf"(?:\w|(?<={_LETTER})['’.:](?={_LETTER})|(?<=\d)[.,'’;](?=\d))+"
    "|[\u2600-\u27bf\U0001f300-\U0001faff]"  # emoji, each by itself
)
# Lucene's English stop words.
_STOP_WORDS = frozenset((
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is",
    "it", "no", "not", "of", "on", "or", "such", "that", "the", "their", "then", "there",
    "these", "they", "this", "to", "was", "will", "with",
))  # fmt: skip


@cache
def _stemmer():
    import Stemmer

    return Stemmer.Stemmer("porter")


def tokenise(text: str) -> list[str]:
    """Stems of a text's words, in lower case and without stop words."""
    words = (re.sub(r"['’]s$", "", word) for word in _TOKEN.findall(text.lower()))
    return _stemmer().stemWords([word for word in words if word not in _STOP_WORDS])


def document(product: Product) -> str:
    """The text of a product that is indexed: of its bullet points only the first."""
    options = ", and ".join(f"{name}: {', '.join(vs)}" for name, vs in product["options"].items())
    first = product["BulletPoints"][:1]
    return " ".join([product["Title"], product["Description"], *first, options]).lower()


class Bm25Search:
    """Search over a catalogue; its index is built once and kept in a folder, by content."""

    def __init__(self, catalogue: Catalogue, cache: Path = CACHE) -> None:
        import numpy

        self._asins = numpy.array(catalogue.asins)
        # Where an asin stands in the order of all, which decides between equal scores.
        self._rank = numpy.argsort(numpy.argsort(self._asins))
        self._index = _cached_index(catalogue, cache)

    def __call__(self, query: str) -> list[str]:
        import numpy

        known = self._index.vocab_dict if self._index else {}
        tokens = [token for token in tokenise(query) if token in known]
        if not tokens:
            return []
        scores = self._index.get_scores(tokens)
        found = numpy.flatnonzero(scores > 0)
        order = numpy.lexsort((self._rank[found], -scores[found]))
        return self._asins[found[order[:HITS]]].tolist()


def _cached_index(catalogue: Catalogue, cache: Path) -> Any:
    """The index of a catalogue, from the folder if it is there; None where it has no word."""
    import bm25s

    folder = cache / f"{catalogue.sha256[:32]}-{_VERSION}"
    if folder.is_dir():
        try:
            return bm25s.BM25.load(folder, show_progress=False)
        except (OSError, ValueError, KeyError) as error:
            log.warning("%s: damaged, made anew: %s", folder, error)
            shutil.rmtree(folder, ignore_errors=True)
    index = bm25s.BM25(k1=K1, b=B, method="lucene")
    # Numbers in place of tokens: a million products have a hundred million tokens.
    vocabulary: dict[str, int] = {}
    numbers = [
        [vocabulary.setdefault(token, len(vocabulary)) for token in tokenise(document(product))]
        for product in catalogue
    ]
    if not vocabulary:
        return None
    index.index((numbers, vocabulary), show_progress=False)
    partial = folder.with_name(f"{folder.name}.{os.getpid()}.partial")
    index.save(partial, show_progress=False)
    try:
        partial.rename(folder)
    except OSError:  # another process was faster
        shutil.rmtree(partial, ignore_errors=True)
    return index
