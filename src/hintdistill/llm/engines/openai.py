"""The engine that asks an OpenAI-compatible server, which has the model and its adapters loaded."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from hintdistill.core.errors import UserError
from hintdistill.core.records import Message, Model
from hintdistill.llm.engine import EngineSetup, Request, Turn
from hintdistill.llm.model.weights import adapter_identity, model_identity, student_name
from hintdistill.llm.server.client import Server
from hintdistill.llm.server.completion import ChatRequest, Completion

# A server shows no weights, so episodes say only by which name they were asked for.
UNSEEN = "0" * 64


class OpenaiEngine:
    """Greedy decoding by a server; a student is asked for by a name that has its weights' hash.

    Episodes record OPENAI_MODEL as the model, without a hash, and the hash of the adapter's folder
    in this clone. The model folder's hash only keeps cached answers of replaced weights apart; that
    the server has loaded these is for whoever starts it to see to.
    """

    deterministic = False

    def __init__(
        self,
        folder: Path,
        adapter: Path | None,
        server: Server,
        *,
        max_new_tokens: int,
        seed: int,
        chat_template_kwargs: Mapping[str, Any],
    ) -> None:
        self.model = Model(name=server.model, sha256=UNSEEN)
        self.adapter = adapter_identity(adapter)
        self._weights = f"{model_identity(folder).sha256} {self.adapter}"
        self._folder, self._server = folder, server
        self._max_new_tokens, self._seed = max_new_tokens, seed
        self._chat_template_kwargs = chat_template_kwargs
        self._name = student_name(adapter) if adapter else None
        if adapter and self._name:
            server.require_student(self._name, adapter)
        else:
            server.look_for_model()

    def start(self) -> None:
        """Nothing: the server's cache outlives a cohort, and is the server's own."""

    def is_full(self, messages: list[Message]) -> bool:
        return False  # only the server can tell, when it is asked

    def generate(self, requests: list[Request]) -> list[Turn | None]:
        asked = [
            ChatRequest(
                self._as_taken(request.messages),
                max_tokens=self._max_new_tokens,
                seed=self._seed,
                model=self._name,
                weights=self._weights,
                chat_template_kwargs=self._chat_template_kwargs,
            )
            for request in requests
        ]
        answers = self._server.complete_all(asked)
        self._require_room(requests, answers)
        pairs = zip(requests, answers, strict=True)
        return [self._turn(r.messages, answer) if answer else None for r, answer in pairs]

    def _require_room(self, requests: list[Request], answers: list[Completion | None]) -> None:
        """Raises an error where no episode's first prompt fits: all of them would be lost."""
        firsts = [r for r in requests if not any(message.own for message in r.messages)]
        if firsts and len(firsts) == len(requests) and not any(answers):
            size = min(sum(len(m.content.encode()) for m in r.messages) for r in firsts)
            raise UserError(
                f"{self._server.name}: expected a context with room for an episode's first prompt "
                f"and an answer of {self._max_new_tokens} tokens, got a refusal for all "
                f"{len(firsts)}, of {size} bytes at least. Start the server with a longer context "
                "(docs/servers.md says how)."
            )

    def _turn(self, messages: list[Message], answer: Completion) -> Turn:
        prompt, completion = answer.tokens_prompt, answer.tokens_completion
        if not prompt:
            prompt = len(self._renderer.prompt(messages))
        if answer.text and not completion:
            ids = self._renderer.tokenizer.encode(answer.text, add_special_tokens=False)
            completion = len(ids) + answer.complete  # the token that ends a turn is one as well
        new = prompt - answer.tokens_prompt_cached
        return Turn(answer.text.strip(), answer.complete, prompt, new, completion)

    def _as_taken(self, messages: list[Message]) -> list[Message]:
        """The messages as the model's own chat template takes them, and so as students learn."""
        if not (self._folder / "tokenizer.json").is_file():
            return messages
        return self._renderer.with_system(messages)

    @cached_property
    def _renderer(self):
        """The renderer of the model's folder; imported only here, since it takes seconds."""
        from hintdistill.llm.model.chat import ChatRenderer

        return ChatRenderer.open(self._folder, self._chat_template_kwargs)


def open_engine(setup: EngineSetup) -> OpenaiEngine:
    return OpenaiEngine(
        setup.folder,
        setup.adapter,
        setup.make_server(),
        max_new_tokens=setup.max_new_tokens,
        seed=setup.seed,
        chat_template_kwargs=setup.chat_template_kwargs,
    )
