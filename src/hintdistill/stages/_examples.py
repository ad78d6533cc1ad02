"""What `hintdistill examples` does; no stage, since prompts/ is written by people."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hintdistill.agents.demonstrator import DemonstratorEngine
from hintdistill.agents.demonstrators import demonstrations_of
from hintdistill.agents.examples import examples_file
from hintdistill.agents.registry import make_agent
from hintdistill.agents.rollout import Arm, Limits, play
from hintdistill.agents.stateact import FIELDS
from hintdistill.records import Example, HintRef, write_jsonl
from hintdistill.tasks.panel import PanelParams
from hintdistill.tasks.registry import find_env, new_panel

A_TYPE = 2  # examples kept of each type of task: the shortest games that are won
STEP_LIMIT = 30
# New games in rooms of the warm start, and none of a profile's: those have seed 0.
GAMES = PanelParams(
    source="generated", seed=1, panel_sha256=None, warmstart=36, train=1, dev=1, eval=1
)


def write_examples(env: str, agent: str) -> Path:
    """Let the demonstrator win games with a hint against each habit, and keep short ones.

    Raises:
        UserError: there is no such agent.
    """
    protocol = make_agent(agent, env, {"examples": 0, "fields": FIELDS})
    make_player, habits = demonstrations_of(env)
    panel = new_panel(env, GAMES)
    tasks = [task for task, _ in panel.values() if task.split == "warmstart"]
    hints = [HintRef(hint_id=habit.name, text=habit.hints[0]) for habit in habits.habits]
    limits = Limits(turn_limit=2 * STEP_LIMIT, repeat_limit=5)
    arm = Arm("example", protocol, lambda starts: [hints for _ in starts], limits, STEP_LIMIT, 0)
    with find_env(env).open_envs(panel, len(tasks)) as envs, TemporaryDirectory() as folder:
        engine = DemonstratorEngine(make_player, protocol, slips=0.0, seed=0)
        played = play(tasks, envs, engine, arm, cohort=len(tasks), folder=Path(folder))
    won = sorted((e for e in played if e.success), key=lambda e: (e.n_steps, e.task_id))
    by_type: dict[str, list[Example]] = {}
    for episode in won:
        task_type = panel[episode.task_id][0].type
        example = Example(type=task_type, messages=episode.messages[1:])
        by_type.setdefault(task_type, []).append(example)
    examples = [e for task_type in sorted(by_type) for e in by_type[task_type][:A_TYPE]]
    path = examples_file(agent, env)
    write_jsonl(path, examples)
    return path
