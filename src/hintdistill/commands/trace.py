"""Traces an episode, a hint or an adapter: where it came from, and what used it.

Back to the panel's tasks, forward to the metrics, from the run that is in this folder.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import click

from hintdistill.commands.shared.graph import LOCK, read_lock
from hintdistill.commands.shared.shell import git
from hintdistill.core.cell import BankParams, Cell
from hintdistill.core.errors import UserError
from hintdistill.core.files import read_jsonl
from hintdistill.core.params import StageParams
from hintdistill.core.records import SPLITS, Episode, Hint, Task, TrainingRow
from hintdistill.evaluation.arms import ARMS, STUDENTS
from hintdistill.evaluation.variants import flat_params
from hintdistill.llm.model.weights import adapter_identity

SHOWN = 5  # of a list of ids
# Files of episodes below a cell's folder, each named for the stage or the arm that played them.
EPISODES = ["demos.jsonl", "failures.jsonl", "teacher.jsonl", *(f"eval/{a}.jsonl" for a in ARMS)]


class TraceParams(StageParams):
    envs: list[str]
    agents: list[str]
    hints: BankParams


def _read_bank(path: Path) -> dict[str, Hint]:
    return {h.hint_id: h for h in read_jsonl(path, Hint)} if path.is_file() else {}


class _Run:
    """All that one environment and agent have played and made, read when it is asked for."""

    def __init__(self, cell: Cell, bank: Path) -> None:
        self.cell, self.bank = cell, bank  # the bank may be another agent's

    @cached_property
    def tasks(self) -> dict[str, Task]:
        return self.cell.read_tasks()

    @cached_property
    def episodes(self) -> dict[str, list[Episode]]:
        """Episodes by file; what is absent is left out."""
        paths = {name: self.cell.data / name for name in EPISODES}
        return {name: read_jsonl(path, Episode) for name, path in paths.items() if path.is_file()}

    @cached_property
    def hints(self) -> dict[str, Hint]:
        """Hints of its own failures."""
        return _read_bank(self.cell.hints)

    @cached_property
    def given(self) -> dict[str, Hint]:
        """Hints of the bank that its prompts are given."""
        return _read_bank(self.bank)

    @cached_property
    def rows(self) -> dict[str, list[TrainingRow]]:
        """Training rows by student."""
        paths = {arm: self.cell.rows(arm) for arm in STUDENTS}
        return {arm: read_jsonl(p, TrainingRow) for arm, p in paths.items() if p.is_file()}


def trace_text(name: str) -> str:
    """The lineage of an episode or a hint by its id, or of an adapter by its folder, in lines."""
    params = TraceParams.read()
    cells = [Cell(env, agent) for env in params.envs for agent in params.agents]
    runs = [_Run(c, params.hints.path(c)) for c in cells if c.failures.is_file()]
    # Two agents' banks may hold the same hint.
    found = [line for run in runs for line in _lines_of(run, name, runs)]
    if found:
        last = git("log", "-1", "--format=%h %s", "--", str(LOCK)).strip() or "none"
        changed = git("status", "--porcelain", "--", str(LOCK)).strip()
        said = "a run that is not committed; the last one that is" if changed else "committed in"
        return "\n".join([*found, f"run: {said}: {last}"])
    searched = ", ".join(run.cell.name for run in runs) or "none"
    raise UserError(
        f"trace: expected the id of an episode or a hint, or an adapter as in "
        f"`alfworld-react-distilled`, got {name!r}. Searched the runs in data/: {searched}. If it "
        "is another run's, `dvc exp apply` or `git checkout` that one, and `dvc checkout`."
    )


def _lines_of(run: _Run, name: str, runs: Sequence[_Run]) -> Iterator[str]:
    for file, episodes in run.episodes.items():
        for episode in episodes:
            if episode.episode_id == name:
                yield from _episode(run, file, episode)
    if name in run.hints:
        users = [user for user in runs if user.bank == run.cell.hints]
        yield from _hint(run, run.hints[name], users)
    for arm in STUDENTS:
        adapter = run.cell.adapter(arm)
        if adapter.is_dir() and name.rstrip("/") in (adapter.name, str(adapter)):
            yield from _adapter(run, arm)


def _few(ids: Sequence[str]) -> str:
    more = f", and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    return ", ".join(ids[:SHOWN]) + more


def _stage(stage: str) -> str:
    """The stage and the parameters that it read, as dvc.lock has them."""
    params = read_lock().get(stage, {}).get("params", {}).get("params.yaml", {})
    shown = ", ".join(f"{key}={value}" for key, value in sorted(flat_params(params).items()))
    return f"  by stage {stage}" + (f" with {shown}" if shown else ", which dvc.lock does not have")


def _tasks(run: _Run, ids: Iterable[str]) -> str:
    """The tasks behind something, in the panel."""
    found = sorted(set(ids))
    splits: Counter[str] = Counter(run.tasks[task].split for task in found)
    counts = ", ".join(f"{splits[split]} of {split}" for split in SPLITS if splits[split])
    return f"  from tasks ({counts}): {_few(found)}"


def _episode(run: _Run, file: str, episode: Episode) -> Iterator[str]:
    task = run.tasks[episode.task_id]
    yield f"episode {episode.episode_id}, in {run.cell.data / file}"
    cell, name = run.cell.name, Path(file).stem
    yield _stage(ARMS[name].address(cell) if file.startswith("eval/") else f"{name}@{cell}")
    won = "won" if episode.success else f"lost ({episode.stop_reason})"
    yield f"  arm {episode.arm}, {won}, {episode.n_turns} turns, reward {episode.reward:.2f}"
    yield f"  from task {task.task_id} of split {task.split}, type {task.type}: {task.instruction}"
    model = f"{episode.model.name}, weights {episode.model.sha256[:16]}"
    yield f"  played by {model}" + (f", adapter {episode.adapter[:16]}" if episode.adapter else "")
    for ref in episode.hints:
        known = run.given.get(ref.hint_id)
        source = f"learnt from {_few(known.source_episode_ids)}" if known else f"not in {run.bank}"
        yield f"  shown hint {ref.hint_id}, {source}: {ref.text}"
    if file == "failures.jsonl":
        for hint in run.hints.values():
            if episode.episode_id in hint.source_episode_ids:
                yield f"  -> hint {hint.hint_id}: {hint.text}"
    yield from _trained_on(run, {episode.episode_id})
    if file.startswith("eval/"):
        yield f"  -> metrics/summary.json: {run.cell.env}, {run.cell.agent}, {episode.arm}"


def _trained_on(run: _Run, episodes: set[str]) -> Iterator[str]:
    """The students that learn from these episodes."""
    for arm, rows in run.rows.items():
        mine = [row.row_id for row in rows if row.episode_id in episodes]
        if mine:
            yield f"  -> {len(mine)} rows of student {run.cell.adapter(arm).name}: {_few(mine)}"


def _hint(run: _Run, hint: Hint, users: Iterable[_Run]) -> Iterator[str]:
    """A hint of a run's failures, and what the runs that are given its bank did with it."""
    yield f"hint {hint.hint_id}, in {run.cell.hints}: {hint.text}"
    yield _stage(f"hints@{run.cell.name}")
    yield f"  for {hint.type}, written by {hint.writer}, said {hint.mentions} times"
    yield f"  after failed episodes: {_few(hint.source_episode_ids)}"
    yield _tasks(run, hint.source_task_ids)
    for user in users:
        taught: set[str] = set()
        for file, episodes in user.episodes.items():
            shown = [e for e in episodes if hint.hint_id in {ref.hint_id for ref in e.hints}]
            if shown:
                won = sum(e.success for e in shown)
                yield f"  -> shown in {len(shown)} episodes of {user.cell.data / file}, {won} won"
            if file == "teacher.jsonl":
                taught = {e.episode_id for e in shown}
        yield from _trained_on(user, taught)


def _adapter(run: _Run, arm: str) -> Iterator[str]:
    folder = run.cell.adapter(arm)
    sha256 = adapter_identity(folder) or ""
    yield f"adapter {folder}, weights {sha256[:16]}"
    yield _stage(f"train@{run.cell.name}-{arm}")
    rows = run.rows.get(arm, [])
    source = "failures.jsonl" if arm == "sft" else "teacher.jsonl"
    ids = {row.episode_id for row in rows}
    episodes = [e for e in run.episodes.get(source, []) if e.episode_id in ids]
    yield f"  on {len(rows)} rows, of {len(episodes)} episodes of {source}: {_few(sorted(ids))}"
    yield _tasks(run, (row.task_id for row in rows))
    hints = Counter(ref.hint_id for e in episodes for ref in e.hints)
    if hints:
        most = _few([hint for hint, _ in hints.most_common()])
        yield f"  their prompts had {len(hints)} hints, taken away: {most}"
    for model in sorted({f"{e.model.name}, weights {e.model.sha256[:16]}" for e in episodes}):
        yield f"  on top of {model}"
    for file, played in run.episodes.items():
        mine = [e for e in played if e.adapter == sha256]
        if mine:
            won = sum(e.success for e in mine)
            yield f"  -> {len(mine)} episodes of {file}, {won} won: metrics/summary.json, {arm}"


@click.command()
@click.argument("name")
def command(name: str) -> None:
    """Where NAME came from and what used it: an episode, a hint or an adapter."""
    click.echo(trace_text(name))
