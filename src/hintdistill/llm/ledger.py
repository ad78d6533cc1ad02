"""What calls of a server have used and cost, by stage and run; and the cap that is never crossed.

One SQLite file in the folder of the response cache, which all processes share that share the cache.
The cap counts everything in it: all stages and runs since the file was made. Remove it to count
anew. Answers from the response cache are in no ledger, since they cost nothing.

A call is noted at its worst case before it is sent, and at what it used once the server has said
so. A call of which that is never known (it timed out, was cut off, or the process was killed)
stays at its worst case, so the sum is never below what was paid.
"""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pydantic import NonNegativeFloat

from hintdistill.errors import UserError
from hintdistill.llm.completion import ChatRequest, Completion
from hintdistill.llm.response_cache import cache_folder
from hintdistill.settings import Settings

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


class Price(NamedTuple):
    """What requests may use and cost, before any is sent."""

    calls: int
    tokens_prompt: int
    tokens_completion: int
    money: float


def price(prices: Prices, requests: Sequence[ChatRequest]) -> Price:
    """An estimate from above: every answer at its limit, and nothing cached; nothing is sent."""
    size = sum(len(m.content.encode()) for request in requests for m in request.messages)
    tokens = (round(size / BYTES_A_TOKEN), sum(request.max_tokens for request in requests))
    return Price(len(requests), *tokens, prices.cost(tokens[0], 0, tokens[1]))


def ledger_file() -> Path:
    """Where spending is noted.

    Raises:
        UserError: as `cache_folder`.
    """
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
    """The ledger file, open.

    Raises:
        UserError: (every method) the file is no ledger, or can't be written.
    """

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
        """Note a call at its worst case, before it is sent. Returns its id.

        Args:
            worst: tokens of prompt and completion, at most.
            cap: money that all calls together may cost; None for no limit.

        Raises:
            CapReached: the call could cross the cap. Nothing is noted then.
        """
        prompt, completion = worst
        money = prices.dearest(prompt, completion)
        row = (os.environ.get(RUN, WORKSPACE), stage, model, prompt, completion, money)
        with self._errors():
            self._db.execute("BEGIN IMMEDIATE")  # no other process between the sum and the note
            try:
                if cap is not None:
                    self._check(money, cap)
                return self._db.execute(
                    "INSERT INTO calls VALUES (NULL, ?, ?, ?, 0, ?, 0, ?, ?)", row
                ).lastrowid
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
        """What each stage has used, sorted by its name."""
        with self._errors():
            rows = self._db.execute(
                "SELECT stage, COUNT(*), SUM(1 - known), SUM(tokens_prompt), "
                "SUM(tokens_prompt_cached), SUM(tokens_completion), SUM(money) "
                "FROM calls GROUP BY stage ORDER BY stage"
            ).fetchall()
        return [StageSpending(*row) for row in rows]

    def money_by_run(self) -> dict[str, float]:
        """What each run's own calls have cost; answers that were there already cost nothing."""
        with self._errors():
            return dict(self._db.execute("SELECT run, SUM(money) FROM calls GROUP BY run"))


def spent_text() -> str:
    """A table of what each stage has used, as it is shown."""
    rows = Ledger().by_stage() if ledger_file().is_file() else []
    if not rows:
        return "No server has been asked from here yet."
    sums = [sum(column) for column in zip(*(row[1:] for row in rows), strict=True)]
    rows.append(StageSpending("total", *sums))
    width = max(len(row.stage) for row in rows)
    heads = ("calls", "unknown", "prompt", "cached", "completion")
    lines = [" " * width + "".join(f"{head:>12}" for head in heads) + f"{'money':>14}"]
    for row in rows:
        counts = "".join(f"{count:12}" for count in row[1:-1])
        lines.append(f"{row.stage:{width}}{counts}{row.money:14.6f}")
    return "\n".join(lines)
