"""What an environment is to the rest: one task being played, seen through observations only."""

from typing import NamedTuple, Protocol


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
