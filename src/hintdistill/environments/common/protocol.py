"""The interface of an environment: tasks being played, seen through observations only."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Generic, NamedTuple, Protocol, TypeVar

from hintdistill.core.panel import Panel, PanelParams
from hintdistill.core.records import Episode, Game, Hint, Task


class Outcome(NamedTuple):
    """The result of an action; `valid` is False where the action was not possible."""

    observation: str
    reward: float
    done: bool
    valid: bool


class Environment(Protocol):
    """One task being played."""

    def reset(self) -> str:
        """Start; returns the first observation."""
        ...

    def step(self, action: str) -> Outcome:
        """Send one action. A win is `done` with a reward of exactly 1."""
        ...

    def close(self) -> None:
        """Give back what the environment holds."""


class Environments(Protocol):
    """Tasks being played side by side, each in a numbered slot."""

    def reset(self, tasks: Mapping[int, Task]) -> dict[int, str]:
        """Close all slots, and start a task in each one named; returns the first observations."""
        ...

    def step(self, actions: Mapping[int, str]) -> dict[int, Outcome]:
        """Send one action to each slot named."""
        ...


G = TypeVar("G")


class InProcess(Generic[G]):
    """Environments in this process, played one after the other.

    `make_env` makes the environment of whatever `reset` is given for a slot, as of a task.
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


class Belief(NamedTuple):
    """The knowledge that a scripted player has of its own game; empty where there is none."""

    goal: str  # the task's sentence
    visited: tuple[str, ...]  # places, in the order of the first visits
    here: str
    held: str
    intent: str  # what it is about to do, in a sentence


class Games(NamedTuple):
    """How an environment's tasks are made and played."""

    # The tasks of all splits with their games. A game that several tasks' games name comes with
    # None for a task.
    build_panel: Callable[[PanelParams], Iterator[tuple[Task | None, Game]]]
    # Opens a panel's tasks, to be played so many at once, in a `with`.
    open_envs: Callable[[Panel, int], AbstractContextManager[Environments]]
    # What the environment's block has in a run on the whole official eval split, which has `eval`
    # tasks; None: there is no such source.
    official: Mapping[str, str | int] | None = None


class Diagnosis(NamedTuple):
    """A cause of failure, and the hint that would have prevented it."""

    cause: str
    text: str


class PlaceRules(NamedTuple):
    """What is known of where things lie, in an environment that has places."""

    wanted_in: Callable[[Episode], str]  # the object that an episode's task wants; "" if unknown
    first_seen: Callable[[Episode], int | None]  # steps until it was in sight
    # Of failed episodes, for objects that their tasks wanted: the hint that says where to look.
    look_first: Callable[[Sequence[Episode]], dict[str, str]]
    # A bank with such hints' places mixed up among their objects, by seed.
    permuted: Callable[[Iterable[Hint], int], list[Hint]]


class HintRules(NamedTuple):
    """The causes that a failure in an environment can have, and the words its hints may use."""

    causes: tuple[str, ...]  # all that there are, the most specific first
    # One or more causes of a failed episode, by what the agent saw and nothing else.
    diagnose: Callable[[Episode], Iterator[Diagnosis]]
    placeholders: tuple[str, ...]  # what a hint says in place of names and numbers
    common: frozenset[str]  # names that are the same in every task, so that hints may have them
    names_of: Callable[[Episode], set[str]]  # an episode's own things, which another one lacks
    places: PlaceRules | None = None

    def causes_of(self, episode: Episode) -> list[Diagnosis]:
        """Why an episode failed; none for a success."""
        return [] if episode.success else list(self.diagnose(episode))
