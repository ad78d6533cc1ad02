"""The comparison of two engines, with scripted ones."""

import engines
from conftest import envs_of

from hintdistill.agents.episode.rollout import play_cohort
from hintdistill.llm.engines.scripted import ScriptedEngine


def look_then_wait(messages):
    return "look" if len(messages) < 4 else f"think: {len(messages)}"


def test_a_replay_of_an_engines_own_episodes_agrees_with_it(games, base_arm):
    panel = {task.task_id: (task, game) for task, game in games}
    tasks = [task for task, _ in games if task.split == "eval"][:3]
    engine = ScriptedEngine(look_then_wait)

    arm = base_arm._replace(limits=base_arm.limits.model_copy(update={"turn_limit": 5}))
    episodes = play_cohort(tasks, envs_of(panel), engine, arm)
    own = [m.content for e in episodes for m in e.messages if m.own]
    said = engines.replay(engine, episodes, cohort=2)
    assert sorted(said) == sorted(own) and len(said) == 15
    other = engines.replay(ScriptedEngine(lambda messages: "look"), episodes, cohort=2)
    found = engines.agreement(said, other)
    assert (found["turns"], found["equal"]) == (15, 3)
    assert found["lo"] < found["share"] == 0.2 < found["hi"]


def test_whole_episodes_are_chosen_for_a_replay(games, base_arm, monkeypatch):
    panel = {task.task_id: (task, game) for task, game in games}
    tasks = [task for task, _ in games if task.split == "eval"][:4]
    arm = base_arm._replace(step_limit=3)
    episodes = play_cohort(tasks, envs_of(panel), ScriptedEngine(lambda m: "look"), arm)
    monkeypatch.setattr(engines, "REPLAYED_TURNS", 7)
    chosen = engines.choose_replay(episodes)
    assert chosen == sorted(episodes, key=lambda e: e.episode_id)[:3]
    monkeypatch.setattr(engines, "REPLAYED_TURNS", 100)
    assert len(engines.choose_replay(episodes)) == 4
