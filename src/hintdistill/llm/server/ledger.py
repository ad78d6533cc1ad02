"""Notes how much a server's calls have used and cost, and keeps the cap from being crossed.

It is one SQLite file in the folder of the response cache, and shared like that. The cap counts all
stages and runs since the file was made; remove it to count anew. Answers from the cache cost
nothing and are not noted.

A call is noted at its worst case before it is sent, and at what it used once the server has said
so. Where it never does (the call timed out or was cut off, or the process was killed), the call
stays at its worst case, so the sum is never below what was paid.
"""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pydantic import NonNegativeFloat

from hintdistill.core.errors import UserError
from hintdistill.core.settings import Settings
from hintdistill.llm.server.cache import cache_folder
from hintdistill.llm.server.completion import ChatRequest, Completion

RUN = "HINTDISTILL_RUN"  # environment variable: the variant whose stages run
WORKSPACE = "workspace"  # the run of whoever names none
SECONDS_FOR_A_LOCK = 60.0
BYTES_A_TOKEN = 3.0  # of English, which has 4 to 5: an estimate from above

_TABLE = """CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY, run TEXT NOT NULL, stage TEXT NOT NULL, model TEXT NOT NULL,
    known INTEGER NOT NULL,
    tokens_prompt INTEGER NOT NULL, tokens_prompt_cached INTEGER NOT NULL,
    tokens_completion INTEGER NOT NULL, money REAL NOT NULL
)"""


class CapReached(UserError):
    """A call could cross the cap, and was not noted."""


class Prices(Settings):
    """Money for a million tokens, in any currency; 0 for a server of one's own."""

    price_prompt: NonNegativeFloat
    price_cached: NonNegativeFloat | None  # of tokens that the server had cached; null: the same
    price_completion: NonNegativeFloat

    def cost(self, prompt: float, cached: float, completion: float) -> float:
        """Money for so many tokens; `cached` are part of `prompt`."""
        of_cached = self.price_prompt if self.price_cached is None else self.price_cached
        fresh = (prompt - cached) * self.price_prompt
        return (fresh + cached * of_cached + completion * self.price_completion) / 1e6

    def dearest(self, prompt: float, completion: float) -> float:
        """Money for so many tokens, whatever part of the prompt is cached."""
        return max(self.cost(prompt, 0, completion), self.cost(prompt, prompt, completion))


def price(prices: Prices, requests: Sequence[ChatRequest]) -> tuple[int, int, int, float]:
    """Calls, prompt and answer tokens, and money: with every answer at its limit, none cached."""
    size = sum(len(m.content.encode()) for request in requests for m in request.messages)
    prompt = round(size / BYTES_A_TOKEN)
    completion = sum(request.max_tokens for request in requests)
    return len(requests), prompt, completion, prices.cost(prompt, 0, completion)


def ledger_file() -> Path:
    return cache_folder() / "ledger.sqlite"


class StageSpending(NamedTuple):
    """Sums of one stage. `unknown`: calls that are counted at their worst case."""

    stage: str
    calls: int
    unknown: int
    tokens_prompt: int
    tokens_prompt_cached: int
    tokens_completion: int
    money: float


class Ledger:
    """The ledger file, open; every method may say by a UserError that it can't be written."""

    def __init__(self) -> None:
        self._path = path = ledger_file()
        with self._errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, timeout=SECONDS_FOR_A_LOCK, isolation_level=None)
            # Waiting for the disk twice a call would take longer than many a call; a killed
            # process loses nothing by it, only a power cut may.
            self._db.execute("PRAGMA synchronous = OFF")
            self._db.execute(_TABLE)

    @contextmanager
    def _errors(self):
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise UserError(
                f"{self._path}: expected a ledger that can be written: {error}. Free it, or move "
                "the file away; spending is then counted anew."
            ) from None

    def reserve(
        self, stage: str, model: str, worst: tuple[int, int], prices: Prices, cap: float | None
    ) -> int:
        """Note a call at its worst case (tokens of prompt and completion). Returns its id.

        CapReached, and nothing is noted, where all calls together could cost more than the cap.
        """
        prompt, completion = worst
        money = prices.dearest(prompt, completion)
        row = (os.environ.get(RUN, WORKSPACE), stage, model, prompt, completion, money)
        with self._errors():
            self._db.execute("BEGIN IMMEDIATE")  # no other process between the sum and the note
            try:
                if cap is not None:
                    self._check(money, cap)
                noted = self._db.execute(
                    "INSERT INTO calls VALUES (NULL, ?, ?, ?, 0, ?, 0, ?, ?) RETURNING id", row
                )
                return noted.fetchone()[0]
            finally:
                self._db.execute("COMMIT")

    def _check(self, money: float, cap: float) -> None:
        known, held = self._db.execute(
            "SELECT TOTAL(money * known), TOTAL(money * (1 - known)) FROM calls"
        ).fetchone()
        if known + held + money > cap:
            raise CapReached(
                f"llm.cap: expected the next call to stay within {cap:g}; spent is {known:.6g}, "
                f"calls under way or cut off may have cost {held:.6g}, and the next one may cost "
                f"{money:.6g}. Nothing was sent. Raise llm.cap in params.yaml and run again: "
                f"answers that are there are not paid again. {self._path} has what was spent."
            )

    def settle(self, call: int, used: Completion, prices: Prices) -> None:
        """Replace a call's worst case by what it used."""
        tokens = (used.tokens_prompt, used.tokens_prompt_cached, used.tokens_completion)
        with self._errors():
            self._db.execute(
                "UPDATE calls SET known = 1, tokens_prompt = ?, tokens_prompt_cached = ?, "
                "tokens_completion = ?, money = ? WHERE id = ?",
                (*tokens, prices.cost(*tokens), call),
            )

    def release(self, call: int) -> None:
        """Take back a call that the server has not answered and won't charge."""
        with self._errors():
            self._db.execute("DELETE FROM calls WHERE id = ?", (call,))

    def by_stage(self) -> list[StageSpending]:
        """Each stage's sums, sorted by its name."""
        with self._errors():
            rows = self._db.execute(
                "SELECT stage, COUNT(*), SUM(1 - known), SUM(tokens_prompt), "
                "SUM(tokens_prompt_cached), SUM(tokens_completion), SUM(money) "
                "FROM calls GROUP BY stage ORDER BY stage"
            ).fetchall()
        return [StageSpending(*row) for row in rows]

    def money_by_run(self) -> dict[str, float]:
        """The cost of each run's own calls; answers that were there already cost nothing."""
        with self._errors():
            return dict(self._db.execute("SELECT run, SUM(money) FROM calls GROUP BY run"))
