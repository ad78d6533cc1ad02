"""Starts a training: in this process, or in several that a launcher as `accelerate launch` starts.

    accelerate launch --num_processes 2 -m hintdistill.training.sft.worker FOLDER

The stage writes the job into the folder; each process reads it there, and the first one writes what
comes of it.
"""

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any, Literal

from hintdistill.core.errors import UserError
from hintdistill.core.files import write_text
from hintdistill.core.records import Message
from hintdistill.core.settings import Settings
from hintdistill.training.sft.rows import SftParams

JOB, TRAINED = "job.json", "trained"


class Job(Settings):
    """One training. All weights are trained by method `full`; `live` is its metrics' folder."""

    base: Path
    conversations: list[list[Message]]
    params: SftParams
    template_kwargs: dict[str, Any]
    method: Literal["lora", "full"]
    live: Path


def train(job: Job, folder: Path) -> dict[str, Any]:
    """Train, and return the metrics: the last loss, steps and what was trained on.

    Weights go to TRAINED in the folder, a PEFT adapter or a whole model. An earlier run's progress
    there is continued.
    """
    if job.params.launcher:
        _launch(job, folder)
    else:
        from hintdistill.training.sft.worker import work  # it imports torch

        work(job, folder)
    return json.loads((job.live / "metrics.json").read_text(encoding="utf-8"))


def _launch(job: Job, folder: Path) -> None:
    write_text(folder / JOB, job.model_dump_json())
    launcher = shlex.split(job.params.launcher)
    command = [*launcher, "-m", "hintdistill.training.sft.worker", str(folder)]
    try:
        # The pipe is never written to: it closes when this process ends, be it killed.
        process = subprocess.Popen(command, stdin=subprocess.PIPE)
    except FileNotFoundError:
        raise UserError(
            f"params.yaml, launcher: expected a command on PATH, found no {launcher[0]!r}."
        ) from None
    with process:
        status = process.wait()
    if status:
        raise UserError(
            f"training: `{job.params.launcher}` ended with status {status}; the reason is above. "
            "Mend it and run again: finished optimiser steps are kept."
        )
