"""Mistakes that a scripted player makes on purpose, and the hints that prevent each.

A mistake is a habit: it depends on what the player sees, never on chance, because a model that
decodes greedily follows whatever is likelier and would not show a mistake that is made now and
then. A hint about a mistake prevents it in that episode; every other sentence in the prompt changes
nothing.

Each mistake has hints that demonstrations show and hints that are held out, to see whether the
model goes by their meaning. None is the wording of a hint writer (`diagnose` or a language model).
"""

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from hintdistill.core.yaml_file import read_yaml

S = TypeVar("S")  # what a player knows at the start of an episode

# Sentences that have nothing to do with any task.
IRRELEVANT: list[str] = read_yaml(Path(__file__).with_name("irrelevant.yaml"))
MAX_HINTS = 4
# How openings are shared out over prompts without hints, with helpful and with useless ones.
OPENINGS = (0.2, 0.5, 0.3)
SHARE_OF_HABITS_HINTED = 0.85  # a bank says something against most mistakes, not all


class Habit(NamedTuple, Generic[S]):
    """A mistake: which tasks can suffer from it, when it is made, and what is said against it."""

    name: str
    concerns: Callable[[S], bool]
    when: Callable[[S], bool]
    hints: list[str]
    held_out: list[str]


class Habits(NamedTuple, Generic[S]):
    """All habits of one environment's player."""

    habits: tuple[Habit[S], ...]
    general: list[str]  # advice that the player follows anyhow; a bank has such hints as well
    read: Callable[[str], S]  # what a task's instruction alone tells; enough for `concerns`

    def prevented_by(self, prompt: str) -> set[str]:
        """Names of the mistakes that a prompt says something against."""
        return {h.name for h in self.habits if any(hint in prompt for hint in h.hints)}

    def made(self, situation: S, prompt: str) -> set[str]:
        """Names of the mistakes that are made under a prompt."""
        made = {h.name for h in self.habits if h.concerns(situation) and h.when(situation)}
        return made - self.prevented_by(prompt)

    def draw_none(self, instruction: str, first: str, rng: random.Random) -> list[str]:
        return []

    def draw_helpful(self, instruction: str, first: str, rng: random.Random) -> list[str]:
        """A hint for most of the mistakes that the task can suffer from, and general advice."""
        situation = self.read(instruction)
        concerned = [habit for habit in self.habits if habit.concerns(situation)]
        useful = [rng.choice(h.hints) for h in concerned if rng.random() < SHARE_OF_HABITS_HINTED]
        if len(useful) > MAX_HINTS:
            useful = rng.sample(useful, MAX_HINTS)
        hints = useful + rng.sample(self.general, rng.randint(0, MAX_HINTS - len(useful)))
        rng.shuffle(hints)
        return hints

    def draw_useless(self, instruction: str, first: str, rng: random.Random) -> list[str]:
        """Hints for other types of task, or sentences about nothing, or general advice."""
        situation = self.read(instruction)
        others = [hint for h in self.habits if not h.concerns(situation) for hint in h.hints]
        kind = rng.choice([kind for kind in (others, IRRELEVANT, self.general) if kind])
        return rng.sample(kind, rng.randint(1, MAX_HINTS))

    def draw_any(self, instruction: str, first: str, rng: random.Random) -> list[str]:
        """No hints, helpful ones or useless ones."""
        draws = (self.draw_none, self.draw_helpful, self.draw_useless)
        return rng.choices(draws, OPENINGS)[0](instruction, first, rng)


def read_habits(
    path: Path,
    conditions: Mapping[str, tuple[Callable[[S], bool], Callable[[S], bool]]],
    read: Callable[[str], S],
) -> Habits[S]:
    """Habits with the sentences of a file; `conditions` has `concerns` and `when` of each name."""
    said = read_yaml(path)
    habits = [
        Habit(name, concerns, when, **said["habits"][name])
        for name, (concerns, when) in conditions.items()
    ]
    return Habits(tuple(habits), said["general"], read)
