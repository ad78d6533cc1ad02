"""Habits of the scripted players, whatever the environment."""

import pytest

from hintdistill.environments.alfworld.player.habits import HABITS as ALFWORLD
from hintdistill.environments.scripted.habits import IRRELEVANT
from hintdistill.environments.webshop.player.habits import HABITS as WEBSHOP


@pytest.mark.parametrize(
    ("habits", "habit"),
    [
        pytest.param(habits, habit, id=f"{env}-{habit.name}")
        for env, habits in (("alfworld", ALFWORLD), ("webshop", WEBSHOP))
        for habit in habits.habits
    ],
)
def test_every_wording_that_is_shown_prevents_its_habit_alone(habits, habit):
    for hint in habit.hints:
        assert habits.prevented_by(f"Instructions.\n- {hint}\n- Something else.") == {habit.name}
    for other in (*habit.held_out, *habits.general, *IRRELEVANT):
        assert habits.prevented_by(other) == set()
