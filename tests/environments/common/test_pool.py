"""Environments in worker processes: the same play with any number of them, and clear ends."""

import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import envs_of

from hintdistill.agents.demonstrator.engine import DemonstratorEngine
from hintdistill.agents.episode.rollout import play_cohort
from hintdistill.core.errors import UserError
from hintdistill.core.files import dumps
from hintdistill.core.panel import load_panel
from hintdistill.core.records import content_sha256
from hintdistill.environments.alfworld.game.env import AlfworldEnv
from hintdistill.environments.alfworld.player.demonstrator import Demonstrator
from hintdistill.environments.common.pool import EnvPool


@pytest.fixture
def panel(games):
    few = [(task, game) for task, game in games if task.split == "train"][:3]
    return load_panel([task for task, _ in few], [game for _, game in few])


def test_the_same_episodes_with_any_number_of_workers(panel, base_arm):
    def played(envs):
        tasks = [task for task, _ in panel.values()]
        engine = DemonstratorEngine(Demonstrator, base_arm.agent.turns, slips=0.1, seed=0)
        return [dumps(e) for _ in range(2) for e in play_cohort(tasks, envs, engine, base_arm)]

    expected = played(envs_of(panel))
    for workers in (1, 2):
        with EnvPool(panel, AlfworldEnv, workers) as envs:
            assert played(envs) == expected


def test_slots_are_answered_by_number(panel):
    tasks = dict(enumerate(task for task, _ in panel.values()))
    with EnvPool(panel, AlfworldEnv, 2) as envs:
        first = envs.reset(tasks)
        assert list(first) == list(tasks)
        assert all(text.endswith(tasks[slot].instruction) for slot, text in first.items())
        outcomes = envs.step({2: "look", 0: "dance"})
        assert list(outcomes) == [2, 0]
        assert outcomes[2].valid and not outcomes[0].valid
        assert envs.step({}) == {}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("(:init", "(:init (", "alfworld could not load it"),
        # Of this one the engine makes an end of the process.
        ("agent1 - agent", "agent1 - agent\nagent1 - agent", "duplicate object 'agent1'"),
    ],
)
def test_an_error_of_an_environment_comes_back_with_the_games_name(panel, old, new, said):
    (task_id, (task, game)), *_ = panel.items()
    problem = game.content["pddl_problem"].replace(old, new, 1)
    content = {**game.content, "pddl_problem": problem}
    task = task.model_copy(update={"content_sha256": content_sha256(content)})
    broken = {task_id: (task, game.model_copy(update={"content": content}))}
    with EnvPool(broken, AlfworldEnv, 2) as envs, pytest.raises(UserError, match=said) as raised:
        envs.reset({0: task})
    assert f"game {task_id}: " in str(raised.value)


def test_a_killed_worker_is_a_clear_error_with_the_games_that_it_had(panel):
    tasks = dict(enumerate(task for task, _ in panel.values()))
    with EnvPool(panel, AlfworldEnv, 2) as envs:
        envs.reset(tasks)
        os.kill(envs._workers[1][0].pid, signal.SIGKILL)
        said = rf"exit code -9.*at one of {tasks[1].task_id}\. .*finished cohorts are kept"
        with pytest.raises(UserError, match=said):
            envs.step(dict.fromkeys(tasks, "look"))


def test_workers_end_when_their_parent_is_killed():
    code = """if True:
        import os, signal
        from hintdistill.environments.alfworld.game.env import AlfworldEnv
        from hintdistill.environments.common.pool import EnvPool
        pool = EnvPool({}, AlfworldEnv, 2)
        pool.step({})
        print(*(process.pid for process, _ in pool._workers), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert killed.returncode == -signal.SIGKILL
    pids = [int(pid) for pid in killed.stdout.split()]
    assert len(pids) == 2
    deadline = time.monotonic() + 60
    for pid in pids:
        while is_running(pid):
            assert time.monotonic() < deadline, f"worker {pid} outlived its parent"
            time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
