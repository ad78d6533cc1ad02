"""The scripted player on real generated games: its habits, the hints against them, its slips."""

import random

import pytest
from conftest import ROOT, envs_of

from hintdistill.agents.demonstrator.engine import DemonstratorEngine
from hintdistill.agents.episode.rollout import GivenHints, play_cohort
from hintdistill.core.records import HintRef, normalise
from hintdistill.core.yaml_file import read_yaml
from hintdistill.environments.alfworld.game.goal import parse_goal, things_in
from hintdistill.environments.alfworld.hints.texts import TEXTS
from hintdistill.environments.alfworld.player.demonstrator import GIVE_UP, Demonstrator
from hintdistill.environments.alfworld.player.habits import HABITS, situation_of
from hintdistill.environments.scripted.habits import IRRELEVANT, MAX_HINTS
from hintdistill.hints.write.form import form_error

EVERYTHING = [habit.hints[0] for habit in HABITS.habits]


@pytest.fixture
def demonstrate(games, base_arm):
    """Play the games of train, one of each type, with given hints: (task, episode) pairs."""
    panel = {task.task_id: (task, game) for task, game in games if task.split == "train"}
    limits = base_arm.limits.model_copy(update={"turn_limit": 120})

    def play(hints, slips=0.0):
        refs = [HintRef(hint_id=str(i), text=text) for i, text in enumerate(hints)]
        given = GivenHints(lambda starts: [refs] * len(starts))
        arm = base_arm._replace(hints=given, limits=limits)
        arm = arm._replace(step_limit=100)
        engine = DemonstratorEngine(Demonstrator, arm.agent.turns, slips, seed=0)
        tasks = [task for task, _ in panel.values()]
        episodes = play_cohort(tasks, envs_of(panel), engine, arm)
        return list(zip(tasks, episodes, strict=True))

    return play


def turns(episode):
    return [message.content for message in episode.messages if message.role == "assistant"]


def made(task, episode):
    goal = parse_goal(task.instruction)
    places = things_in(episode.messages[1].content)
    return HABITS.made(situation_of(goal, places), "")


def test_hints_are_well_formed_and_no_wording_stands_twice():
    placebos = read_yaml(ROOT / "prompts/alfworld/placebos.yaml")
    elsewhere = {text for forms in TEXTS.values() for text in forms.values()}
    elsewhere |= set(placebos["placebo_constant"])
    for texts in placebos["placebo_wrong_type"].values():
        elsewhere |= set(texts)
    known = [text for habit in HABITS.habits for text in (*habit.hints, *habit.held_out)]
    known += [*HABITS.general, *IRRELEVANT]
    assert len({normalise(text) for text in known}) == len(known)
    assert not {normalise(text) for text in known} & {normalise(text) for text in elsewhere}
    assert [text for text in known if form_error(text)] == []
    assert all(len(habit.hints) >= 6 and len(habit.held_out) >= 2 for habit in HABITS.habits)


def test_without_hints_it_has_its_habits_and_with_them_it_wins(demonstrate):
    plain, hinted = demonstrate([]), demonstrate(EVERYTHING)
    assert [episode.success for _, episode in hinted] == [1] * len(hinted)
    fatal = {habit.name for habit in HABITS.habits} - {"container"}
    for task, episode in plain:
        if made(task, episode) & fatal:
            assert not episode.success, task
            assert turns(episode)[-1] == GIVE_UP or episode.stop_reason == "repeated_action"
    shown = {name for task, episode in plain for name in made(task, episode)}
    assert len(shown & fatal) >= 3  # the fixture's games show most of the habits


def test_useless_hints_change_nothing(demonstrate):
    plain, useless = demonstrate([]), demonstrate([*IRRELEVANT[:2], *HABITS.general[:2]])
    assert [turns(episode) for _, episode in plain] == [turns(episode) for _, episode in useless]


def test_drawn_hints_concern_the_task_or_do_not(games):
    for seed in range(50):
        for task, _ in games:
            asked = task.instruction
            situation = HABITS.read(asked)
            concerned = {habit.name for habit in HABITS.habits if habit.concerns(situation)}
            helpful = HABITS.draw_helpful(asked, "", random.Random(seed))
            useless = HABITS.draw_useless(asked, "", random.Random(seed))
            assert len(helpful) <= MAX_HINTS and 1 <= len(useless) <= MAX_HINTS
            assert HABITS.prevented_by("\n".join(helpful)) <= concerned
            assert not HABITS.prevented_by("\n".join(useless)) & concerned


def test_openings_are_of_all_three_kinds(games):
    asked = games[0][0].instruction
    drawn = [HABITS.draw_any(asked, "", random.Random(seed)) for seed in range(200)]
    assert min(len([d for d in drawn if not d]), len([d for d in drawn if d])) > 20
    helpful = [d for d in drawn if HABITS.prevented_by("\n".join(d)) & {"container"}]
    useless = [d for d in drawn if d and d not in helpful]
    assert min(len(helpful), len(useless)) > 20


def test_slips_are_not_its_own_turns_and_it_recovers(demonstrate):
    episodes = [episode for _, episode in demonstrate(EVERYTHING, slips=0.3)]
    slips = [m for e in episodes for m in e.messages if m.role == "assistant" and not m.own]
    assert len(slips) > len(episodes)
    assert sum(e.success for e in episodes) >= 0.9 * len(episodes)
    again = [episode for _, episode in demonstrate(EVERYTHING, slips=0.3)]
    assert episodes == again
