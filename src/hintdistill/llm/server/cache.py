"""Keeps answers that were paid for once for every later run.

Each answer is a file, named by the hash of all that determines it: the server's URL (a model of the
same name elsewhere can be another, or have fewer bits), the model's name and what is known of its
weights, messages, limits, sampling, seed, schema and the template's settings. So an answer sampled
at a temperature is repeated too, until another seed is asked for.
"""

import logging
import os
import uuid
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from hintdistill.core.errors import UserError
from hintdistill.core.files import dumps
from hintdistill.core.records import Record
from hintdistill.llm.server.completion import Completion

log = logging.getLogger(__name__)

VARIABLE = "HINTDISTILL_RESPONSE_CACHE"
# Like all that is kept beside DVC's outs. Unset, a clone has its own, and a stopped run pays
# nothing twice; the variable lets clones, users, and experiments in folders of their own share one.
DEFAULT = Path(".cache/responses")


def cache_folder() -> Path:
    """The folder that HINTDISTILL_RESPONSE_CACHE names, otherwise `.cache/responses`."""
    value = os.environ.get(VARIABLE)
    if not value:
        return DEFAULT
    if not Path(value).is_absolute():
        raise UserError(
            f"{VARIABLE}: expected an absolute path, got {value!r}. Stages and clones run in "
            "folders of their own; name the folder from the root, or unset the variable."
        )
    return Path(value)


# In each key as well, so that entries of an older schema, which may hold what is no answer (an
# error inside a 200, thoughts in the text), are not even looked at.
SCHEMA: Literal["answer/2"] = "answer/2"


class _Entry(Record):
    schema_: Literal["answer/2"] = Field(SCHEMA, alias="schema")
    key: str
    completion: Completion


class ResponseCache:
    """A folder of answers, which any number of processes may share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"{folder}: expected a folder for answers, could not make it: {error.strerror}. "
                f"Set {VARIABLE} to one that can be written."
            ) from None

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.json"

    def get(self, key: str) -> Completion | None:
        """The answer kept under a key; None where there is none, or none that can be read."""
        path = self._path(key)
        try:
            entry = _Entry.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            log.warning("%s: not an answer (%s); asked for again", path, type(error).__name__)
            return None
        if entry.key != key:
            log.warning("%s: the answer to another request; asked for again", path)
            return None
        return entry.completion

    def remove(self, key: str) -> None:
        """Forget an answer, so that it is asked for again."""
        self._path(key).unlink(missing_ok=True)

    def put(self, key: str, completion: Completion) -> None:
        """Keep an answer, whole or not at all. It is lost, with a warning, on a full disk."""
        path = self._path(key)
        # Two processes may write the same answer; each its own file, and the later one stays.
        partial = path.with_name(f"{key}.{uuid.uuid4().hex}.partial")
        try:
            path.parent.mkdir(exist_ok=True)
            entry = _Entry(key=key, completion=completion)
            partial.write_text(dumps(entry) + "\n", encoding="utf-8")
            partial.replace(path)
        except OSError as error:
            log.warning("%s: the answer could not be kept: %s", path, error.strerror)
