"""Sends requests to the server over HTTP, and tells its answers from failures of either side."""

import asyncio
import ssl
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from hintdistill.core.errors import UserError
from hintdistill.llm.server.endpoint import Endpoint
from hintdistill.llm.server.refusal import Again, Refusal, Said, retry_after

SECONDS_TO_CONNECT = 10.0


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


class Connection:
    """Connections to an endpoint, through its proxy if it has one; they stay open over calls.

    Every method sends one request and gives the response. Again where that may pass, Refusal where
    the server says that it won't.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._openai, self._httpx = _libraries()
        self._client = self._openai.AsyncOpenAI(
            base_url=endpoint.url,
            api_key=endpoint.key or "none",  # local servers take any
            # Each attempt has a time limit as a whole, and is reserved in the ledger by itself.
            timeout=self._httpx.Timeout(None, connect=SECONDS_TO_CONNECT),
            max_retries=0,
            http_client=self._openai.DefaultAsyncHttpxClient(transport=self._transport()),
        )

    def _transport(self):
        """The way to the server. Given one, httpx reads no variable of a proxy by itself."""
        proxy = self._endpoint.proxy
        try:
            return self._httpx.AsyncHTTPTransport(
                proxy=proxy.url if proxy else None, limits=self._openai.DEFAULT_CONNECTION_LIMITS
            )
        except (ValueError, self._httpx.InvalidURL):
            assert proxy
            raise UserError(
                f"{proxy.variable}: expected a proxy as in http://proxy.example:3128, got {proxy}."
                " Set it to one that can be read."
            ) from None
        except (OSError, ssl.SSLError) as error:
            raise UserError(
                f"SSL_CERT_FILE, SSL_CERT_DIR: expected certificates where they point to: {error}. "
                "Name ones that are there, or unset them."
            ) from None

    async def close(self) -> None:
        await self._client.close()

    async def chat(self, body: dict[str, Any], seconds: float):
        """The response to a chat request."""
        rest = {name: value for name, value in body.items() if name not in ("model", "messages")}
        sending = self._client.chat.completions.with_raw_response.create(
            model=body["model"], messages=body["messages"], extra_body=rest
        )
        return await self._sent(sending, seconds)

    async def models(self, seconds: float) -> bytes:
        """The body of the list of models."""
        sending = self._client.get("/models", cast_to=self._httpx.Response)
        return (await self._sent(sending, seconds)).content

    async def load_adapter(self, name: str, folder: Path, seconds: float) -> None:
        """Have the server load an adapter, as vLLM does where it is allowed to."""
        where = {"lora_name": name, "lora_path": str(folder.resolve())}
        sending = self._client.post("/load_lora_adapter", cast_to=self._httpx.Response, body=where)
        await self._sent(sending, seconds)

    async def _sent(self, sending: Awaitable[Any], seconds: float):
        openai, httpx = self._openai, self._httpx
        try:
            async with asyncio.timeout(seconds):
                return await sending
        except openai.APIStatusError as error:
            raise Refusal(_said_by_status(error)) from None
        except TimeoutError:
            raise Again(f"no whole answer in {seconds:.3g} s") from None
        except openai.APIConnectionError as error:
            cause = error.__cause__
            if isinstance(cause, httpx.ProxyError) and str(cause).startswith("407"):
                raise Refusal(Said(407, str(cause))) from None
            unsent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
            what = self._endpoint.shown(f"{type(cause).__name__}: {cause}")
            raise Again(what, sent=not isinstance(cause, unsent)) from None


def _said_by_status(error: Any) -> Said:
    """The message in an error's body, or the whole body where it has another shape."""
    body = error.body if error.body is not None else error.response.text
    words = str(body.get("message", body) if isinstance(body, dict) else body)
    after = retry_after(error.response.headers.get("retry-after"))
    return Said(error.status_code, words, f"{error.code} {error.type}", after)
