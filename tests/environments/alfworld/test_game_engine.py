"""The lean engine against alfworld's own: the same observations, rewards and ends."""

import pytest
import textworld
from alfworld.agents.environment.alfred_tw_env import AlfredDemangler
from textworld.envs import PddlEnv

from hintdistill.environments.alfworld.game.engine import new_engine
from hintdistill.environments.alfworld.game.goal import things_in

WRONG = ("dance", "", "look around", "go to nowhere 1", "take mug 9 from bed 1", " LOOK", "help")


def as_played(env, content, commands):
    """Everything that is seen of a game: introduction, then feedback, score, end."""
    env.load(content)
    seen = [env.reset().feedback]
    for command in commands:
        state, score, done = env.step(command)
        seen.append((state.feedback, score, done))
    return seen


def tour(content, places):
    """Some places, then the walkthrough; wrong, idle and repeated commands on the way."""
    yield from WRONG
    for place in places[::5]:
        yield from (f"go to {place}", f"open {place}", "look", f"close {place}")
    for command in content["walkthrough"]:
        yield command
        if command.startswith("go"):
            yield f"examine {command.removeprefix('go to ')}"
        elif command.startswith("take"):
            taken = command.removeprefix("take ").split(" from ")[0]
            yield from (command, "inventory", f"examine {taken}", f"go to {places[0]}", "look ")


@pytest.mark.parametrize("number", range(6))
def test_observations_are_alfworlds_own(games, number):
    _, game = games[number]
    own, lean = AlfredDemangler(PddlEnv(textworld.EnvInfos()), shuffle=False), new_engine()
    own.load(game.content)
    places = things_in(own.reset().feedback)
    commands = list(tour(game.content, places))
    expected = as_played(own, game.content, commands)
    assert as_played(lean, game.content, commands) == expected
    assert any(feedback == "Nothing happens." for feedback, *_ in expected[1:])
