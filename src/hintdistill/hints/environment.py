"""What hints are about in one environment: causes of failure, and words that a hint may have."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from hintdistill.records import Episode


class Diagnosis(NamedTuple):
    """A cause of failure, and the hint that would have prevented it."""

    cause: str
    text: str


class EnvHints(NamedTuple):
    """One environment's.

    Attributes:
        causes: all that there are, the most specific first.
        diagnose: of a failed episode, one or more of them.
        placeholders: what a hint says in place of names and numbers.
        common: names that are the same in every task, so that hints may have them.
        names_of: words for an episode's own things, which stand for nothing in another one.
    """

    causes: tuple[str, ...]
    diagnose: Callable[[Episode], Iterator[Diagnosis]]
    placeholders: tuple[str, ...]
    common: frozenset[str]
    names_of: Callable[[Episode], set[str]]
