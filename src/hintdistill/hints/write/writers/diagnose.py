"""Writes hints by rule: the environment's rules say what would have prevented a failure.

No language model and no hidden state: only the instruction, the actions and the observations.
"""

from collections.abc import Callable, Mapping, Sequence

from hintdistill.core.records import Episode, Task
from hintdistill.environments.common.registry import hint_rules_of
from hintdistill.hints.write.curate import RawHint
from hintdistill.hints.write.registry import Written
from hintdistill.llm.server.client import Server


def write_hints(
    failures: Sequence[Episode], tasks: Mapping[str, Task], make_server: Callable[[], Server]
) -> Written:
    """A hint against each cause of each failure; no server is asked."""
    hints = [
        RawHint(tasks[episode.task_id].type, diagnosis.text, "diagnose", episode)
        for episode in failures
        for diagnosis in hint_rules_of(episode.env).causes_of(episode)
    ]
    return Written(hints, [])
