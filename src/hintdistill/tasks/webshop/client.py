"""A shop on a server, with the interface of the one in this process."""

from collections.abc import Set
from typing import Any

import requests

from hintdistill.errors import UserError
from hintdistill.tasks.webshop.env import Result
from hintdistill.tasks.webshop.pages import Mode

SECONDS = 30.0  # to wait for an answer
_PAGE = {"session", "observation", "clickables"}


class WebShopClient:
    """`WebShopEnv` behind `hintdistill webshop serve`: reset, step, observation, clickables.

    Args:
        url: of the server, as in `http://localhost:3000`.
        mode, strict, step_limit: as `WebShopEnv` has them.

    Raises:
        UserError: (every method) the server can't be reached, or refuses; with its reason.
    """

    def __init__(
        self,
        url: str,
        mode: Mode = "text",
        *,
        strict: bool = False,
        step_limit: int | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._http = requests.Session()
        opening = {"goal": 0, "mode": mode, "strict": strict, "step_limit": step_limit}
        self._page = self._ask("POST", "/sessions", opening, _PAGE)
        self._path = f"/sessions/{self._page['session']}"

    def reset(self, goal_index: int) -> str:
        """Begin to shop for a goal. Returns the first page."""
        self._page = self._ask("POST", f"{self._path}/reset", {"goal": goal_index}, _PAGE)
        return self.observation

    def step(self, action: str) -> Result:
        """Take an action."""
        wanted = _PAGE | set(Result._fields)
        self._page = self._ask("POST", f"{self._path}/step", {"action": action}, wanted)
        return Result(*(self._page[key] for key in Result._fields))

    @property
    def observation(self) -> str:
        """What the last action showed."""
        return self._page["observation"]

    @property
    def clickables(self) -> list[str]:
        """What can be clicked, in lower case; `search` stands for the search bar."""
        return list(self._page["clickables"])

    def close(self) -> None:
        """Close the session and its connection."""
        self._ask("DELETE", self._path)
        self._http.close()

    def _ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        wanted: Set[str] = frozenset(),
    ) -> dict[str, Any]:
        """An answer of the server, which has at least the wanted keys."""
        url = f"{self._url}{path}"
        try:
            answer = self._http.request(method, url, json=body, timeout=SECONDS)
            content = answer.json() if answer.content else {}
        except requests.JSONDecodeError:
            raise UserError(
                f"{url}: expected JSON, got status {answer.status_code} and "
                f"{answer.text[:80]!r}. Is it a server of `hintdistill webshop serve`?"
            ) from None
        except requests.RequestException as error:
            raise UserError(
                f"{url}: expected a WebShop server, got {type(error).__name__}. Start one with "
                "`hintdistill webshop serve`, or check the address."
            ) from None
        if not answer.ok:
            detail = content.get("detail") if isinstance(content, dict) else content
            raise UserError(f"{url}: the server refused, status {answer.status_code}: {detail}")
        if not isinstance(content, dict) or not wanted <= content.keys():
            raise UserError(
                f"{url}: expected {', '.join(sorted(wanted))}, got {str(content)[:80]}. Is it a "
                "server of `hintdistill webshop serve`?"
            )
        return content
