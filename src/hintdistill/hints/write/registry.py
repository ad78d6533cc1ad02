"""Finds a hint writer by the name of its module in `hintdistill.hints.write.writers`."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from hintdistill.core.by_name import import_by_name
from hintdistill.core.records import Episode, Rejection, Task
from hintdistill.hints.write.curate import RawHint
from hintdistill.llm.server.client import Server


class Written(NamedTuple):
    """Hints that a writer made of all failures, and its texts that are none, with the reasons."""

    hints: list[RawHint]
    rejections: list[Rejection]


# Reads failed episodes, with their tasks by task_id, and asks a server only where it makes one.
WriteHints = Callable[[Sequence[Episode], Mapping[str, Task], Callable[[], Server]], Written]


def find_writer(name: str) -> WriteHints:
    """The writer of that name, as `hints.writers` lists it; a UserError names those there are."""
    package, what = "hintdistill.hints.write.writers", "params.yaml, hints.writers: writer"
    return import_by_name(package, name, what).write_hints
