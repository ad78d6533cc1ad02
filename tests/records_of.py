"""Records for tests, with what a test does not care about filled in."""

from hintdistill.core.records import Episode, Hint, Message, Model, Step, Task, short_hash
from hintdistill.evaluation.figures import EpisodeRow


def episode_of(task_id, **changes):
    fields = dict(
        episode_id=short_hash(task_id), task_id=task_id, env="alfworld", agent="react", arm="base",
        attempt=0, seed=0, model=Model(name="m", sha256="0"), adapter=None, deterministic=True,
        hints=[], messages=[Message(role="system", content="s")], steps=[], success=0, reward=0.0,
        n_steps=0, n_turns=0, n_invalid=0, stop_reason="step_limit", tokens_prompt=0,
        tokens_prompt_new=0, tokens_completion=0,
    )  # fmt: skip
    return Episode(**{**fields, **changes})


def row_of(task_id, **changes):
    """A line of episodes.csv."""
    fields = dict(
        env="alfworld", agent="react", arm="base", seed=0, task_id=task_id, type="a", success=0,
        reward=0.0, steps=0, turns=0, tokens=0, tokens_new=0, stop_reason="step_limit",
    )  # fmt: skip
    return EpisodeRow(**{**fields, **changes})


def hint(text, task_type="a", mentions=1, sources=()):
    return Hint(
        hint_id=short_hash(text, task_type), env="alfworld", type=task_type, text=text,
        mentions=mentions, writer="w", source_task_ids=list(sources), source_episode_ids=[],
    )  # fmt: skip


def task(task_id, instruction, split="train"):
    return Task(
        task_id=task_id, env="alfworld", split=split, type="a", source="generated",
        group="room 1", instruction=instruction, content_sha256="0",
    )  # fmt: skip


def told(task, steps, task_id="t", **changes):
    """An episode with the steps given as (action, observation)."""
    first = f"You see a desk 1, a shelf 1, and a shelf 2.\n\nYour task is to: {task}"
    return episode_of(
        task_id,
        messages=[Message(role="system", content="s"), Message(role="user", content=first)],
        steps=[Step(turn=i, action=a, observation=o) for i, (a, o) in enumerate(steps)],
        n_turns=len(steps),
        **changes,
    )
