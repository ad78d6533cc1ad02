"""The one client of OpenAI-compatible servers: vLLM, llama.cpp, Ollama, or a vendor.

It asks for many answers at once and gives them in order. What is in the response cache is not
asked for; what is asked for is first reserved in the ledger; what the server can't do for a while
(429, 5xx, a cut or slow connection) is asked for again until the deadline.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from hintdistill.core.errors import UserError
from hintdistill.core.records import content_sha256
from hintdistill.llm.server.answer import WrongAnswer, read_answer
from hintdistill.llm.server.cache import SCHEMA, ResponseCache, cache_folder
from hintdistill.llm.server.completion import ChatRequest, Completion, Refusable, most_tokens
from hintdistill.llm.server.connection import SECONDS_TO_CONNECT, Connection
from hintdistill.llm.server.cut_prompts import PromptWatch, cut_error
from hintdistill.llm.server.endpoint import URL, endpoint_from_environment
from hintdistill.llm.server.ledger import CapReached, Ledger, Prices
from hintdistill.llm.server.models import is_among, listed, missing_student, unlisted_model
from hintdistill.llm.server.patience import Patience
from hintdistill.llm.server.refusal import Again, Refusal, exception_of, is_full
from hintdistill.llm.server.signals import signals_wait

log = logging.getLogger(__name__)

Body = dict[str, Any]
T = TypeVar("T")


class ServerParams(Prices):
    """Block `llm` of params.yaml: how a server is asked. The environment says which one.

    `refuses` names fields of a request that the server won't take. They are left out; `max_tokens`
    is sent as `max_completion_tokens` then.
    """

    cap: NonNegativeFloat | None  # money that the clone's calls may cost together; null: any
    concurrency: PositiveInt  # requests at once
    timeout: PositiveFloat  # seconds for one attempt, to the answer's last byte
    refuses: list[Refusable]
    deadline: PositiveFloat  # seconds for one request, repeated attempts and pauses included

    @model_validator(mode="after")
    def _cap_has_prices(self) -> Self:
        if self.cap is not None and not (self.price_prompt and self.price_completion):
            raise ValueError("a cap needs llm.price_prompt and llm.price_completion above 0")
        return self


class Server:
    """Asks the server that the environment names; notes the calls as the stage's in the ledger.

    A UserError where a variable is missing or wrong, or cache or ledger can't be written.
    """

    def __init__(self, params: ServerParams, stage: str) -> None:
        self._params, self._stage = params, stage
        self._endpoint = endpoint_from_environment()
        self.model = self._endpoint.model
        self._cache = ResponseCache(cache_folder())
        self._ledger = Ledger()
        self._connection = Connection(self._endpoint)
        self._runner = asyncio.Runner()  # one event loop, so that connections stay open
        self._ending = asyncio.Event()  # no further attempt begins
        self._content_seen = False  # in any answer so far
        self._told: set[str] = set()  # warnings, each of which is given once
        self._watches: dict[str, PromptWatch] = defaultdict(PromptWatch)  # of each model
        self._under_way = 0  # calls that hold their worst case in the ledger
        self._call_ended = asyncio.Event()  # another one for each call

    @property
    def name(self) -> str:
        """The server's URL and its model."""
        return f"{self._endpoint.url} {self.model}"

    def close(self) -> None:
        """Close connections; processes that end do it by themselves."""
        self._runner.run(self._connection.close())
        self._runner.close()

    def look_for_model(self) -> None:
        """Warn where the server lists its models, and not OPENAI_MODEL.

        It is asked once and briefly: a server that is not there yet, or lists nothing, says more
        when it is asked for an answer.
        """
        seconds = min(self._params.timeout, SECONDS_TO_CONNECT)
        try:
            names = listed(self._runner.run(self._connection.models(seconds)))
        except (Again, Refusal):
            return
        if warning := unlisted_model(self._endpoint, names or []):
            log.warning(warning)

    def require_student(self, name: str, folder: Path) -> None:
        """Have the server load a student if it lacks it; a UserError where it is not there then."""

        async def find() -> None:
            names = await self._listed()
            if names is not None and is_among(name, names):
                return
            try:
                await self._patiently(lambda s: self._connection.load_adapter(name, folder, s))
                loading = "no error"
            except Refusal as refusal:
                loading = self._endpoint.shown(f"status {refusal.said.status}: {refusal}")
            names = await self._listed()
            if names is None or not is_among(name, names):
                raise missing_student(self._endpoint, name, folder, names, loading)

        self._runner.run(find())

    async def _listed(self) -> list[str] | None:
        """The names of the server's models; None where it has no list."""
        try:
            return listed(await self._patiently(self._connection.models))
        except Refusal as refusal:
            if refusal.said.status in (401, 403):
                raise exception_of(refusal.said, self._endpoint, self.model) from None
            return None

    async def _patiently(self, attempt: Callable[[float], Awaitable[T]]) -> T:
        """The result of a request that costs nothing, as soon as an attempt succeeds."""
        patience = Patience(self._endpoint.where, self._params.timeout, self._params.deadline)
        while True:
            try:
                return await attempt(patience.timeout)
            except Again as again:
                failure = again
            except Refusal as refusal:
                passing = exception_of(refusal.said, self._endpoint, self.model)
                if not isinstance(passing, Again):
                    raise
                failure = passing
            await asyncio.sleep(patience.pause_after(failure))

    def complete_all(self, requests: Sequence[ChatRequest]) -> list[Completion | None]:
        """An answer to each request, in their order; equal requests are asked once.

        None where the model's context has no room for the prompt and `max_tokens` more. A UserError
        where the server can't be reached in time, refuses, or sends something else than an answer,
        or nothing but answers without content, or cuts the prompts; or where the next call could
        cross the cap. Answers that have come, or are still coming, are kept in the cache even then.
        So they are where SIGINT or SIGTERM comes; a second one does not wait for them.
        """
        bodies = [request.body(self.model, self._params.refuses) for request in requests]
        keys = [
            content_sha256([SCHEMA, self._endpoint.url, request.weights, body])
            for request, body in zip(requests, bodies, strict=True)
        ]
        answers = {key: self._cache.get(key) for key in keys}
        missing = {k: body for k, body in zip(keys, bodies, strict=True) if answers[k] is None}
        if missing:
            self._ending.clear()
            with signals_wait(self._stop):
                answers |= self._runner.run(self._ask_all(missing))
        came = {key: answer for key, answer in answers.items() if answer}
        self._require_content(came)
        self._require_whole_prompts(dict(zip(keys, bodies, strict=True)), came)
        return [answers[key] for key in keys]

    def _require_content(self, answers: Mapping[str, Completion]) -> None:
        """Raises an error, and forgets the answers, where there has been none with content yet."""
        self._content_seen |= any(answer.text or answer.complete for answer in answers.values())
        thought = sum(answer.tokens_thought for answer in answers.values())
        if answers and not self._content_seen:
            self._forget(answers)
            raise UserError(
                f"{self.name}: expected answers with content, got {len(answers)} without, of "
                f"{max(a.tokens_completion for a in answers.values())} tokens at most, of which "
                f"{thought} in all are thoughts. A model that thinks before it answers uses up the "
                "limit: turn its thinking off (docs/servers.md says how for each server; where an "
                "agent plays, model.chat_template_kwargs: {enable_thinking: false}), or raise "
                "max_new_tokens where an agent plays. A vendor's filter may also have refused."
            )
        if thought:
            tokens = sum(answer.tokens_completion for answer in answers.values())
            self._warn_once(
                "thoughts",
                f"thinks before it answers: {thought} of the first {tokens} tokens are thoughts. "
                "They are cut off, and count as tokens of the answer",
            )
        if answers and not any(answer.complete for answer in answers.values()):
            # Thoughts whose start is in the prompt, and whose end did not come, look like this.
            self._warn_once(
                "cut off",
                f"none of {len(answers)} answers asked for together has come to its end. It may "
                "think before it answers, or the limit of tokens is too low",
            )

    def _warn_once(self, kind: str, warning: str) -> None:
        if kind not in self._told:
            self._told.add(kind)
            log.warning("%s: %s; docs/servers.md says how to turn thoughts off", self.name, warning)

    def _require_whole_prompts(
        self, bodies: Mapping[str, Body], answers: Mapping[str, Completion]
    ) -> None:
        """Raises an error, and forgets the answers, where the server cuts prompts."""
        # A conversation before what continues it.
        for key in sorted(answers, key=lambda key: len(bodies[key]["messages"])):
            body = bodies[key]
            watch = self._watches[body["model"]]
            if cut := watch.note(key, body["messages"], answers[key].tokens_prompt):
                self._forget(watch.suspects())
                raise cut_error(self._endpoint.where, body["model"], cut)

    def _forget(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._cache.remove(key)

    def _stop(self) -> None:
        log.warning("stopping, once %d calls under way, being paid, have ended", self._under_way)
        self._runner.get_loop().call_soon_threadsafe(self._ending.set)

    async def _ask_all(self, bodies: Mapping[str, Body]) -> dict[str, Completion | None]:
        """After a failure or a signal no further attempt begins; those under way may end."""
        gate = asyncio.Semaphore(self._params.concurrency)

        async def ask(key: str, body: Body) -> Completion | None:
            async with gate:
                try:
                    answer = await self._ask(body)
                except BaseException:
                    self._ending.set()
                    raise
            if answer is not None:
                self._cache.put(key, answer)
            return answer

        asked = [ask(key, body) for key, body in bodies.items()]
        results = await asyncio.gather(*asked, return_exceptions=True)
        answers: dict[str, Completion | None] = {}
        for key, result in zip(bodies, results, strict=True):
            if isinstance(result, BaseException):
                raise result
            answers[key] = result
        return answers

    async def _ask(self, body: Body) -> Completion | None:
        """One answer, by as many attempts as the deadline allows.

        Time that a call waits for room under the cap doesn't count.
        """
        where = self._endpoint.where
        patience = Patience(where, self._params.timeout, self._params.deadline)
        while True:
            asked = time.monotonic()
            call = await self._reserve(body)
            if call is None:
                return None
            patience.extend(time.monotonic() - asked)
            self._under_way += 1
            try:
                return await self._attempt(call, body, patience.timeout)
            except Again as again:
                failure = again
            finally:
                self._under_way -= 1
                self._call_ended.set()
                self._call_ended = asyncio.Event()
            pause = patience.pause_after(failure)
            log.warning("%s: %s; again in %.1f s", where, failure, pause)
            try:
                await asyncio.wait_for(self._ending.wait(), pause)
                return None  # another request has failed for good, or a signal came
            except TimeoutError:
                continue

    async def _reserve(self, body: Body) -> int | None:
        """The call's id in the ledger; None where no further attempt is to begin.

        What the cap has no room for beside the worst cases of calls under way waits for them.
        """
        params = self._params
        worst = most_tokens(body)
        while not self._ending.is_set():
            try:
                return self._ledger.reserve(self._stage, body["model"], worst, params, params.cap)
            except CapReached:
                if not self._under_way:
                    raise
                await self._call_ended.wait()
        return None

    async def _attempt(self, call: int, body: Body, seconds: float) -> Completion | None:
        """One HTTP request, for a call that is in the ledger already.

        The call stays at its worst case unless the server says what it used, or did not answer.
        """
        kind = ""
        try:
            raw = await self._connection.chat(body, seconds)
            kind = raw.headers.get("content-type", "no content type")
            answer = read_answer(raw.content, raw.headers.get("retry-after"))
        except Again as again:
            if not again.sent:
                self._ledger.release(call)
            raise
        except Refusal as refusal:
            if refusal.paid:
                self._ledger.settle(call, refusal.paid, self._params)
            elif refusal.free:
                self._ledger.release(call)
            if is_full(refusal.said):
                return None
            raise exception_of(refusal.said, self._endpoint, body["model"]) from None
        except WrongAnswer as wrong:
            if wrong.paid:
                self._ledger.settle(call, wrong.paid, self._params)
            raise UserError(
                f"{self._endpoint.where}: expected a chat completion with content, got "
                f"{self._endpoint.shown(f'{kind}: {wrong}')}. See that {URL} is the API's root (it "
                "often ends in /v1) and the server's log."
            ) from None
        if answer.counted:
            self._ledger.settle(call, answer, self._params)
        return answer
