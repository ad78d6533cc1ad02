"""Prompts that are too long are said before an episode is played, not after all are."""

from collections.abc import Sequence

from pydantic import PositiveInt

from hintdistill.agents.episode.placement import open_episode
from hintdistill.agents.episode.rollout import ArmSetup
from hintdistill.core.cell import Cell, ModelParams
from hintdistill.core.errors import UserError
from hintdistill.core.params import StageParams
from hintdistill.core.records import HINT_SOURCE_SPLIT, Task
from hintdistill.core.settings import Settings
from hintdistill.environments.common.protocol import Environments
from hintdistill.llm.engine import Engine
from hintdistill.llm.model.chat import ChatRenderer


class _Length(Settings):
    max_length: PositiveInt


class TrainLength(StageParams):
    """Key train.max_length. No stage that plays declares it, as it changes no episode."""

    train: _Length


def require_room(
    tasks: Sequence[Task],
    envs: Environments,
    engine: Engine,
    arm: ArmSetup,
    model: ModelParams,
    cell: Cell,
) -> None:
    """A UserError where the prompt of a task's first turn, hints aside, has no room.

    Neither in the model's context nor, where students are to learn from the episodes, in a row of
    train.max_length tokens. The first task of each type stands for all of it.
    """
    firsts = {task.type: task for task in reversed(tasks)}
    slots = dict(enumerate(firsts.values()))
    talks = {
        task.type: open_episode(arm.agent, [], task.type, seen, arm.hints.placement)
        for task, seen in zip(slots.values(), envs.reset(slots).values(), strict=True)
    }
    folder = model.folder(cell)
    learnt_from = tasks[0].split == HINT_SOURCE_SPLIT and (folder / "tokenizer.json").is_file()
    if learnt_from:
        renderer = ChatRenderer.open(folder, model.chat_template_kwargs)
        limit = TrainLength.read().train.max_length
    for kind, talk in talks.items():
        if engine.is_full(talk):
            raise UserError(
                f"{folder}: expected a context with room for the first prompt of {cell.name}, "
                f"task type {kind}, and a turn: it has not. Take fewer {cell.agent}.protocol "
                "examples in params.yaml, or a model with a longer context."
            )
        if learnt_from and (length := len(renderer.prompt(talk))) >= limit:
            raise UserError(
                f"params.yaml, train.max_length: expected more than the {length} tokens of the "
                f"first prompt of {cell.name}, task type {kind}, got {limit}: no student could "
                f"learn from such episodes. Raise it, or lower {cell.agent}.protocol.examples."
            )
