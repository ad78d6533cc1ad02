"""One process of a training; the first of several writes metrics and weights."""

import logging
import os
import sys
from pathlib import Path
from threading import Thread

from hintdistill.core.errors import UserError
from hintdistill.core.logs import show_logs
from hintdistill.training.sft.export import empty_folder, save_model
from hintdistill.training.sft.launch import JOB, TRAINED, Job
from hintdistill.training.sft.live import loss_logger, open_live
from hintdistill.training.sft.trainer import OnLoss, Trained, fine_tune

log = logging.getLogger(__name__)


def work(job: Job, folder: Path) -> None:
    """Train as the job says; see `launch.train`."""
    for method in ("FSDP", "DEEPSPEED"):
        if os.environ.get(f"ACCELERATE_USE_{method}") == "true":
            raise UserError(
                f"params.yaml, launcher: expected processes that each hold the whole model, got "
                f"{method}, which shards it: weights would be saved in part. Leave it out."
            )

    def run(on_loss: OnLoss) -> Trained:
        return fine_tune(
            job.base,
            job.conversations,
            job.params,
            job.template_kwargs,
            folder,
            job.method,
            on_loss,
        )

    if os.environ.get("RANK", "0") != "0":  # launchers number their processes so
        run(lambda *_: None)
        return
    with open_live(job.live) as live:
        trained = run(loss_logger(live))
        live.summary |= trained.figures
    log.info("%s", trained.figures)
    if job.method == "lora":
        empty_folder(folder / TRAINED)
        trained.model.save_pretrained(folder / TRAINED)
    else:
        save_model(trained.model, folder / TRAINED)


def _end_with_the_stage() -> None:
    """End this process once the stage has ended, which holds its standard input open."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def main() -> None:
    Thread(target=_end_with_the_stage, daemon=True).start()
    show_logs()
    folder = Path(sys.argv[1])
    try:
        work(Job.model_validate_json((folder / JOB).read_text(encoding="utf-8")), folder)
    except UserError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()
