"""The episode loop on real generated games, with scripted turns."""

import pytest
from conftest import NO_EXAMPLES, envs_of

from hintdistill.agents.episode.registry import make_agent
from hintdistill.agents.episode.rollout import GivenHints, Limits, play, play_cohort
from hintdistill.agents.react import ReactAgent
from hintdistill.core.files import dumps
from hintdistill.core.records import HintRef
from hintdistill.environments.alfworld.game.env import AlfworldEnv
from hintdistill.environments.common.protocol import InProcess
from hintdistill.llm.engines.scripted import ScriptedEngine


@pytest.fixture
def panel(games):
    return {task.task_id: (task, game) for task, game in games if task.split == "train"}


def tasks_of(panel):
    return [task for task, _ in panel.values()]


def replay(panel):
    """An engine that plays each game's walkthrough, whichever it is shown."""
    plans = {task.instruction: list(game.content["walkthrough"]) for task, game in panel.values()}

    def policy(messages):
        instruction = messages[1].content.split("Your task is to: ")[1]
        return plans[instruction][sum(m.own for m in messages)]

    return ScriptedEngine(policy)


def test_the_walkthroughs_win(panel, base_arm):
    episodes = play_cohort(tasks_of(panel), envs_of(panel), replay(panel), base_arm)
    assert [e.success for e in episodes] == [1] * 6
    assert {e.stop_reason for e in episodes} == {"success"}
    assert all(e.reward == 1.0 and e.n_invalid == 0 for e in episodes)
    assert all(e.n_steps == e.n_turns == len(e.steps) for e in episodes)


def test_thoughts_and_malformed_turns_are_answered_and_are_no_steps(panel, base_arm):
    turns = ["think: hm", "", "two\nlines", "dance", "look", "look", "look"]
    engine = ScriptedEngine(lambda messages: turns[sum(m.own for m in messages)])
    episode = play_cohort(tasks_of(panel)[:1], envs_of(panel), engine, base_arm)[0]
    answers = [m.content for m in episode.messages[2:] if m.role == "user"]
    malformed = ReactAgent.malformed_answer
    assert answers[:4] == ["OK.", malformed, malformed, "Nothing happens."]
    assert [step.action for step in episode.steps] == ["dance", "look", "look", "look"]
    assert [step.turn for step in episode.steps] == [3, 4, 5, 6]
    assert episode.n_invalid == 3  # two malformed turns, one impossible command
    assert episode.stop_reason == "repeated_action"
    assert episode.messages[-1].own


@pytest.mark.parametrize(
    ("name", "turns", "stop_reason", "steps"),
    [
        ("react", ["think: hm"] * 3, "repeated_action", 0),
        ("react", ["look", *["think: hm", " think: hm", "think: hm "]], "repeated_action", 1),
        ("react", [""] * 3, "repeated_action", 0),
        ("react", ["two\nlines"] * 3, "repeated_action", 0),
        ("stateact", ["thought: hm"] * 3, "repeated_action", 0),
        ("stateact", ["thought: a\naction: look", "thought: b\naction: look"] * 2,
         "repeated_action", 3),
        # Not in a row: what is between two equal turns may have changed something.
        ("react", ["think: hm", "think: hm", "look", "think: hm", "think: hm", "inventory"] * 2,
         "turn_limit", 4),
        ("react", ["think: a", "think: b"] * 6, "turn_limit", 0),
    ],
)  # fmt: skip
def test_equal_turns_in_a_row_end_an_episode_as_equal_actions_do(
    panel, base_arm, name, turns, stop_reason, steps
):
    params = NO_EXAMPLES | ({"fields": ["thought", "action"]} if name == "stateact" else {})
    agent = make_agent(name, "alfworld", params)
    arm = base_arm._replace(agent=agent, limits=Limits(turn_limit=12, repeat_limit=3))
    engine = ScriptedEngine(lambda messages: turns[sum(m.own for m in messages)])
    (episode,) = play_cohort(tasks_of(panel)[:1], envs_of(panel), engine, arm)
    assert (episode.stop_reason, episode.n_steps) == (stop_reason, steps)
    if stop_reason == "repeated_action":
        assert episode.messages[-1].own and episode.n_turns <= len(turns)
        assert episode.n_turns == steps + 3 * (steps < 3)


def test_hints_stand_where_the_arm_puts_them(panel, base_arm):
    hints = [HintRef(hint_id="0", text="Open the fridge first.")]
    quiet = ScriptedEngine(lambda messages: "look")
    arm = base_arm._replace(hints=GivenHints(lambda starts: [hints for _ in starts]))
    (system,) = play_cohort(tasks_of(panel)[:1], envs_of(panel), quiet, arm)
    under = arm._replace(hints=arm.hints._replace(placement="first_user"))
    (user,) = play_cohort(tasks_of(panel)[:1], envs_of(panel), quiet, under)
    block = "\n\nHints from earlier attempts:\n- Open the fridge first."
    plain = base_arm.agent.system_prompt([], "")
    assert system.messages[0].content == plain + block and user.messages[0].content == plain
    assert user.messages[1].content == system.messages[1].content + block


def test_limits(panel, base_arm):
    task = tasks_of(panel)[:1]
    thinker = ScriptedEngine(lambda messages: f"think: {len(messages)}")
    episode = play_cohort(task, envs_of(panel), thinker, base_arm)[0]
    assert (episode.stop_reason, episode.n_turns, episode.n_steps) == ("turn_limit", 30, 0)
    walker = ScriptedEngine(lambda messages: ["look", "inventory"][len(messages) // 2 % 2])
    episode = play_cohort(task, envs_of(panel), walker, base_arm)[0]
    assert (episode.stop_reason, episode.n_steps) == ("step_limit", 20)


def test_finished_cohorts_are_not_played_again(panel, base_arm, tmp_path):
    tasks = tasks_of(panel)
    whole = play(tasks, envs_of(panel), replay(panel), base_arm, cohort=2, folder=tmp_path / "a")

    class Stopped(Exception):
        pass

    calls = []

    def counting_env(task):
        calls.append(task.task_id)
        return AlfworldEnv(*panel[task.task_id])

    def stopping_env(task):
        if len(calls) > 2:  # in the middle of the second cohort
            raise Stopped
        return counting_env(task)

    with pytest.raises(Stopped):
        play(
            tasks, InProcess(stopping_env), replay(panel), base_arm, cohort=2, folder=tmp_path / "b"
        )
    calls.clear()
    counting = InProcess(counting_env)
    resumed = play(tasks, counting, replay(panel), base_arm, cohort=2, folder=tmp_path / "b")
    assert len(calls) == 4
    assert [dumps(e) for e in resumed] == [dumps(e) for e in whole]


def test_ids_differ_by_task_and_records_hold_no_path(panel, base_arm):
    episodes = play_cohort(tasks_of(panel), envs_of(panel), replay(panel), base_arm)
    assert len({e.episode_id for e in episodes}) == 6
    assert not any("/home" in dumps(e) or "/tmp" in dumps(e) for e in episodes)
