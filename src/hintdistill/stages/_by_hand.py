"""What `hintdistill play` does: a person plays a task in the terminal."""

import random

import click

from hintdistill.agents.demonstrators import demonstrations_of
from hintdistill.errors import UserError
from hintdistill.stages._cell import Cell
from hintdistill.tasks.panel import Panel, PanelParams
from hintdistill.tasks.registry import find_env, new_panel

# Where there is no panel yet: a few new tasks.
SMALL = PanelParams(
    source="generated", seed=0, panel_sha256=None, warmstart=6, train=1, dev=1, eval=1
)
LEAVE = ("quit", "exit")


def _panel(env: str) -> Panel:
    """The pipeline's, or where it has not been made, a few new tasks."""
    cell = Cell(env, "")
    if cell.panel.is_file():
        return cell.read_panel()
    return new_panel(env, SMALL)


def play_by_hand(env: str, number: int, hints: bool) -> None:
    """Play until the task is done or the player leaves.

    Args:
        number: of a warm-start task, so that nobody learns from what is reported.
        hints: show hints against what goes wrong in such a task.

    Raises:
        UserError: there is no such environment or task.
    """
    open_envs, panel = find_env(env).open_envs, _panel(env)
    tasks = [task for task, _ in panel.values() if task.split == "warmstart"]
    if not 0 <= number < len(tasks):
        raise UserError(f"play: expected --task 0 to {len(tasks) - 1}, got {number}")
    task = tasks[number]
    if hints:
        known = demonstrations_of(env).habits
        for hint in known.draw_helpful(task.instruction, random.Random(number)):
            click.echo(f"hint: {hint}")
    with open_envs(panel, 1) as envs:
        click.echo(envs.reset({0: task})[0])
        steps = 0
        while True:
            action = click.prompt("", prompt_suffix="> ", default="", show_default=False)
            if action in LEAVE:
                click.echo(f"left after {steps} steps")
                break
            outcome = envs.step({0: action})[0]
            steps += 1
            click.echo(outcome.observation)
            if outcome.done:
                click.echo(f"done after {steps} steps, reward {outcome.reward:.2f}")
                break
        envs.reset({})
