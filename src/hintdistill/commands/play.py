"""Lets a person play a task in the terminal."""

import random

import click

from hintdistill.core.cell import Cell
from hintdistill.core.errors import UserError
from hintdistill.core.panel import PanelParams
from hintdistill.environments.common.registry import games_of, new_panel
from hintdistill.environments.scripted.player import player_of

# Where there is no panel yet: a few new tasks.
SMALL = PanelParams(
    source="generated", seed=0, panel_sha256=None, warmstart=6, train=1, dev=1, eval=1
)
LEAVE = ("quit", "exit")


@click.command()
@click.argument("env")
@click.option("--task", "number", default=0, show_default=True, help="Which one, from 0.")
@click.option("--hints", is_flag=True, help="Show what the scripted player would be told.")
def command(env: str, number: int, hints: bool) -> None:
    """Play a task of ENV, as in `alfworld`, by hand; a warm-start task, so not one reported on."""
    open_envs, cell = games_of(env).open_envs, Cell(env, "")
    panel = cell.read_panel() if cell.panel.is_file() else new_panel(env, SMALL)
    tasks = panel.tasks_of("warmstart")
    if not 0 <= number < len(tasks):
        raise UserError(f"play: expected --task 0 to {len(tasks) - 1}, got {number}")
    task = tasks[number]
    known = player_of(env, "habitual").hints
    with open_envs(panel, 1) as envs:
        first = envs.reset({0: task})[0]
        if hints:
            for hint in known.draw_helpful(task.instruction, first, random.Random(number)):
                click.echo(f"hint: {hint}")
        click.echo(first)
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
