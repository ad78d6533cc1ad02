"""The episode loop: many episodes at once, in cohorts that resume and reproduce.

A cohort is a fixed, sorted group of tasks whose episodes run in lock-step, one turn of all running
episodes a call of the engine. Which episodes share a batch depends on nothing outside the cohort,
so a cohort that was interrupted is played again and comes out the same.
"""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import PositiveInt

from hintdistill.agents.episode.placement import Placement, open_episode
from hintdistill.agents.episode.protocol import Agent
from hintdistill.core.files import read_jsonl, write_jsonl
from hintdistill.core.records import Episode, HintRef, Message, Step, Task, short_hash
from hintdistill.core.settings import Settings
from hintdistill.environments.common.protocol import Environments, Outcome
from hintdistill.llm.engine import Engine, Request, Turn

log = logging.getLogger(__name__)
SECONDS_BETWEEN_LINES = 20

Starts = Sequence[tuple[Task, str]]  # tasks, each with its first observation
Retrieve = Callable[[Starts], list[list[HintRef]]]  # the hints of each task of a cohort


class GivenHints(NamedTuple):
    """The hints that an arm's episodes are given, which are none by default."""

    retrieve: Retrieve = lambda starts: [[] for _ in starts]
    asks: str = ""  # the server and model whose answers decide; "" where none is asked
    placement: Placement = "system"


NO_HINTS = GivenHints()


class Limits(Settings):
    """The keys of the shared block `rollout` that end an episode without success."""

    turn_limit: PositiveInt  # model calls
    repeat_limit: PositiveInt  # equal actions, or equal turns without an action, in a row


class RolloutParams(Limits):
    """The keys of the shared block `rollout` that apply whoever plays."""

    cohort: PositiveInt  # episodes at once
    seed: int


class ArmSetup(NamedTuple):
    """An arm of the experiment, as it is played."""

    name: str
    agent: Agent
    hints: GivenHints
    limits: Limits
    step_limit: int  # actions sent to the environment
    seed: int
    attempt: int = 0


class _RunningEpisode:
    """One episode while it is played."""

    def __init__(self, task: Task, first: str, hints: list[HintRef], arm: ArmSetup) -> None:
        self.task, self.hints, self._arm = task, hints, arm
        texts = [hint.text for hint in hints]
        self.messages = open_episode(arm.agent, texts, task.type, first, arm.hints.placement)
        self.steps: list[Step] = []
        self.turns: list[Turn] = []
        self.n_invalid = 0
        self.reward = 0.0
        self.stop_reason = ""

    def take(self, turn: Turn | None) -> str | None:
        """Note a turn, where None says that the context is full; returns its action, if any."""
        if turn is None:
            self.stop_reason = "context_full"
            return None
        self.turns.append(turn)
        self.messages.append(Message(role="assistant", content=turn.text, own=turn.own))
        agent = self._arm.agent
        parsed = agent.parse(turn.text, complete=turn.complete)
        if parsed.kind == "action":
            return parsed.text
        self.n_invalid += parsed.kind == "malformed"
        if self._repeats([one.text.strip() for one in self.turns]):
            self.stop_reason = "repeated_action"
        else:
            thought = parsed.kind == "thought"
            self._answer(agent.thought_answer if thought else agent.malformed_answer)
        return None

    def see(self, action: str, outcome: Outcome) -> None:
        """Note what the turn's action led to."""
        observation, self.reward, done, valid = outcome
        self.n_invalid += not valid
        self.steps.append(Step(turn=len(self.turns) - 1, action=action, observation=observation))
        if done:
            self.stop_reason = "success" if self.reward == 1.0 else "done"
        elif len(self.steps) >= self._arm.step_limit:
            self.stop_reason = "step_limit"
        elif self._repeats([step.action for step in self.steps]):
            self.stop_reason = "repeated_action"
        else:
            self._answer(observation)

    def _repeats(self, texts: list[str]) -> bool:
        """Whether the last text is the last ones all over, as many as the arm's limit."""
        limit = self._arm.limits.repeat_limit
        return texts[-limit:] == texts[-1:] * limit

    def _answer(self, text: str) -> None:
        self.messages.append(Message(role="user", content=text))
        if len(self.turns) >= self._arm.limits.turn_limit:
            self.stop_reason = "turn_limit"

    def end(self, engine: Engine) -> Episode:
        """The episode as a record."""
        arm, task = self._arm, self.task
        return Episode(
            episode_id=short_hash(task.task_id, arm.name, arm.agent.name, arm.seed, arm.attempt),
            task_id=task.task_id,
            env=task.env,
            agent=arm.agent.name,
            arm=arm.name,
            attempt=arm.attempt,
            seed=arm.seed,
            model=engine.model,
            adapter=engine.adapter,
            # What a server picks is no more certain to come again than what it plays.
            deterministic=engine.deterministic and not any(hint.picked for hint in self.hints),
            hints=self.hints,
            messages=self.messages,
            steps=self.steps,
            success=int(self.stop_reason == "success"),
            reward=self.reward,
            n_steps=len(self.steps),
            n_turns=len(self.turns),
            n_invalid=self.n_invalid,
            stop_reason=self.stop_reason,
            tokens_prompt=sum(turn.tokens_prompt for turn in self.turns),
            tokens_prompt_new=sum(turn.tokens_prompt_new for turn in self.turns),
            tokens_completion=sum(turn.tokens_completion for turn in self.turns),
        )


class _RolloutProgress:
    """Logs how far an arm is: episodes done, successes, tokens a second, time left."""

    def __init__(self, arm: str, episodes: int) -> None:
        self._arm, self._episodes = arm, episodes
        self._start = self._said = time.monotonic()
        self._tokens = self._done = self._solved = self._resumed = 0

    def cohort(self, episodes: Sequence[Episode], *, resumed: bool) -> None:
        """A cohort is finished; `resumed` if an earlier run has played it."""
        self._done += len(episodes)
        self._solved += sum(episode.success for episode in episodes)
        if resumed:
            self._resumed += len(episodes)
        else:
            self._say(f"{self._done} of {self._episodes} episodes, {self._solved} solved")

    def turn(self, turns: Sequence[Turn]) -> None:
        """All running episodes have taken a turn."""
        self._tokens += sum(turn.tokens_completion for turn in turns)
        if time.monotonic() - self._said > SECONDS_BETWEEN_LINES:
            self._say(f"{self._done} of {self._episodes} episodes done, {len(turns)} running")

    def _say(self, what: str) -> None:
        self._said = time.monotonic()
        seconds = self._said - self._start
        fresh = self._done - self._resumed
        left = f", {(self._episodes - self._done) * seconds / fresh:.0f} s left" if fresh else ""
        log.info("%s: %s, %.0f tokens/s%s", self._arm, what, self._tokens / seconds, left)


def play_cohort(
    tasks: Sequence[Task],
    envs: Environments,
    engine: Engine,
    arm: ArmSetup,
    on_turn: Callable[[Sequence[Turn]], None] = lambda turns: None,
) -> list[Episode]:
    """Play one episode a task, all at once; `on_turn` is told the turns of each round."""
    engine.start()
    firsts = envs.reset(dict(enumerate(tasks)))
    starts = [(task, firsts[i]) for i, task in enumerate(tasks)]
    hints = arm.hints.retrieve(starts)
    episodes = [
        _RunningEpisode(*start, refs, arm) for start, refs in zip(starts, hints, strict=True)
    ]
    while True:
        for episode in episodes:
            if not episode.stop_reason and engine.is_full(episode.messages):
                episode.stop_reason = "context_full"
        running = [(i, e) for i, e in enumerate(episodes) if not e.stop_reason]
        if not running:
            envs.reset({})  # the games give back what they hold
            return [episode.end(engine) for episode in episodes]
        turns = engine.generate([Request(i, e.messages) for i, e in running])
        taken = {i: e.take(turn) for (i, e), turn in zip(running, turns, strict=True)}
        actions = {i: action for i, action in taken.items() if action is not None}
        for i, outcome in envs.step(actions).items():
            episodes[i].see(actions[i], outcome)
        on_turn([turn for turn in turns if turn is not None])


def play(
    tasks: list[Task], envs: Environments, engine: Engine, arm: ArmSetup, cohort: int, folder: Path
) -> list[Episode]:
    """Play all tasks in cohorts, by task_id; a cohort that `folder` has is not played again."""
    ordered = sorted(tasks, key=lambda task: task.task_id)
    progress = _RolloutProgress(arm.name, len(ordered))
    played: list[Episode] = []
    for first in range(0, len(ordered), cohort):
        path = folder / f"cohort-{first:05d}.jsonl"
        resumed = path.is_file()
        if resumed:
            episodes = read_jsonl(path, Episode)
        else:
            group = ordered[first : first + cohort]
            episodes = play_cohort(group, envs, engine, arm, progress.turn)
            write_jsonl(path, episodes)
        progress.cohort(episodes, resumed=resumed)
        played += episodes
    return played
