"""Hints that say where to look for a thing: how they are written, read and followed.

"Look for a mug on the countertop or in the cabinet first." Classes are named, never numbers: where
mugs lie holds in other rooms too.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hintdistill.core.yaml_file import read_yaml

_WORDS = read_yaml(Path(__file__).with_name("places.yaml"))
INSIDE: frozenset[str] = frozenset(_WORDS["inside"])  # places that things lie in, not on
PLACES: tuple[str, ...] = (*_WORDS["inside"], *_WORDS["on"])
OBJECTS: tuple[str, ...] = tuple(_WORDS["objects"])
MOST_PLACES = 3
_HINT = re.compile(r"Look for an? (\w+) ((?:(?:, | or )?(?:in|on) the \w+)+) first\.")


class LookFirst(NamedTuple):
    """Where to begin the search for a class of object: one to three classes of place."""

    object: str
    places: tuple[str, ...]

    def sentence(self) -> str:
        return f"Look for {_a(self.object)} {where(self.places)} first."


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def where(places: Sequence[str]) -> str:
    """As in "in the cabinet, on the desk or on the bed"."""
    said = [f"{'in' if place in INSIDE else 'on'} the {place}" for place in places]
    return " or ".join([", ".join(said[:-1]), said[-1]] if said[1:] else said)


def hints_in(prompt: str) -> list[LookFirst]:
    """All such hints of a prompt, in their order."""
    return [
        LookFirst(found[1], tuple(re.findall(r"the (\w+)", found[2])))
        for found in _HINT.finditer(prompt)
    ]
