"""Reads why a server gave no answer, and says what is to be done: try again, or mend something."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

from hintdistill.core.errors import UserError
from hintdistill.llm.server.completion import Completion
from hintdistill.llm.server.endpoint import KEY, MODEL, URL, Endpoint

# Statuses by which a server says that it has not answered. After others a model may have been at
# work: of a gateway (502, 504, 520 to 527), which can't know, or after a client's time (408, 499).
_NOT_ANSWERED = {
    400,
    401,
    402,
    403,
    404,
    405,
    407,
    409,
    413,
    415,
    422,
    425,
    429,
    500,
    501,
    503,
    529,
}
# How servers say that prompt and answer are longer than the model's context; each differently.
_FULL = re.compile(r"context.(?:length|size|window)|maximum model length", re.IGNORECASE)
# The status that the name of an error stands for, where no number does. First come, first served.
_STATUS_OF_NAME = (
    (429, re.compile(r"rate.?limit|too.?many.?requests|exhausted|throttl|quota", re.IGNORECASE)),
    (401, re.compile(r"authenti|unauthori[sz]ed|api.?key", re.IGNORECASE)),
    (403, re.compile(r"permission|forbidden", re.IGNORECASE)),
    (404, re.compile(r"not.?found", re.IGNORECASE)),
    (400, re.compile(r"invalid.?request|bad.?request|invalid.?(?:argument|prompt)", re.IGNORECASE)),
)
_IN_WORDS = {429, 401}  # of them, those that a sentence says as plainly as a name
UNKNOWN = 502  # an error that says nothing: the model may have been at work, and it may pass


class Again(Exception):
    """A request failed in a way that may pass; `after`: seconds that the server asks to wait.

    `sent` is False where nothing of it has reached the server.
    """

    def __init__(self, what: str, after: float | None = None, *, sent: bool = True) -> None:
        super().__init__(what)
        self.after, self.sent = after, sent


class Said(NamedTuple):
    """A server's error, by its HTTP status or inside a 200."""

    status: int
    words: str
    names: str = ""  # its code and type
    after: float | None = None  # seconds that the server asks to wait
    inside: bool = False  # a 200; the status is the one that it is like


class Refusal(Exception):
    """The server gave no answer. `paid`: what it used all the same, as far as it says."""

    def __init__(self, said: Said, paid: Completion | None = None, *, begun: bool = False) -> None:
        super().__init__(said.words)
        self.said, self.paid = said, paid
        # Whether the model has surely not been at work; `begun` says that it has.
        self.free = said.status in _NOT_ANSWERED and not begun


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


def _status_of(code: Any) -> int | None:
    """The HTTP status in an error's field, which may be a number or its digits."""
    digits = str(code).strip()
    return int(digits) if re.fullmatch(r"[45]\d\d", digits) else None


def said_inside(error: Any) -> Said:
    """What an error inside a 200 says: a text, or an object in any vendor's fields."""
    if not isinstance(error, Mapping):
        error = {"message": error}
    fields = [error.get(name) for name in ("code", "status", "status_code", "http_status", "type")]
    names = " ".join(str(field) for field in fields if field is not None)
    said = (error.get(name) for name in ("message", "msg", "detail"))
    words = str(next(filter(None, said), None) or names or dict(error))
    status = next(filter(None, map(_status_of, fields)), None)
    if status is None:
        named = (s for s, name in _STATUS_OF_NAME if name.search(names))
        told = (s for s, name in _STATUS_OF_NAME if s in _IN_WORDS and name.search(words))
        full = 400 if _FULL.search(f"{names} {words}") else None
        status = full or next(named, None) or next(told, None) or UNKNOWN
    return Said(status, words, names, inside=True)


def is_full(said: Said) -> bool:
    """Whether this prompt is too long: for good, and not for want of room at the moment.

    llama.cpp says by a 500 that all prompts under way together are.
    """
    full = _FULL.search(f"{said.names} {said.words}")
    return bool(full) and said.status < 500 and said.status != 429


def exception_of(said: Said, endpoint: Endpoint, model: str) -> Exception:
    """The exception for what a server said: try again, or how to mend it."""
    status, where = said.status, endpoint.where
    like = "an error inside a 200, like " if said.inside else ""
    got = f"{like}status {status}: {endpoint.shown(said.words)}"
    out_of_money = "insufficient_quota" in said.names
    if (status in (408, 409, 425, 429) or status >= 500) and not out_of_money:
        return Again(got, said.after)
    if status in (401, 403):
        state = "the one that is set" if endpoint.key else "none, since it is not set"
        return UserError(
            f"{where}: expected {KEY} to hold a key that this server takes, got {state}; "
            f"{got}. Set it before the run: export {KEY}=..."
        )
    if status == 404:
        return UserError(
            f"{where}: expected model {model!r} at the API's root, got {got}. Compare "
            f"{MODEL} with the names that {endpoint.url}/models lists, and "
            f"{URL} with the server's own address, which often ends in /v1."
        )
    if status == 407:
        return UserError(
            f"{where}: expected the proxy to let the request through, got {got}. Put its user and "
            "password into the variable, or the server's host into NO_PROXY."
        )
    return UserError(
        f"{where}: expected an answer, got {got}. The server won't take this request; see its "
        "log. A field that it does not take can be named in llm.refuses, in params.yaml."
    )
