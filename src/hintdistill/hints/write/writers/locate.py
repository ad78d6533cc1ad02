"""Writes hints of where things are, as the agent's own failed episodes have shown it.

No language model and no hidden state: only what the agent saw while it failed, counted over all of
its failures. One hint for each object that a failed task wanted, good for tasks of every type.
"""

from collections.abc import Callable, Mapping, Sequence

from hintdistill.core.errors import UserError
from hintdistill.core.records import ANY_TYPE, Episode, Task
from hintdistill.environments.common.registry import hint_rules_of
from hintdistill.hints.write.curate import RawHint
from hintdistill.hints.write.registry import Written
from hintdistill.llm.server.client import Server


def write_hints(
    failures: Sequence[Episode], tasks: Mapping[str, Task], make_server: Callable[[], Server]
) -> Written:
    """A hint for each object that was wanted and seen often enough; no server is asked."""
    env = next((episode.env for episode in failures), None)
    if env is None:
        return Written([], [])
    if (places := hint_rules_of(env).places) is None:
        raise UserError(
            f"params.yaml, hints.writers: writer locate needs places where things lie, which {env} "
            "has none of. Leave it out."
        )
    said = places.look_first(failures)
    hints = []
    for episode in failures:
        wanted = places.wanted_in(episode)
        if wanted in said:
            hints.append(RawHint(ANY_TYPE, said[wanted], "locate", episode, wanted))
    return Written(hints, [])
