"""The engine that asks an OpenAI-compatible server, which has the model and its adapters loaded."""

from pathlib import Path

from hintdistill.core.records import Message, Model
from hintdistill.llm.engine import EngineSetup, Request, Turn
from hintdistill.llm.model.weights import adapter_identity, model_identity
from hintdistill.llm.server.client import Server
from hintdistill.llm.server.completion import ChatRequest, Completion

# A server shows no weights, so episodes say only by which name they were asked for.
UNSEEN = "0" * 64


def _turn(answer: Completion | None) -> Turn | None:
    if answer is None:
        return None
    new = answer.tokens_prompt - answer.tokens_prompt_cached
    tokens = (answer.tokens_prompt, new, answer.tokens_completion)
    return Turn(answer.text.strip(), answer.complete, *tokens)


class OpenaiEngine:
    """Greedy decoding by a server; a student is asked for by the name of its adapter's folder.

    Episodes record OPENAI_MODEL as the model, without a hash, and the hash of the adapter's folder
    in this clone: that the server has loaded these weights is for whoever starts it to see to.
    The model folder's hash only keeps cached answers of replaced weights apart.
    """

    deterministic = False

    def __init__(
        self, folder: Path, adapter: Path | None, server: Server, *, max_new_tokens: int, seed: int
    ) -> None:
        self.model = Model(name=server.model, sha256=UNSEEN)
        self.adapter = adapter_identity(adapter)
        self._weights = f"{model_identity(folder).sha256} {self.adapter}"
        self._name = adapter.name if adapter else None
        self._server = server
        self._max_new_tokens, self._seed = max_new_tokens, seed

    def start(self) -> None:
        """Nothing: the server's cache outlives a cohort, and is the server's own."""

    def is_full(self, messages: list[Message]) -> bool:
        return False  # only the server can tell, when it is asked

    def generate(self, requests: list[Request]) -> list[Turn | None]:
        asked = [
            ChatRequest(
                request.messages,
                max_tokens=self._max_new_tokens,
                seed=self._seed,
                model=self._name,
                weights=self._weights,
            )
            for request in requests
        ]
        return [_turn(answer) for answer in self._server.complete_all(asked)]


def open_engine(setup: EngineSetup) -> OpenaiEngine:
    return OpenaiEngine(
        setup.folder,
        setup.adapter,
        setup.make_server(),
        max_new_tokens=setup.max_new_tokens,
        seed=setup.seed,
    )
