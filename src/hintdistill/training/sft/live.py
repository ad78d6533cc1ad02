"""A training as DVCLive shows it meanwhile: in `dvc plots`, the VS Code extension, Studio."""

from collections.abc import Callable
from pathlib import Path

from dvclive.live import Live


def open_live(folder: Path) -> Live:
    """A log in `folder`: metrics.json, and plots/metrics/loss.tsv once a loss is logged.

    dvc.yaml says what is versioned, and `dvc exp` saves experiments: DVCLive does neither.
    """
    return Live(str(folder), save_dvc_exp=False, dvcyaml=None)


def loss_logger(live: Live) -> Callable[[int, float], None]:
    """Logs the mean loss a target token of an optimiser step."""

    def log_loss(step: int, loss: float) -> None:
        live.step = step
        live.log_metric("loss", round(loss, 6))

    return log_loss
