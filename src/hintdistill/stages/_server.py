"""The server of an OpenAI-compatible API, as params.yaml and the environment set it up."""

from hintdistill.llm.server import Server, ServerParams
from hintdistill.params import StageParams


class ServerBlock(StageParams):
    """How a server is asked. No stage declares it, as none can declare which server it is.

    So neither a raised cap nor another timeout makes a finished stage run again.
    """

    llm: ServerParams


def make_server(caller: str) -> Server:
    """The server that the environment names.

    Args:
        caller: whose calls these are, for the ledger: stage and cell.

    Raises:
        UserError: a key of block `llm` or an environment variable is missing or wrong.
    """
    return Server(ServerBlock.read().llm, caller)
