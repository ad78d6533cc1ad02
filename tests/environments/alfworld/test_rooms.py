"""Generated games: solvable, pinned, split by room, the same on every call."""

import random

import pytest

from hintdistill.core.errors import UserError
from hintdistill.core.records import SPLITS, content_sha256
from hintdistill.environments.alfworld.game.env import AlfworldEnv
from hintdistill.environments.alfworld.game.goal import TASK_TYPES, parse_goal, things_in
from hintdistill.environments.alfworld.game.rooms import (
    OFFICIAL_EVAL_ROOMS,
    load_room,
    rooms_of_split,
    write_game,
)


def rooms(split):
    return {room for kind in rooms_of_split(split).values() for room in kind}


def test_every_room_is_in_one_split_and_official_eval_rooms_are_in_eval():
    assert sum(len(rooms(split)) for split in SPLITS) == 120
    assert set.union(*map(rooms, SPLITS)) == {
        base + n for base in (0, 200, 300, 400) for n in range(1, 31)
    }
    assert set(OFFICIAL_EVAL_ROOMS) <= rooms("eval")


def test_the_panel_is_balanced_split_by_room_and_pinned(games):
    for split, n in (("warmstart", 6), ("train", 6), ("eval", 6)):
        tasks = [task for task, _ in games if task.split == split]
        assert sorted(task.type for task in tasks) == sorted(TASK_TYPES)[:n]
        assert {task.group for task in tasks} <= {f"room {n}" for n in rooms(split)}
    assert len({task.task_id for task, _ in games}) == len(games)
    for task, game in games:
        assert content_sha256(game.content) == task.content_sha256
        assert parse_goal(task.instruction).type == task.type


def test_a_game_is_the_same_for_the_same_seed():
    first, again, other = (
        write_game("pick_heat_then_place_in_recep", 7, random.Random(seed)) for seed in (1, 1, 2)
    )
    assert first == again
    assert first.content["pddl_problem"] != other.content["pddl_problem"]


def test_a_type_that_a_room_does_not_allow():
    assert write_game("pick_cool_then_place_in_recep", 301, random.Random(0)) is None
    with pytest.raises(UserError, match="999"):
        load_room(999)


def test_the_env_answers_as_alfworld_does(games):
    task, game = games[0]
    env = AlfworldEnv(task, game)
    first = env.reset()
    assert first.startswith("You are in the middle of a room.")
    assert first.endswith(f"Your task is to: {task.instruction}")
    place = things_in(first)[0]
    assert env.step(f"go to {place}").observation.startswith(f"You arrive at {place}.")
    assert env.step("dance") == ("Nothing happens.", 0.0, False, False)
    env.close()


def test_an_engine_that_is_used_again_plays_as_a_new_one(games):
    def play(env):
        observations = [env.reset()]
        observations += [env.step(action) for action in games[1][1].content["walkthrough"]]
        return observations

    fresh = AlfworldEnv(*games[1])
    expected = play(fresh)
    other = AlfworldEnv(*games[0])
    other.reset()
    other.close()
    again = AlfworldEnv(*games[1])
    assert again._env is other._env
    assert play(again) == expected
    assert expected[-1].done


def test_changed_content_is_refused(games):
    task, game = games[0]
    changed = game.model_copy(update={"content": {**game.content, "walkthrough": []}})
    with pytest.raises(UserError, match="SHA-256"):
        AlfworldEnv(task, changed)


def test_content_that_alfworld_cannot_load_is_named(games):
    task, game = games[0]
    content = {**game.content, "pddl_problem": "(define"}
    broken = game.model_copy(update={"content": content})
    pinned = task.model_copy(update={"content_sha256": content_sha256(content)})
    with pytest.raises(UserError, match=task.task_id[:20]):
        AlfworldEnv(pinned, broken).reset()


@pytest.mark.parametrize(
    "sentence, goal",
    [
        ("put some mug on shelf.", ("pick_and_place_simple", "mug", "shelf")),
        ("clean some mug and put it in shelf.", ("pick_clean_then_place_in_recep", "mug", "shelf")),
        ("put a hot egg in garbagecan.", ("pick_heat_then_place_in_recep", "egg", "garbagecan")),
        ("find two pen and put them in bed.", ("pick_two_obj_and_place", "pen", "bed")),
        ("look at cd under the desklamp.", ("look_at_obj_in_light", "cd", "desklamp")),
        ("win the game.", None),
    ],
)
def test_goals(sentence, goal):
    assert parse_goal(sentence) == goal
