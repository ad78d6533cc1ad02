"""Shows the log lines of a process, without what libraries would print between them."""

import logging
import os
import warnings


def show_logs() -> None:
    """Show log lines as they come; bars and deprecations of the libraries would bury them."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # a line a request
    warnings.filterwarnings("ignore", category=FutureWarning)
    shown = logging.StreamHandler()
    shown.setLevel(logging.INFO)  # bm25s sets its own logger to DEBUG
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[shown])
