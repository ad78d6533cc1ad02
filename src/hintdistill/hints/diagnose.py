"""Hints by rule: reads a failed episode's own observations and says what would have helped.

No language model and no hidden state: only the instruction, the actions and the observations.
Each rule is a cause of failure; it answers with the hint that would have prevented it, or None.
"""

from collections.abc import Iterator

from hintdistill.errors import UserError
from hintdistill.hints.alfworld_rules import ALFWORLD_HINTS
from hintdistill.hints.environment import Diagnosis, EnvHints
from hintdistill.hints.webshop_rules import WEBSHOP_HINTS
from hintdistill.records import Episode

WRITER = "diagnose"
_ENVS = {"alfworld": ALFWORLD_HINTS, "webshop": WEBSHOP_HINTS}


def hints_of_env(env: str) -> EnvHints:
    """What hints are about in the environment of that name.

    Raises:
        UserError: there is none.
    """
    if env not in _ENVS:
        raise UserError(f"environment {env!r}: expected one of {sorted(_ENVS)}")
    return _ENVS[env]


def diagnose(episode: Episode) -> Iterator[Diagnosis]:
    """The causes of an episode's failure, with their hints; none for a success.

    Every failure has a cause.
    """
    if not episode.success:
        yield from hints_of_env(episode.env).diagnose(episode)
