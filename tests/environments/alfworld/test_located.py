"""Hints of where things are: made of what failed episodes saw, found by retrieval, mixed up."""

import random

import pytest
from conftest import envs_of

from hintdistill.agents.demonstrator.engine import DemonstratorEngine
from hintdistill.agents.episode.rollout import play_cohort
from hintdistill.core.errors import UserError
from hintdistill.core.records import ANY_TYPE, Episode, Message, Step
from hintdistill.environments.alfworld.game.goal import parse_goal
from hintdistill.environments.alfworld.hints.located import (
    first_seen,
    look_first,
    permuted,
    wanted_in,
)
from hintdistill.environments.alfworld.player.places import hints_in
from hintdistill.environments.alfworld.player.searcher import Searcher
from hintdistill.hints.give.retrieve import RETRIEVERS, make_ranking
from hintdistill.hints.write.curate import DuplicateParams, curate
from hintdistill.hints.write.writers.locate import write_hints

DUPLICATES = DuplicateParams(duplicate_ratio=0.85, duplicate_cosine=None)
ROOM = (
    "You are in the middle of a room. You see a bed 1, a desk 1, a drawer 1.\n\nYour task is to: "
)


def episode(number, wanted, *seen, env="alfworld"):
    """A failed one that went from place to place; `seen`: pairs of a place and what lay there."""
    steps = [
        Step(turn=i, action=f"go to {place}", observation=f"You arrive at {place}. {text}")
        for i, (place, text) in enumerate(seen)
    ]
    return Episode(
        episode_id=f"e{number}", task_id=f"t{number}", env=env, agent="react", arm="base",
        attempt=0, seed=0, model={"name": "m", "sha256": "0" * 64}, adapter=None,
        deterministic=True, hints=[], success=0, reward=0.0, n_steps=len(steps),
        n_turns=len(steps), n_invalid=0, stop_reason="step_limit", tokens_prompt=0,
        tokens_prompt_new=0, tokens_completion=0, steps=steps,
        messages=[
            Message(role="system", content="You play."),
            Message(role="user", content=f"{ROOM}put a {wanted} in drawer."),
        ],
    )  # fmt: skip


DESK = ("desk 1", "On the desk 1, you see a mug 2, and a pen 1.")
BED = ("bed 1", "On the bed 1, you see a pen 3.")
DRAWER = ("drawer 1", "The drawer 1 is open. In it, you see a mug 1.")
FAILURES = [
    episode(1, "mug", DESK, BED),
    episode(2, "mug", BED, DESK, DRAWER),
    episode(3, "pen", BED, DRAWER),
    episode(4, "cup", DESK, BED),
]


def test_a_hint_names_the_places_where_most_episodes_saw_such_a_thing():
    assert look_first(FAILURES) == {
        "mug": "Look for a mug on the desk or in the drawer first.",
        "pen": "Look for a pen on the bed or on the desk first.",
    }
    assert look_first(FAILURES[:1]) == {}  # once may be chance
    assert [wanted_in(failure) for failure in FAILURES] == ["mug", "mug", "pen", "cup"]


def test_first_seen_counts_steps():
    assert [first_seen(failure) for failure in FAILURES] == [1, 2, 1, None]


def test_what_the_agent_moved_is_known_from_where_it_lay(games, base_arm):
    """In real games: each thing's place is that of the game's own files, or nobody knew."""
    panel = {task.task_id: (task, game) for task, game in games if task.split == "train"}
    arm = base_arm._replace(
        limits=base_arm.limits.model_copy(update={"turn_limit": 60, "repeat_limit": 9}),
        step_limit=12,
    )
    engine = DemonstratorEngine(Searcher, arm.agent.turns, 0.0, seed=0)
    played = play_cohort([t for t, _ in panel.values()], envs_of(panel), engine, arm)
    lost = [e for e in played if not e.success]
    assert lost
    for e in played:
        step = first_seen(e)
        wanted = wanted_in(e)
        assert wanted == parse_goal(panel[e.task_id][0].instruction).object
        if step is None:
            assert not any(f"a {wanted} " in s.observation for s in e.steps)
        else:
            assert f" {wanted} " in e.steps[step - 1].observation
            assert not any(f"a {wanted} " in s.observation for s in e.steps[: step - 1])


@pytest.fixture(scope="module")
def bank():
    class Tasks(dict):
        def __missing__(self, key):
            return None

    written = write_hints(FAILURES, Tasks(), lambda: None)
    assert {hint.type for hint in written.hints} == {ANY_TYPE}
    return curate(written.hints, "alfworld", DUPLICATES)


def test_hints_for_different_objects_are_never_merged(bank):
    assert sorted(hint.text for hint in bank) == sorted(look_first(FAILURES).values())
    mugs = next(hint for hint in bank if " mug " in hint.text)
    assert mugs.mentions == 2 and mugs.source_episode_ids == ["e1", "e2"]


@pytest.mark.parametrize("retriever", ["bm25", "tfidf"])
def test_retrieval_finds_the_hint_for_the_wanted_object(bank, retriever, games):
    assert retriever in RETRIEVERS
    train = [task for task, _ in games if task.split == "train"]
    task = train[0].model_copy(update={"instruction": "put a pen in drawer."})
    tasks = {
        f"t{number}": task.model_copy(
            update={"task_id": f"t{number}", "instruction": f"put a {wanted} in drawer."}
        )
        for number, wanted in ((1, "mug"), (2, "mug"), (3, "pen"), (4, "cup"))
    }
    first = f"{ROOM}put a pen in drawer."
    assert " pen " in make_ranking(retriever, bank, tasks)(task, first)[0].text


def test_places_are_mixed_up_and_nothing_else_is(bank):
    mixed = permuted(bank, 0)
    assert [h.model_copy(update={"text": ""}) for h in mixed] == [
        h.model_copy(update={"text": ""}) for h in bank
    ]
    said, wrong = ({hints_in(h.text)[0] for h in hints} for hints in (bank, mixed))
    assert {h.object for h in said} == {h.object for h in wrong}
    assert {h.places for h in said} == {h.places for h in wrong} and not said & wrong
    assert permuted(bank, 0) == mixed
    assert permuted(bank[:1], 0) == bank[:1]  # there is no other place to take


def test_a_derangement_of_many_leaves_none_as_it_was(bank):
    many = [
        bank[0].model_copy(
            update={"hint_id": f"h{i}", "text": f"Look for a {name} on the {place} first."}
        )
        for i, (name, place) in enumerate(
            zip(["mug", "pen", "cup", "pot", "egg"], ["bed", "desk", "sofa", "shelf", "toilet"],
                strict=True)
        )
    ]  # fmt: skip
    for seed in range(20):
        mixed = permuted(random.Random(seed).sample(many, 5), seed)
        assert not {h.text for h in mixed} & {h.text for h in many}


def test_an_environment_without_places_is_said():
    with pytest.raises(UserError, match="webshop has none of"):
        write_hints([episode(1, "mug", env="webshop")], {}, lambda: None)
