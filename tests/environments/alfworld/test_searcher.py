"""The player without mistakes, on real generated games: it begins where a hint says, and wins."""

import random

import pytest
from conftest import envs_of

from hintdistill.agents.demonstrator.engine import DemonstratorEngine
from hintdistill.agents.episode.rollout import GivenHints, play_cohort
from hintdistill.core.records import HintRef
from hintdistill.environments.alfworld.game.goal import class_of, parse_goal, things_in
from hintdistill.environments.alfworld.player.places import (
    INSIDE,
    OBJECTS,
    PLACES,
    LookFirst,
    hints_in,
)
from hintdistill.environments.alfworld.player.searcher import PlaceHints, Searcher
from hintdistill.hints.write.form import form_error


@pytest.fixture
def search(games, base_arm):
    """Play the games of train with the hints that a function makes of a task: (task, episode)s."""
    panel = {task.task_id: (task, game) for task, game in games if task.split == "train"}

    def play(hints_of, slips=0.0):
        def retrieve(starts):
            texts = [hints_of(task, first) for task, first in starts]
            return [[HintRef(hint_id=f"{i}", text=t) for i, t in enumerate(own)] for own in texts]

        limits = base_arm.limits.model_copy(update={"turn_limit": 150, "repeat_limit": 50})
        arm = base_arm._replace(hints=GivenHints(retrieve), limits=limits, step_limit=120)
        engine = DemonstratorEngine(Searcher, arm.agent.turns, slips, seed=0)
        tasks = [task for task, _ in panel.values()]
        episodes = play_cohort(tasks, envs_of(panel), engine, arm)
        return list(zip(tasks, episodes, strict=True))

    return play


def goes(episode):
    return [step.action.removeprefix("go to ") for step in episode.steps if "go to" in step.action]


def test_it_wins_every_game_with_hints_or_without_and_after_slips(search):
    for slips in (0.0, 0.2):
        played = search(lambda task, first: [], slips)
        assert [episode.success for _, episode in played] == [1] * len(played)
        assert all("inventory" not in m.content for _, e in played for m in e.messages[1:])


def test_it_begins_where_the_hint_for_its_object_says_and_only_there(search):
    other = LookFirst("kettle", ("bed", "toilet", "sofa")).sentence()
    told = {}

    def hints_of(task, first):
        rooms = sorted({class_of(name) for name in things_in(first)})
        place = told[task.task_id] = random.Random(task.task_id).choice(rooms)
        hint = LookFirst(parse_goal(task.instruction).object, ("bathtubbasin", place)).sentence()
        return [other, hint]

    for task, episode in search(hints_of):
        first = class_of(goes(episode)[0])
        assert first == told[task.task_id] or first == "bathtubbasin"
        assert episode.success
        thought = episode.messages[2].content
        assert f"the {told[task.task_id]} first" in thought


def test_orders_are_drawn_anew_for_each_episode(search):
    def firsts(nonce):
        return [goes(episode)[0] for _, episode in search(lambda task, first: [f"Advice {nonce}."])]

    assert firsts("a") != firsts("b")


@pytest.mark.parametrize(
    ("hint", "sentence"),
    [
        (LookFirst("mug", ("desk",)), "Look for a mug on the desk first."),
        (
            LookFirst("apple", ("fridge", "bed")),
            "Look for an apple in the fridge or on the bed first.",
        ),
        (
            LookFirst("pen", ("drawer", "desk", "bed")),
            "Look for a pen in the drawer, on the desk or on the bed first.",
        ),
    ],
)  # fmt: skip
def test_hints_are_written_and_read(hint, sentence):
    assert hint.sentence() == sentence and form_error(sentence) is None
    assert hints_in(f"Hints:\n- Open it.\n- {sentence}\n- {sentence}") == [hint, hint]


def test_classes_are_alfworlds():
    from alfworld.gen import constants

    holders = set(constants.VAL_RECEPTACLE_OBJECTS) - set(constants.MOVABLE_RECEPTACLES)
    assert set(PLACES) == {name.lower() for name in holders} and set(PLACES) > INSIDE
    held = set().union(*constants.VAL_RECEPTACLE_OBJECTS.values())
    assert set(OBJECTS) == {name.lower() for name in held if not name.endswith("Sliced")}


def test_drawn_hints_say_nothing_of_where_things_are(games, capsys):
    """Chi-squared: a hint's places are independent of its object, and of where it was found."""
    from scipy.stats import chi2_contingency

    draws, rng = PlaceHints(), random.Random(0)
    starts = [(task.instruction, game.content) for task, game in games if task.split == "warmstart"]
    instruction = starts[0][0]
    first = "You see a desk 1, a bed 1, a drawer 1, a shelf 1."
    named = []
    for _ in range(4000):
        named += hints_in("\n".join(draws.draw_useless(instruction, first, rng)))
    classes, objects = ["bed", "desk", "drawer", "shelf"], OBJECTS[:8]
    table = [
        [sum(h.object == name and place in h.places for h in named) for place in classes]
        for name in objects
    ]
    found = chi2_contingency(table)
    with capsys.disabled():
        print(f"\nhints' objects and places: chi2 {found.statistic:.1f}, p {found.pvalue:.2f}")
    assert found.pvalue > 0.01


def test_prompts_hold_the_wanted_object_or_not_as_is_asked(games):
    draws, rng = PlaceHints(), random.Random(0)
    task = next(task for task, _ in games)
    wanted = parse_goal(task.instruction).object
    first = "You see a desk 1, a bed 1, a drawer 1."
    helpful = [
        hints_in("\n".join(draws.draw_helpful(task.instruction, first, rng))) for _ in range(99)
    ]
    useless = [
        hints_in("\n".join(draws.draw_useless(task.instruction, first, rng))) for _ in range(99)
    ]
    assert all(sum(hint.object == wanted for hint in hints) == 1 for hints in helpful)
    assert not any(hint.object == wanted for hints in useless for hint in hints)
    assert draws.draw_none(task.instruction, first, rng) == []
