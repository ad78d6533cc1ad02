"""Reads which models a server lists, and says how a student that it lacks gets there."""

import json
from collections.abc import Sequence
from pathlib import Path

from hintdistill.core.errors import UserError
from hintdistill.llm.server.endpoint import Endpoint

# A longer list is a vendor's, which serves more than it lists.
MOST_OF_ONES_OWN = 100


def listed(body: bytes) -> list[str] | None:
    """The names in a list of models; None where it is no such list, or only its first page."""
    try:
        content = json.loads(body)
    except ValueError:
        return None
    if not isinstance(content, dict) or content.get("has_more"):
        return None
    models = content.get("data")
    if not isinstance(models, list):
        return None
    names = [model.get("id") for model in models if isinstance(model, dict)]
    return [name for name in names if isinstance(name, str)]


def is_among(name: str, names: Sequence[str]) -> bool:
    """Whether a list has a model: Ollama adds a tag, llama.cpp shows the path of its only file."""
    return any(
        name in (listed, listed.removesuffix(":latest"))
        or listed.replace("\\", "/").rsplit("/", 1)[-1] == f"{name}.gguf"
        for listed in names
    )


def _some(endpoint: Endpoint, names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return endpoint.shown(", ".join(names[:5]) or "none") + more


def unlisted_model(endpoint: Endpoint, names: Sequence[str]) -> str | None:
    """A warning where a server of one's own lists models, and not the one that is asked for."""
    if not names or len(names) > MOST_OF_ONES_OWN or is_among(endpoint.model, names):
        return None
    return (
        f"{endpoint.where}: lists {_some(endpoint, names)}, and not OPENAI_MODEL, which is "
        f"{endpoint.model}. It is asked all the same; some servers then answer with another model."
    )


def missing_student(
    endpoint: Endpoint, name: str, folder: Path, names: Sequence[str] | None, loading: str
) -> UserError:
    """The error where a student is not there. `loading`: what came of having it loaded."""
    has = "no list of models" if names is None else _some(endpoint, names)
    return UserError(
        f"{endpoint.where}: expected student {name} among the models of {endpoint.url}/models, got "
        f"{has}; loading {folder} by {endpoint.url}/load_lora_adapter gave: {loading}. The name "
        "has the first digits of the hash of its weights, so that no older student plays. vLLM: "
        f"start with --enable-lora --lora-modules {name}={folder}, or with "
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING=1 and the folder at the same path on the server's "
        f"machine. llama.cpp, Ollama, LM Studio: `hintdistill gguf` writes {name}.gguf; serve it "
        "under that name (docs/servers.md)."
    )
