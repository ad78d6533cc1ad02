"""How long a request that fails is asked again: with growing pauses, until the deadline."""

import random
import time

from hintdistill.core.errors import UserError
from hintdistill.llm.server.refusal import Again

# Seconds before an attempt is repeated: doubled each time, and less by chance, so that requests
# that failed together don't come back together.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0


class Patience:
    """One request's attempts. None begins that the deadline would cut short: it could be paid for
    nothing."""

    def __init__(self, where: str, timeout: float, deadline: float) -> None:
        self._where, self._deadline = where, deadline
        self.timeout = min(timeout, deadline)  # of an attempt
        self._end = time.monotonic() + deadline
        self._attempt = 0

    def extend(self, seconds: float) -> None:
        """Time that does not count."""
        self._end += seconds

    def pause_after(self, failure: Again) -> float:
        """Seconds to wait before the next attempt; a UserError where there is no time for one."""
        pause = min(FIRST_PAUSE * 2**self._attempt, LONGEST_PAUSE) * random.uniform(0.5, 1)
        pause = max(pause, failure.after or 0)
        self._attempt += 1
        if time.monotonic() + pause + self.timeout > self._end:
            asks = f", which asks for {pause:.0f} s of pause" if failure.after else ""
            raise UserError(
                f"{self._where}: expected an answer within {self._deadline:g} s, got "
                f"{failure} at attempt {self._attempt}{asks}. See that the server runs and "
                "has room, or raise llm.deadline (no attempt begins in the last llm.timeout "
                "seconds of it), or lower llm.concurrency, in params.yaml; then run again."
            )
        return pause
