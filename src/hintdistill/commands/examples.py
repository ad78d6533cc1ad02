"""Writes in-context examples: short games that the scripted player wins.

No stage, since prompts/ is written by people.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import click

from hintdistill.agents.demonstrator.engine import DemonstratorEngine
from hintdistill.agents.episode.examples import examples_file
from hintdistill.agents.episode.registry import make_agent
from hintdistill.agents.episode.rollout import ArmSetup, GivenHints, Limits, play
from hintdistill.agents.stateact import FIELDS
from hintdistill.core.cell import cell_options
from hintdistill.core.files import write_jsonl
from hintdistill.core.panel import PanelParams
from hintdistill.core.records import Example, HintRef
from hintdistill.environments.common.registry import games_of, new_panel
from hintdistill.environments.scripted.player import player_of
from hintdistill.evaluation.metrics import by_type

A_TYPE = 2  # examples kept of each type of task: the shortest games that are won
STEP_LIMIT = 30
# New games in rooms of the warm start, and none of a profile's: those have seed 0.
GAMES = PanelParams(
    source="generated", seed=1, panel_sha256=None, warmstart=36, train=1, dev=1, eval=1
)


def write_examples(env: str, agent: str) -> Path:
    """Let the scripted player win games with a hint against each habit, and keep short ones."""
    protocol = make_agent(agent, env, {"examples": 0, "fields": FIELDS})
    scripted = player_of(env, "habitual")
    panel = new_panel(env, GAMES)
    tasks = panel.tasks_of("warmstart")
    refs = [HintRef(hint_id=h.name, text=h.hints[0]) for h in scripted.hints.habits]
    hints = GivenHints(lambda starts: [refs for _ in starts])
    limits = Limits(turn_limit=2 * STEP_LIMIT, repeat_limit=5)
    setup = ArmSetup("example", protocol, hints, limits, STEP_LIMIT, 0)
    with games_of(env).open_envs(panel, len(tasks)) as envs, TemporaryDirectory() as folder:
        engine = DemonstratorEngine(scripted.make, protocol.turns, slips=0.0, seed=0)
        played = play(tasks, envs, engine, setup, cohort=len(tasks), folder=Path(folder))
    won = sorted((e for e in played if e.success), key=lambda e: (e.n_steps, e.task_id))
    shortest = [
        Example(type=task_type, messages=episode.messages[1:])
        for task_type, own in by_type(won, {task.task_id: task for task in tasks}).items()
        for episode in own[:A_TYPE]
    ]
    path = examples_file(agent, env)
    write_jsonl(path, shortest)
    return path


@click.command()
@cell_options
def command(env: str, agent: str) -> None:
    """Write own in-context examples to prompts/, for `protocol.examples`."""
    click.echo(f"written: {write_examples(env, agent)}")
