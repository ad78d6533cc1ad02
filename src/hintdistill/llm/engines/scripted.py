"""An engine without a model: for tests, and for trying out an environment or a protocol."""

import json
import re
from collections.abc import Callable

from hintdistill.core.errors import UserError
from hintdistill.core.files import file_sha256
from hintdistill.core.records import Message, Model, Sha256
from hintdistill.llm.engine import EngineSetup, Request, Turn

SCRIPT = "script.json"
UNNAMED = Model(name="scripted", sha256="0" * 64)


class ScriptedEngine:
    """Answers each request with `policy(messages)`; a token is a word here."""

    model = UNNAMED
    adapter: Sha256 | None = None
    deterministic = True

    def __init__(self, policy: Callable[[list[Message]], str], model: Model = UNNAMED) -> None:
        self.policy, self.model = policy, model
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


def open_engine(setup: EngineSetup) -> ScriptedEngine:
    """An engine that follows script.json in the model's folder, a list of pairs.

    The first pair counts whose regular expression the conversation has; its other half is said.
    """
    path = setup.folder / SCRIPT
    try:
        rules = [(re.compile(when), str(say)) for when, say in json.loads(path.read_text())]
    except (OSError, ValueError, TypeError, re.error) as error:
        raise UserError(
            f'{path}: expected pairs, as in [["dirty", "clean it"], ["", "look"]]: {error}'
        ) from None

    def policy(messages: list[Message]) -> str:
        text = "\n".join(message.content for message in messages)
        return next((say for when, say in rules if when.search(text)), "")

    return ScriptedEngine(policy, Model(name=setup.folder.name, sha256=file_sha256(path)))
