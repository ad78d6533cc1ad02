"""Serves an environment over HTTP, for other agents."""

import click

from hintdistill.core.errors import UserError
from hintdistill.environments.common.registry import declaration_of


@click.command()
@click.argument("env")
@click.option("--source", default="generated", show_default=True, help="As in params.yaml.")
@click.option("--seed", default=0, show_default=True, help="Of what is generated.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=3000, show_default=True)
def command(env: str, source: str, seed: int, host: str, port: int) -> None:
    """Serve ENV over HTTP, for other agents; /docs describes it."""
    serve = getattr(declaration_of(env), "serve", None)
    if serve is None:
        raise UserError(
            f"serve: environment {env!r} can't be served: its folder declares no `serve`"
        )
    serve(source, seed, host, port)
