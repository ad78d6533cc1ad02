"""What `hintdistill variants` does: the table `variants` of params.yaml, as DVC experiments.

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
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from hintdistill.commands import dvc, git
from hintdistill.errors import UserError
from hintdistill.evaluation.publish import CODE
from hintdistill.llm.ledger import RUN
from hintdistill.params import PARAMS_FILE, read_params

log = logging.getLogger(__name__)

FOLDER = Path(".variants")
SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_BETWEEN_LINES = 60
GPUS = "CUDA_VISIBLE_DEVICES"
_NAME = re.compile(r"(?!workspace$)[a-z0-9][a-z0-9_-]*")  # DVC calls this folder so
Variants = dict[str, dict[str, Any]]


class Running(NamedTuple):
    """One variant's `dvc repro`, and the place that it holds."""

    name: str
    process: subprocess.Popen
    slot: int
    began: float


def read_variants(names: Sequence[str] = ()) -> Variants:
    """Table `variants` of params.yaml, or some of it: by name, keys such as `hints.k` and values.

    Raises:
        UserError: there is no such table or variant, or it changes a key that does not exist.
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


def _at(params: Mapping[str, Any], block: str) -> Mapping[str, Any]:
    """The block that a dotted name leads to; an empty one if there is none."""
    for part in block.split(".") if block else ():
        params = params.get(part, {}) if isinstance(params, Mapping) else {}
    return params if isinstance(params, Mapping) else {}


def _make_clone(name: str, changes: Mapping[str, Any], revision: str, cache: str) -> Path:
    """The variant's clone, at this revision and with its parameters."""
    clone, partial = FOLDER / name, FOLDER / f"{name}.partial"
    if not clone.is_dir():
        if partial.is_dir():  # a stop left it without this clone's caches
            shutil.rmtree(partial)
        git("clone", "-q", ".", str(partial))
        dvc("cache", "dir", "--local", cache, cwd=partial)
        Path(".cache").mkdir(exist_ok=True)
        (partial / ".cache").symlink_to(Path(".cache").resolve())
        partial.rename(clone)
    if git("rev-parse", "HEAD", cwd=clone).strip() != revision:
        git("fetch", "-q", "origin", cwd=clone)
        git("checkout", "-q", "-f", "--detach", revision, cwd=clone)
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1000
    params = yaml.load(PARAMS_FILE)
    for key, value in changes.items():
        block, _, last = key.rpartition(".")
        _at(params, block)[last] = value
    yaml.dump(params, clone / PARAMS_FILE)
    return clone


def _start(name: str, clone: Path, slot: int, jobs: int) -> Running:
    cores = sorted(os.sched_getaffinity(0))
    share = cores[slot::jobs] or cores
    # The stages of a clone run the clone's code, whatever is edited here meanwhile.
    env = {**os.environ, "PYTHONPATH": str((clone / "src").resolve()), RUN: name}
    gpus = [gpu for gpu in env.get(GPUS, "").split(",") if gpu]
    if gpus:
        env[GPUS] = gpus[slot % len(gpus)]
    with _log_of(name).open("a") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "dvc", "repro"], cwd=clone, env=env, stdout=output,
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


def _save(name: str) -> None:
    """Make the finished clone an experiment of this repository's."""
    clone = FOLDER / name
    # Figures of a cell that nobody has committed yet are new files to git.
    new = git("ls-files", "--others", "--exclude-standard", cwd=clone).splitlines()
    included = [word for path in new for word in ("--include-untracked", path)]
    dvc("exp", "save", "-f", "-n", name, *included, cwd=clone)
    dvc("exp", "push", "-f", "--no-cache", str(Path.cwd()), name, cwd=clone)


@contextmanager
def _stopped_at_the_end(running: list[Running]) -> Iterator[None]:
    """Whatever ends this process ends what it has started; only SIGKILL leaves it running."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        for one in running:  # not SIGINT, which jobs of a script in the background ignore
            os.killpg(one.process.pid, signal.SIGTERM)
        for one in running:
            one.process.wait()


def run_variants(names: Sequence[str], jobs: int) -> None:
    """Run this clone's own parameters, then variants, so many at once.

    Raises:
        UserError: the table is wrong, code has changes that are not committed, or a variant failed;
            the others have run then.
    """
    variants = read_variants(names)
    changed = git("status", "--porcelain", "--", *CODE).strip()
    if changed:
        raise UserError(
            f"variants run what is committed, and this differs from it: {changed}. Commit it, or "
            "stash it."
        )
    revision, cache = git("rev-parse", "HEAD").strip(), dvc("cache", "dir").strip()
    log.info("first what all variants share: dvc repro")
    if subprocess.run([sys.executable, "-m", "dvc", "repro"]).returncode:
        raise UserError("`dvc repro` failed, so no variant was started")
    waiting = list(variants)
    failed: list[str] = []
    running: list[Running] = []
    said = time.monotonic()
    with _stopped_at_the_end(running):
        while waiting or running:
            while waiting and len(running) < jobs:
                name = waiting.pop(0)
                clone = _make_clone(name, variants[name], revision, cache)
                slot = min(set(range(jobs)) - {one.slot for one in running})
                running.append(_start(name, clone, slot, jobs))
            time.sleep(SECONDS_BETWEEN_LOOKS)
            for one in [one for one in running if one.process.poll() is not None]:
                running.remove(one)
                minutes = (time.monotonic() - one.began) / 60
                try:
                    if one.process.returncode:
                        raise UserError(_last_line(one.name))
                    _save(one.name)
                    log.info("%s: done after %.0f min", one.name, minutes)
                except UserError as error:
                    failed.append(one.name)
                    log.error("%s: failed: %s", one.name, error)
            if time.monotonic() - said > SECONDS_BETWEEN_LINES:
                said = time.monotonic()
                for one in running:
                    log.info("%s: %s", one.name, _last_line(one.name))
    if failed:
        logs = ", ".join(str(_log_of(name)) for name in failed)
        raise UserError(f"variants that failed: {', '.join(failed)}. See {logs}; then run again.")
