"""The console script: one command a stage, loaded only when it is called, and a few for people."""

import copy
import errno
import importlib
import json
import logging
import os
import pkgutil
import sys
import warnings
from pathlib import Path

import click

from hintdistill import stages
from hintdistill.errors import UserError
from hintdistill.stages._cell import cell_options
from hintdistill.stages._timing import timed, times_text


class StageGroup(click.Group):
    """Finds stages as modules of `hintdistill.stages`, each with a click command `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        names = [module.name for module in pkgutil.iter_modules(stages.__path__)]
        found = [name.replace("_", "-") for name in names if not name.startswith("_")]
        return sorted([*found, *self.commands])

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in self.commands or name not in self.list_commands(ctx):
            return self.commands.get(name)
        module = importlib.import_module(f"{stages.__name__}.{name.replace('-', '_')}")
        command = copy.copy(module.command)
        command.callback = timed(name.replace("-", "_"), command.callback)
        return command


@click.group(cls=StageGroup)
@click.version_option(package_name="hintdistill")
def cli() -> None:
    """Stages of the pipeline; `dvc repro` calls them in order."""


@cli.command()
@click.option("--name", required=True, help="Snapshot's name, as in `cpu`.")
def publish(name: str) -> None:
    """Snapshot the current results; no stage."""
    from hintdistill.evaluation import publish as publishing
    from hintdistill.stages._check import require_up_to_date

    require_up_to_date("publish")
    folder = publishing.publish(name)
    click.echo(f"published to {folder}")
    if not publishing.update_readme(name, Path("README.md")):
        click.echo(f"README.md has no marks for results:{name}, so no table of it")


@cli.command("keep-trial")
@click.option("--name", required=True, help="What was tried, as in `lora-r64`.")
@cell_options
@click.option("--chosen", is_flag=True, help="The profile has these settings.")
def keep_trial(name: str, env: str, agent: str, chosen: bool) -> None:
    """Keep the figures of arms played on split dev, for the report; no stage."""
    from hintdistill.stages import _trials

    click.echo(f"kept in {_trials.keep_trial(name, env, agent, chosen=chosen)}")


@cli.command()
@cell_options
@click.option(
    "--below", default=0.0, show_default=True, help="Difference in success, as in 0.05: 5 points."
)
def utility(env: str, agent: str, below: float) -> None:
    """What each hint is worth on split dev, and which are not worth BELOW; no stage."""
    from hintdistill.stages import _utility

    path, texts = _utility.write_utility(env, agent, below)
    click.echo(f"written to {path}")
    click.echo("to add to hints.prune in params.yaml:" if texts else "no hint to prune")
    for text in texts:
        click.echo(f"  - {json.dumps(text)}")


@cli.command()
def estimate() -> None:
    """Say how long the next `dvc repro report` will take; no stage."""
    from hintdistill.stages._estimate import estimate_text

    click.echo(estimate_text())


@cli.command()
@click.option("--no-remote", is_flag=True, help="Artifacts may be absent: what needs none of them.")
def check(no_remote: bool) -> None:
    """Fail if a stage is pending, or an artifact is stored nowhere; no stage."""
    from hintdistill.stages._check import find_problems

    problems = find_problems(remote=not no_remote)
    for problem in problems:
        click.echo(str(problem))
    if problems:
        raise UserError(f"{len(problems)} problems in {len({p.stage for p in problems})} stages")
    click.echo("every stage is up to date" + ("" if no_remote else ", every artifact is stored"))


@cli.command()
@click.argument("names", nargs=-1)
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="At once.")
def variants(names: tuple[str, ...], jobs: int) -> None:
    """Run table `variants` of params.yaml, or NAMES of it, as DVC experiments; no stage."""
    from hintdistill.stages._variants import run_variants

    run_variants(names, jobs)


@cli.command()
@click.argument("names", nargs=-1)
def compare(names: tuple[str, ...]) -> None:
    """This run against experiments, all or NAMES, on one page: metrics/variants.md; no stage."""
    from hintdistill.stages._check import require_up_to_date
    from hintdistill.stages._compare import write_comparison

    require_up_to_date("compare")
    click.echo(f"written: {write_comparison(names)}")


@cli.command()
@click.argument("name")
def trace(name: str) -> None:
    """Where NAME came from and what used it: an episode, a hint or an adapter; no stage."""
    from hintdistill.stages._trace import trace_text

    click.echo(trace_text(name))


@cli.command()
def times() -> None:
    """Show how long each stage took when it last ran here; no stage."""
    click.echo(times_text())


@cli.command()
def sizes() -> None:
    """Show what each stage's artifacts take in the cache; no stage."""
    from hintdistill.stages._lock import sizes_text

    click.echo(sizes_text())


@cli.command()
def spent() -> None:
    """Show what each stage has used of an LLM server, in tokens and money; no stage."""
    from hintdistill.llm.ledger import spent_text

    click.echo(spent_text())


@cli.command("price-hints")
@cell_options
def price_hints(env: str, agent: str) -> None:
    """Say what hint writer `extract` would cost for the failures at hand; no stage."""
    from hintdistill.stages._price import price_hints_text

    click.echo(price_hints_text(env, agent))


@cli.command("compare-engines")
@cell_options
def compare_engines(env: str, agent: str) -> None:
    """Speed and agreement of both engines, to metrics/engines.json; no stage."""
    from hintdistill.stages import _engines

    click.echo(json.dumps(_engines.compare_engines(env, agent), indent=2))


@cli.command()
@cell_options
@click.option("--folder", required=True, type=click.Path(path_type=Path), help="Where to.")
def gguf(env: str, agent: str, folder: Path) -> None:
    """Write model and students as GGUF files, for a llama.cpp server; no stage."""
    from hintdistill.stages import _gguf

    for path in _gguf.write_gguf_files(env, agent, folder):
        click.echo(path)


@cli.command()
@cell_options
def examples(env: str, agent: str) -> None:
    """Write own in-context examples to prompts/, for `protocol.examples`; no stage."""
    from hintdistill.stages import _examples

    click.echo(f"written: {_examples.write_examples(env, agent)}")


@cli.group()
def webshop() -> None:
    """The WebShop environment for other agents; no stage."""


@webshop.command()
@click.option("--source", default="generated", show_default=True, help="As `webshop.source`.")
@click.option("--seed", default=0, show_default=True, help="Of the generated products, and prices.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=3000, show_default=True)
def serve(source: str, seed: int, host: str, port: int) -> None:
    """Serve WebShop over HTTP; /docs describes it."""
    import uvicorn

    from hintdistill.tasks.webshop.server import create_app
    from hintdistill.tasks.webshop_panel import read_source

    catalogue, goals = read_source(source, seed)
    click.echo(f"{len(catalogue)} products, {len(goals)} goals: http://{host}:{port}/docs")
    uvicorn.run(create_app(catalogue, goals), host=host, port=port, log_level="warning")


@webshop.command()
@click.option("--source", default="generated", show_default=True, help="As `webshop.source`.")
@click.option("--copies", type=click.IntRange(1), default=1, show_default=True, help="Of each.")
def measure(source: str, copies: int) -> None:
    """Speed and memory of the shop: metrics/webshop_engine_{products}.json."""
    from hintdistill.stages._shop_speed import measure_shop

    for name, value in measure_shop(source, seed=0, copies=copies).items():
        click.echo(f"{name}: {value}")


@cli.command()
@click.argument("env")
@click.option("--task", default=0, show_default=True, help="Which one, from 0.")
@click.option("--hints", is_flag=True, help="Show what the scripted player would be told.")
def play(env: str, task: int, hints: bool) -> None:
    """Play a task of ENV (alfworld or webshop) by hand; no stage."""
    from hintdistill.stages._by_hand import play_by_hand

    play_by_hand(env, task, hints)


def _tells_of_a_full_disk(error: Exception) -> bool:
    """Safetensors and torch raise errors of their own, and of torch's writer one knows no more."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return any(words in str(error) for words in ("No space left on device", "inline_container.cc"))


def _run_the_folders_code() -> None:
    """Start again with the code of the clone that this is called in, where it is another one's.

    DVC's queue runs an experiment in a clone of its own, whose `hintdistill` is the one on PATH.
    """
    source = Path("src").resolve()
    package = Path(__file__).resolve().parent
    path = os.environ.get("PYTHONPATH", "")
    known = path.split(os.pathsep)[0] == str(source)
    if known or not (source / package.name / "cli.py").is_file() or package.parent == source:
        return
    os.environ["PYTHONPATH"] = f"{source}{os.pathsep}{path}" if path else str(source)
    os.execv(sys.executable, [sys.executable, *sys.argv])


def main() -> None:
    _run_the_folders_code()
    # Stages log lines of their own; bars and deprecations of the libraries would bury them.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # a line a request
    warnings.filterwarnings("ignore", category=FutureWarning)
    shown = logging.StreamHandler()
    shown.setLevel(logging.INFO)  # bm25s sets its own logger to DEBUG
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[shown])
    try:
        cli()
    except UserError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except Exception as error:
        if not _tells_of_a_full_disk(error):
            raise
        what = getattr(error, "filename", None) or "a file"
        click.echo(
            f"Error: {what}: expected space for it, but the disk is full. "
            "Free some, then run again: finished episodes and optimiser steps are kept.",
            err=True,
        )
        sys.exit(1)
