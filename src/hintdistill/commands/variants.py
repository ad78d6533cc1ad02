"""Runs the table `variants` of params.yaml as DVC experiments.

A variant runs in a clone of its own in `.variants/`, which stays: a stopped one goes on where it
was. All clones have this one's DVC cache, so that what they share runs once, and its `.cache/`. A
finished variant is saved as an experiment of this clone's.
"""

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import click

from hintdistill.commands.publish import CODE
from hintdistill.commands.shared.graph import LOCK, git_outs
from hintdistill.commands.shared.shell import dvc, git, git_path
from hintdistill.core.errors import UserError
from hintdistill.core.params import PARAMS_FILE, read_params
from hintdistill.llm.server.ledger import RUN, WORKSPACE
from hintdistill.llm.server.signals import handled

log = logging.getLogger(__name__)

FOLDER = Path(".variants")
SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_BETWEEN_LINES = 60
GPUS = "CUDA_VISIBLE_DEVICES"
_NAME = re.compile(r"(?!workspace$)[a-z0-9][a-z0-9_-]*")  # DVC calls this folder so


class Running(NamedTuple):
    """One variant's `dvc repro`, and the place that it holds."""

    name: str
    process: subprocess.Popen
    slot: int
    began: float


def read_variants(names: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Table `variants` of params.yaml, or some of it: by name, keys such as `hints.k` and values.

    A UserError where there is no such table or variant, or it changes a key that does not exist.
    """
    params = read_params()
    table = params.get("variants")
    if not isinstance(table, dict) or not table:
        raise UserError(f"{PARAMS_FILE}: expected a table `variants`, as in `k1: {{hints.k: 1}}`")
    for name, changes in table.items():
        where = f"{PARAMS_FILE}, variants.{name}"
        if not _NAME.fullmatch(str(name)) or not isinstance(changes, dict) or not changes:
            raise UserError(
                f"{where}: expected `name: {{block.key: value}}`, named in a-z, 0-9, - and _, "
                f"but not `workspace`, got {changes!r:.80}"
            )
        for key in changes:
            block, _, last = str(key).rpartition(".")
            if last not in _at(params, block):
                raise UserError(f"{where}: there is no parameter {key!r}")
    unknown = sorted(set(names) - set(table))
    if unknown:
        raise UserError(f"{PARAMS_FILE}, variants: expected some of {list(table)}, got {unknown}")
    return {name: table[name] for name in names or table}


def _at(params: dict[str, Any], block: str) -> dict[str, Any]:
    """The block that a dotted name leads to; an empty one if there is none."""
    for part in block.split(".") if block else ():
        params = params.get(part, {}) if isinstance(params, dict) else {}
    return params if isinstance(params, dict) else {}


def clone_of(name: str) -> Path:
    """A variant's folder: its clone, or where this one is a folder of a repository, that one."""
    return FOLDER / name / git_path("--show-prefix")


def _make_clone(name: str, changes: Mapping[str, Any], *, revision: str, params: str) -> Path:
    """A clone of this folder's revision, with its DVC cache, for a variant of its params.yaml."""
    from ruamel.yaml import YAML

    clone, partial = clone_of(name), clone_of(f"{name}.partial")
    if not clone.is_dir():
        if (whole := FOLDER / f"{name}.partial").is_dir():  # a stop left it without these caches
            shutil.rmtree(whole)
        git("clone", "-q", git_path("--show-toplevel"), str(whole))
        _share_dvc_cache(partial)
        Path(".cache").mkdir(exist_ok=True)
        (partial / ".cache").symlink_to(Path(".cache").resolve())
        _give_results(partial)
        whole.rename(FOLDER / name)
    if git("rev-parse", "HEAD", cwd=clone).strip() != revision:
        git("fetch", "-q", "origin", cwd=clone)
        git("checkout", "-q", "-f", "--detach", revision, cwd=clone)
        _give_results(clone)
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1000
    content = yaml.load(params)
    for key, value in changes.items():
        block, _, last = key.rpartition(".")
        _at(content, block)[last] = value
    yaml.dump(content, clone / PARAMS_FILE)
    return clone


def _share_dvc_cache(clone: Path) -> None:
    """Let a clone use this folder's DVC cache; DVC itself can't write a path beyond ASCII."""
    from dvc.repo import Repo

    folder = Repo().cache.local_cache_dir
    quote = "'" if '"' in folder else '"'
    config = clone / ".dvc/config.local"
    config.write_text(f"[cache]\n    dir = {quote}{folder}{quote}\n", encoding="utf-8")


def _give_results(clone: Path) -> None:
    """Copy this folder's run to a clone, so that only what its parameters change runs there.

    DVC's run cache is not enough: a stage with a figure that DVC leaves to git is not restored
    where that figure is in no cache, as after a pull.
    """
    for path in [LOCK, *map(Path, git_outs())]:
        if path.is_file():
            (clone / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, clone / path)
    dvc("checkout", "-q", "-f", "--allow-missing", cwd=clone)


def _start(name: str, folder: Path, slot: int, jobs: int) -> Running:
    """`dvc repro` in a folder, as that run, with the slot's share of cores and GPUs."""
    cores = sorted(os.sched_getaffinity(0))
    share = cores[slot::jobs] or cores
    env = {**os.environ, RUN: name}
    gpus = [gpu for gpu in env.get(GPUS, "").split(",") if gpu]
    if gpus:
        env[GPUS] = gpus[slot % len(gpus)]
    with _log_of(name).open("a") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "dvc", "repro", "report"], cwd=folder, env=env, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, share),
        )  # fmt: skip
    log.info("%s: started, log: %s", name, _log_of(name))
    return Running(name, process, slot, time.monotonic())


def _log_of(name: str) -> Path:
    return FOLDER / f"{name}.log"


def _last_line(name: str) -> str:
    lines = _log_of(name).read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line for line in reversed(lines) if line.strip()), "")


@contextmanager
def _stopped_at_the_end(running: list[Running]) -> Iterator[None]:
    """Whatever ends this process ends what it has started; only SIGKILL leaves it running."""

    def stop(number: int) -> None:
        raise KeyboardInterrupt

    try:
        with handled((signal.SIGTERM, signal.SIGHUP), stop):
            yield
    finally:
        for one in running:  # not SIGINT, which jobs of a script in the background ignore
            os.killpg(one.process.pid, signal.SIGTERM)
        for one in running:
            one.process.wait()
            # A stage of it may wait for answers that it has paid: until no process is left.
            with suppress(ProcessLookupError):
                while True:
                    os.killpg(one.process.pid, 0)
                    time.sleep(SECONDS_BETWEEN_LOOKS)


def _next_finished(running: list[Running]) -> Running:
    """Wait for one to end, and take it out; meanwhile say each minute how far they are."""
    said = time.monotonic()
    while True:
        for one in running:
            if one.process.poll() is not None:
                running.remove(one)
                return one
        time.sleep(SECONDS_BETWEEN_LOOKS)
        if time.monotonic() - said > SECONDS_BETWEEN_LINES:
            said = time.monotonic()
            for one in running:
                log.info("%s: %s", one.name, _last_line(one.name))


def _saved(finished: Running) -> bool:
    """Make a variant that has ended well an experiment of this clone; otherwise say why not."""
    name, clone = finished.name, clone_of(finished.name)
    try:
        if finished.process.returncode:
            raise UserError(_last_line(name))
        # Figures of a cell that nobody has committed yet are new files to git.
        new = git("ls-files", "-z", "--others", "--exclude-standard", cwd=clone).split("\0")
        included = [word for path in new if path for word in ("--include-untracked", path)]
        dvc("exp", "save", "-f", "-n", name, *included, cwd=clone)
        dvc("exp", "push", "-f", "--no-cache", git_path("--show-toplevel"), name, cwd=clone)
    except UserError as error:
        log.error("%s: failed: %s", name, error)
        return False
    log.info("%s: done after %.0f min", name, (time.monotonic() - finished.began) / 60)
    return True


def run_variants(names: Sequence[str], jobs: int) -> None:
    """Run this clone's own parameters, then variants, so many at once.

    A UserError where code has changes that are not committed, or a variant failed; the others have
    run then.
    """
    variants = read_variants(names)
    changed = git("status", "--porcelain", "--", *CODE).strip()
    if changed:
        raise UserError(
            f"variants run what is committed, and this differs from it: {changed}. Commit it, or "
            "stash it."
        )
    revision = git("rev-parse", "HEAD").strip()
    params = PARAMS_FILE.read_text(encoding="utf-8")  # now: it may be edited while they run
    FOLDER.mkdir(exist_ok=True)
    running: list[Running] = []
    with _stopped_at_the_end(running):
        log.info("first what all variants share: dvc repro")
        running.append(_start(WORKSPACE, Path(), 0, 1))
        if _next_finished(running).process.returncode:
            last = _last_line(WORKSPACE)
            raise UserError(f"`dvc repro` failed, so no variant was started: {last}")
        failed: list[str] = []
        waiting = list(variants.items())
        while waiting or running:
            while waiting and len(running) < jobs:
                name, changes = waiting.pop(0)
                clone = _make_clone(name, changes, revision=revision, params=params)
                slot = min(set(range(jobs)) - {one.slot for one in running})
                running.append(_start(name, clone, slot, jobs))
            finished = _next_finished(running)
            if not _saved(finished):
                failed.append(finished.name)
    if failed:
        logs = ", ".join(str(_log_of(name)) for name in failed)
        raise UserError(f"variants that failed: {', '.join(failed)}. See {logs}; then run again.")


@click.command()
@click.argument("names", nargs=-1)
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="At once.")
def command(names: tuple[str, ...], jobs: int) -> None:
    """Run table `variants` of params.yaml, or NAMES of it, as DVC experiments."""
    run_variants(names, jobs)
