"""Makes the client of the server that environment variables name, as block `llm` says."""

from hintdistill.core.params import StageParams
from hintdistill.llm.server.client import Server, ServerParams


class ServerBlock(StageParams):
    """Block `llm`. No stage declares it, so that a raised cap makes no finished stage run again."""

    llm: ServerParams


def make_server(caller: str) -> Server:
    """The server, asked by the stage `caller`; a UserError where a key or variable is wrong."""
    return Server(ServerBlock.read().llm, caller)
