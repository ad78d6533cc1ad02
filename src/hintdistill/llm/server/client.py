"""The one client of OpenAI-compatible servers: vLLM, llama.cpp, Ollama, or a vendor.

It asks for many answers at once and gives them in order. What is in the response cache is not
asked for; what is asked for is first reserved in the ledger; what the server can't do for a while
(429, 5xx, a cut or slow connection) is asked for again until the deadline.
"""

import asyncio
import logging
import math
import random
import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Self

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from hintdistill.core.errors import UserError
from hintdistill.core.records import content_sha256
from hintdistill.llm.server.cache import ResponseCache, cache_folder
from hintdistill.llm.server.completion import (
    ChatRequest,
    Completion,
    Refusable,
    WrongAnswer,
    most_tokens,
    read_answer,
)
from hintdistill.llm.server.endpoint import KEY, MODEL, URL, endpoint_from_environment
from hintdistill.llm.server.ledger import CapReached, Ledger, Prices
from hintdistill.llm.server.signals import signals_wait

log = logging.getLogger(__name__)

# Seconds before an attempt is repeated: doubled each time, and less by chance, so that requests
# that failed together don't come back together.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
SECONDS_TO_CONNECT = 10.0
# Statuses by which a server says that it has not answered. After others a model may have been at
# work: of a gateway (502, 504, 520 to 527), which can't know, or after a client's time (408, 499).
_NOT_ANSWERED = {400, 401, 402, 403, 404, 405, 409, 413, 415, 422, 425, 429, 500, 501, 503, 529}
# How servers say that prompt and answer are longer than the model's context; each differently.
_FULL = re.compile(r"context.(?:length|size|window)|maximum model length", re.IGNORECASE)


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


def _libraries():
    """openai, and httpx2 on which it is built; imported only where a server is asked."""
    try:
        import httpx2
        import openai
    except ImportError as error:
        raise UserError(
            f"a server's client: expected the package openai, could not import it: {error}. "
            "Run `make setup`."
        ) from None
    return openai, httpx2


class _Again(Exception):
    """An attempt failed in a way that may pass; `after`: seconds that the server asks to wait."""

    def __init__(self, what: str, after: float | None = None) -> None:
        super().__init__(what)
        self.after = after


def retry_after(value: str | None) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or a date; None where it doesn't."""
    try:
        seconds = float(value or "")
    except ValueError:
        try:
            moment = parsedate_to_datetime(value or "")
        except (ValueError, OverflowError):
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    return max(seconds, 0.0) if math.isfinite(seconds) else None


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
        self._openai, self._httpx = _libraries()
        self._client = self._openai.AsyncOpenAI(
            base_url=self._endpoint.url,
            api_key=self._endpoint.key or "none",  # local servers take any
            # Each attempt has a time limit as a whole, and is reserved in the ledger by itself.
            timeout=self._httpx.Timeout(None, connect=SECONDS_TO_CONNECT),
            max_retries=0,
        )
        self._runner = asyncio.Runner()  # one event loop, so that connections stay open
        self._ending = asyncio.Event()  # no further attempt begins
        self._content_seen = False  # in any answer so far
        self._under_way = 0  # calls that hold their worst case in the ledger
        self._call_ended = asyncio.Event()  # another one for each call

    @property
    def name(self) -> str:
        """The server's URL and its model."""
        return f"{self._endpoint.url} {self.model}"

    def close(self) -> None:
        """Close connections; processes that end do it by themselves."""
        self._runner.run(self._client.close())
        self._runner.close()

    def complete_all(self, requests: Sequence[ChatRequest]) -> list[Completion | None]:
        """An answer to each request, in their order; equal requests are asked once.

        None where the model's context has no room for the prompt and `max_tokens` more. A UserError
        where the server can't be reached in time, refuses, or sends something else than an answer,
        or nothing but answers without content; or where the next call could cross the cap. Answers
        that have come, or are still coming, are kept in the cache even then. So they are where
        SIGINT or SIGTERM comes; a second one does not wait for them.
        """
        bodies = [request.body(self.model, self._params.refuses) for request in requests]
        keys = [
            content_sha256([self._endpoint.url, request.weights, body])
            for request, body in zip(requests, bodies, strict=True)
        ]
        answers = {key: self._cache.get(key) for key in keys}
        missing = {k: body for k, body in zip(keys, bodies, strict=True) if answers[k] is None}
        if missing:
            self._ending.clear()
            with signals_wait(self._stop):
                answers |= self._runner.run(self._ask_all(missing))
        self._require_content({key: answer for key, answer in answers.items() if answer})
        return [answers[key] for key in keys]

    def _require_content(self, answers: dict[str, Completion]) -> None:
        """Raises an error, and forgets the answers, where there has been none with content yet."""
        self._content_seen |= any(answer.text or answer.complete for answer in answers.values())
        if answers and not self._content_seen:
            for key in answers:
                self._cache.remove(key)
            raise UserError(
                f"{self.name}: expected answers with content, got {len(answers)} without, of "
                f"{max(a.tokens_completion for a in answers.values())} tokens at most. A model "
                "that thinks before it answers uses up the limit: turn its thinking off in the "
                "server, or raise max_new_tokens where an agent plays."
            )

    def _stop(self) -> None:
        log.warning("stopping, once %d calls under way, being paid, have ended", self._under_way)
        self._runner.get_loop().call_soon_threadsafe(self._ending.set)

    async def _ask_all(self, bodies: dict[str, dict[str, Any]]) -> dict[str, Completion | None]:
        """After a failure or a signal no further attempt begins; those under way may end."""
        gate = asyncio.Semaphore(self._params.concurrency)

        async def ask(key: str, body: dict[str, Any]) -> Completion | None:
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

    async def _ask(self, body: dict[str, Any]) -> Completion | None:
        """One answer, by as many attempts as the deadline allows.

        None begins that the deadline would cut short: it could be paid for nothing. Time that a
        call waits for room under the cap doesn't count.
        """
        limit = self._params.deadline
        timeout = min(self._params.timeout, limit)
        end = time.monotonic() + limit
        attempt = 0
        while True:
            attempt += 1
            asked = time.monotonic()
            call = await self._reserve(body)
            if call is None:
                return None
            end += time.monotonic() - asked
            self._under_way += 1
            try:
                return await self._attempt(call, body, timeout)
            except _Again as again:
                failure = again
            finally:
                self._under_way -= 1
                self._call_ended.set()
                self._call_ended = asyncio.Event()
            pause = min(FIRST_PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE) * random.uniform(0.5, 1)
            pause = max(pause, failure.after or 0)
            if time.monotonic() + pause + timeout > end:
                asks = f", which asks for {pause:.0f} s of pause" if failure.after else ""
                raise UserError(
                    f"{self._endpoint.url}: expected an answer within {limit:g} s, got "
                    f"{failure} at attempt {attempt}{asks}. See that the server runs and "
                    "has room, or raise llm.deadline (no attempt begins in the last llm.timeout "
                    "seconds of it), or lower llm.concurrency, in params.yaml; then run again."
                )
            log.warning("%s: %s; again in %.1f s", self._endpoint.url, failure, pause)
            try:
                await asyncio.wait_for(self._ending.wait(), pause)
                return None  # another request has failed for good, or a signal came
            except TimeoutError:
                continue

    async def _reserve(self, body: dict[str, Any]) -> int | None:
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

    async def _attempt(self, call: int, body: dict[str, Any], seconds: float) -> Completion | None:
        """One HTTP request, for a call that is in the ledger already."""
        params, openai = self._params, self._openai
        try:
            async with asyncio.timeout(seconds):
                raw = await self._client.chat.completions.with_raw_response.create(**body)
        except openai.APIStatusError as error:
            if error.status_code in _NOT_ANSWERED:
                self._ledger.release(call)
            if self._is_full(error):
                return None
            raise self._status_error(error, body["model"]) from None
        except TimeoutError:
            raise _Again(f"no whole answer in {seconds:.3g} s") from None
        except openai.APIConnectionError as error:
            cause = error.__cause__
            if isinstance(cause, self._httpx.ConnectError | self._httpx.ConnectTimeout):
                self._ledger.release(call)  # nothing was sent
            raise _Again(self._shown(f"{type(cause).__name__}: {cause}")) from None
        try:
            answer = read_answer(raw.content)
        except WrongAnswer as wrong:
            if wrong.paid:
                self._ledger.settle(call, wrong.paid, params)
            kind = raw.headers.get("content-type", "no content type")
            raise UserError(
                f"{self._endpoint.url}: expected a chat completion with content and usage, got "
                f"{self._shown(f'{kind}: {wrong}')}. See that {URL} is the API's root (it often "
                "ends in /v1) and the server's log; no content at finish_reason 'length' means "
                "that max_tokens is too small for this model."
            ) from None
        self._ledger.settle(call, answer, params)
        return answer

    def _shown(self, text: str) -> str:
        """The server's words, on one printable line of bounded length and without the key."""
        line = " ".join(self._endpoint.hide_key(text).split())
        line = "".join(character if character.isprintable() else "?" for character in line)
        return line if len(line) <= 300 else line[:297] + "..."

    @staticmethod
    def _said(error: Any) -> str:
        """The message in an error's body, or the whole body where it has another shape."""
        body = error.body if error.body is not None else error.response.text
        return str(body.get("message", body) if isinstance(body, dict) else body)

    def _is_full(self, error: Any) -> bool:
        """Whether this prompt is too long: for good, and not for want of room at the moment.

        llama.cpp says by a 500 that all prompts under way together are.
        """
        words = f"{error.code} {error.type} {self._said(error)}"
        return error.status_code < 500 and error.status_code != 429 and bool(_FULL.search(words))

    def _status_error(self, error: Any, model: str) -> Exception:
        """The exception for an HTTP status that is no success: try again, or how to mend it."""
        status, said = error.status_code, self._shown(self._said(error))
        got = f"status {status}: {said}"
        out_of_money = error.code == "insufficient_quota"
        if (status in (408, 409, 425, 429) or status >= 500) and not out_of_money:
            return _Again(got, retry_after(error.response.headers.get("retry-after")))
        url = self._endpoint.url
        if status in (401, 403):
            state = "the one that is set" if self._endpoint.key else "none, since it is not set"
            return UserError(
                f"{url}: expected {KEY} to hold a key that this server takes, got {state}; "
                f"{got}. Set it before the run: export {KEY}=..."
            )
        if status == 404:
            return UserError(
                f"{url}: expected model {model!r} at the API's root, got {got}. Compare "
                f"{MODEL} with the names that {url}/models lists, and "
                f"{URL} with the server's own address, which often ends in /v1. An adapter has to "
                "be loaded under its folder's name."
            )
        return UserError(
            f"{url}: expected an answer, got {got}. The server won't take this request; see its "
            "log. A field that it does not take can be named in llm.refuses, in params.yaml."
        )
