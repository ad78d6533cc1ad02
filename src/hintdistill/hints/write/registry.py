"""Finds a hint writer by the name of its module in `hintdistill.hints.write.writers`."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from hintdistill.core.by_name import import_by_name, names_in
from hintdistill.core.records import Episode, Rejection, Task
from hintdistill.hints.write.curate import RawHint
from hintdistill.llm.server.client import Server

PACKAGE = "hintdistill.hints.write.writers"  # a module a writer


class Written(NamedTuple):
    """Hints that a writer made of all failures, and its texts that are none, with the reasons."""

    hints: list[RawHint]
    rejections: list[Rejection]


# Reads failed episodes, with their tasks by task_id, and asks a server only where it makes one.
WriteHints = Callable[[Sequence[Episode], Mapping[str, Task], Callable[[], Server]], Written]


def writer_names() -> list[str]:
    return names_in(PACKAGE)


def find_writer(name: str) -> WriteHints:
    """The writer of that name; a UserError names those that there are."""
    return import_by_name(PACKAGE, name, "hint writer").write_hints
