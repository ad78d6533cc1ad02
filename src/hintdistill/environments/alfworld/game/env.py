"""Plays one of ALFWorld's text games, seen through its observations only."""

from typing import Any

from hintdistill.core.errors import UserError
from hintdistill.core.panel import check_content
from hintdistill.core.records import Game, Task
from hintdistill.environments.alfworld.game.check import engine_error
from hintdistill.environments.alfworld.game.goal import NOTHING_HAPPENS
from hintdistill.environments.common.protocol import Outcome

# Every engine maps a copy of the planner's library (34 MB) into memory and can't safely unload it,
# so engines whose game has ended are used again.
_idle_engines: list[Any] = []


class AlfworldEnv:
    """One game in alfworld's own engine. Not thread-safe.

    Nothing of the hidden state is exposed: no admissible commands, no facts. Names are the
    game's own ("apple 1"); numbering is not shuffled, as in evaluation.
    """

    def __init__(self, task: Task, game: Game) -> None:
        check_content(task, game)
        if _idle_engines:
            self._env = _idle_engines.pop()
        else:
            from hintdistill.environments.alfworld.game.engine import new_engine

            self._env = new_engine()
        self._content = game.content
        self._task_id = task.task_id

    def reset(self) -> str:
        """Start the game. Returns the room as first seen, and the task."""
        try:
            self._env.load(self._content)
            feedback = self._env.reset().feedback
        except (Exception, SystemExit) as error:  # its parser raises many kinds, or ends it all
            raise UserError(
                f"game {self._task_id}: alfworld could not load it ({engine_error(error)}). "
                "Is games.jsonl intact? Try `dvc checkout`."
            ) from error
        return feedback.split("=-", 1)[-1].strip()

    def step(self, action: str) -> Outcome:
        """Send one command. An impossible one is answered with `NOTHING_HAPPENS`."""
        try:
            state, reward, done = self._env.step(action)
        except Exception as error:
            raise UserError(
                f"game {self._task_id}: alfworld failed at {action!r:.200} ({engine_error(error)})."
            ) from error
        observation = state.feedback.strip()
        return Outcome(observation, float(reward), bool(done), observation != NOTHING_HAPPENS)

    def close(self) -> None:
        """Leave the engine to the next game."""
        _idle_engines.append(self._env)

    def name_of(self, entity: str) -> str:
        """The name in the game ("apple 1") of an entity of its PDDL problem ("Apple_bar_0")."""
        return self._env._entity_infos[entity.lower()].name
