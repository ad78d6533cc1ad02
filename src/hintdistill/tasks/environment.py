"""What an environment is to the rest: one task being played, seen through observations only."""

from collections.abc import Callable, Mapping
from typing import Generic, NamedTuple, Protocol, TypeVar

from hintdistill.records import Task


class Outcome(NamedTuple):
    """What an action led to; `valid` is False where it was not possible."""

    observation: str
    reward: float
    done: bool
    valid: bool


class Environment(Protocol):
    """One task being played."""

    def reset(self) -> str:
        """Start; returns the first observation."""

    def step(self, action: str) -> Outcome:
        """Send one action."""

    def close(self) -> None:
        """Give back what the environment holds."""


class Environments(Protocol):
    """Tasks being played side by side, each in a numbered slot."""

    def reset(self, tasks: Mapping[int, Task]) -> dict[int, str]:
        """Close all slots, and start a task in each one named; returns the first observations."""

    def step(self, actions: Mapping[int, str]) -> dict[int, Outcome]:
        """Send one action to each slot named."""


G = TypeVar("G")


class InProcess(Generic[G]):
    """Environments in this process, played one after the other.

    Args:
        make_env: makes an environment of what a slot is reset with, a task where the episode loop
            calls.
    """

    def __init__(self, make_env: Callable[[G], Environment]) -> None:
        self._make_env = make_env
        self._envs: dict[int, Environment] = {}

    def reset(self, games: Mapping[int, G]) -> dict[int, str]:
        for env in self._envs.values():
            env.close()
        self._envs.clear()
        for slot, game in games.items():
            self._envs[slot] = self._make_env(game)
        return {slot: env.reset() for slot, env in self._envs.items()}

    def step(self, actions: Mapping[int, str]) -> dict[int, Outcome]:
        return {slot: self._envs[slot].step(action) for slot, action in actions.items()}
