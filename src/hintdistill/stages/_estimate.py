"""How long the next `dvc repro report` will take on this machine, before it starts."""

import functools
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from hintdistill.errors import UserError
from hintdistill.params import read_params
from hintdistill.stages._graph import leading_to_report
from hintdistill.stages._timing import noted, pipeline_place, table, work


class Reference(NamedTuple):
    """What a stage took on the reference machine."""

    seconds: float  # for one unit of its work
    model: bool  # whether the time goes into matrix products, so that it scales with their speed


# The reference machine: 2 cores of an Intel Xeon with AVX512, and its `matmul_speed(2)`.
REFERENCE_GFLOPS = 360.0
# Seconds for a unit of `work` there, in the order of the pipeline, from a run of profile cpu
# (565,025 tokens learnt in 2,198 s; 120 episodes of at most 30 steps played in 133 s).
REFERENCE = {
    "panel": Reference(0.12, model=False),
    "base": Reference(15, model=False),
    "demos": Reference(0.12, model=False),
    "warmstart": Reference(1 / 250, model=True),
    "failures": Reference(0.038, model=True),
    "hints": Reference(10, model=False),
    "teacher": Reference(0.038, model=True),
    "strip": Reference(10, model=False),
    "train": Reference(1 / 250, model=True),
    "base_eval": Reference(0.042, model=True),
    "prompt_eval": Reference(0.042, model=True),
    "student_eval": Reference(0.045, model=True),
    "figures": Reference(10, model=False),
    "report": Reference(10, model=False),
}


def stale_stages() -> list[str]:
    """Stages that `dvc repro report` would run: the changed ones, and all that come after them.

    Raises:
        UserError: DVC can't tell, for example because it is running.
    """
    import networkx
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        repo = Repo()
        changed = repo.status()
        graph = repo.index.graph  # its edges lead from a stage to those it depends on
    except DvcException as error:
        raise UserError(
            f"estimate: expected `dvc status` to tell what is stale: {error}. Run from the "
            "repository's root, while no other dvc command runs."
        ) from error
    stale = {stage for stage in graph if stage.addressing in changed}
    for stage in list(stale):
        stale |= networkx.ancestors(graph, stage)
    return sorted((s.addressing for s in stale & leading_to_report(graph)), key=pipeline_place)


def matmul_speed(threads: int) -> float:
    """Speed of float32 matrix products, in GFLOP/s: the fastest of a second's.

    Float32 is what the profiles for CPUs train and play in.

    The fastest, so that what else runs for a moment on the machine doesn't count.
    """
    import torch

    torch.set_num_threads(threads)
    n = 1024
    matrix = torch.rand(n, n)
    fastest = float("inf")
    end = time.perf_counter() + 1
    while (start := time.perf_counter()) < end:
        matrix @ matrix
        fastest = min(fastest, time.perf_counter() - start)
    return 2 * n**3 / fastest / 1e9


class Estimate(NamedTuple):
    stage: str
    seconds: float
    source: str  # what it is based on


def estimate(stages: Iterable[str], speed: Callable[[], float]) -> list[Estimate]:
    """What stages will take: by their own last times here, otherwise by the reference machine's.

    Args:
        speed: gives this machine's `matmul_speed`; called only if a stage needs it.
    """
    own = noted()
    speed = functools.cache(speed)
    estimates = []
    for stage in stages:
        todo = work(stage)
        if stage in own and not own[stage].resumed:
            seconds = own[stage].seconds * todo / own[stage].work
            estimates.append(Estimate(stage, seconds, "timed here"))
        else:
            reference = REFERENCE[stage.partition("@")[0]]
            factor = REFERENCE_GFLOPS / speed() if reference.model else 1
            estimates.append(Estimate(stage, reference.seconds * todo * factor, "reference"))
    return estimates


def in_words(seconds: float) -> str:
    """ "40 seconds", "95 minutes", "7.5 hours": as precise as an estimate is."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 3 * 3600 else f"{seconds / 3600:.1f} hours"


def estimate_text() -> str:
    """The estimate for the next `dvc repro report`, as it is shown."""
    stages = stale_stages()
    if not stages:
        return "Everything is up to date; nothing will run."
    threads = read_params()["rollout"]["threads"]
    rows = estimate(stages, lambda: matmul_speed(threads))
    total = in_words(sum(row.seconds for row in rows))
    return f"{table(rows)}\nTo run: {len(stages)} stages, about {total} on this machine."
