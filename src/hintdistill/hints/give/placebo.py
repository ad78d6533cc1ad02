"""Placebo arms: k fixed sentences in place of hints, the same for every task of a type."""

from hintdistill.agents.episode.rollout import Starts
from hintdistill.core.errors import UserError
from hintdistill.core.records import HintRef, Task
from hintdistill.core.yaml_file import read_yaml
from hintdistill.environments.common.prompts import PROMPTS


class PlaceboHints:
    """Retrieval that gives an arm's sentences of prompts/{env}/placebos.yaml.

    Under the arm's name the file has one list for all tasks, or a list for each type of task.
    A UserError where it has none, or too few.
    """

    def __init__(self, arm: str, env: str, k: int) -> None:
        self._path, self._k = PROMPTS / env / "placebos.yaml", k
        try:
            self._lists = read_yaml(self._path)[arm]
        except (OSError, KeyError, TypeError) as error:
            raise UserError(
                f"{self._path}: expected the sentences of arm {arm!r}, a list or one for each type "
                f"of task: {error!r:.120}"
            ) from None

    def __call__(self, starts: Starts) -> list[list[HintRef]]:
        return [self._sentences(task) for task, _ in starts]

    def _sentences(self, task: Task) -> list[HintRef]:
        lists = self._lists
        texts = lists.get(task.type, []) if isinstance(lists, dict) else lists
        if len(texts) < self._k:
            raise UserError(
                f"{self._path}: expected at least hints.k = {self._k} sentences for type "
                f"{task.type}, found {len(texts)}. Add some, or lower hints.k."
            )
        return [
            HintRef(hint_id=f"placebo-{i}", text=text) for i, text in enumerate(texts[: self._k])
        ]
