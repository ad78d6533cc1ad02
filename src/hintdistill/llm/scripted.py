"""An engine that replays given turns; for tests and for trying out a protocol."""

from collections.abc import Callable

from hintdistill.llm.engine import Request, Turn
from hintdistill.records import Message, Model


class ScriptedEngine:
    """Answers each request with `policy(messages)`; a token is a word here."""

    model = Model(name="scripted", sha256="0" * 64)
    adapter = None
    deterministic = True

    def __init__(self, policy: Callable[[list[Message]], str]) -> None:
        self.policy = policy
        self._seen: dict[int, int] = {}

    def start(self) -> None:
        self._seen.clear()

    def is_full(self, messages: list[Message]) -> bool:
        return False

    def generate(self, requests: list[Request]) -> list[Turn]:
        turns = []
        for slot, messages in requests:
            text = self.policy(messages)
            prompt = sum(len(message.content.split()) for message in messages)
            completion = len(text.split())
            turns.append(Turn(text, True, prompt, prompt - self._seen.get(slot, 0), completion))
            self._seen[slot] = prompt + completion
        return turns
