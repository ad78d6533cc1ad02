"""The engine for CPUs: OpenVINO GenAI's continuous batching, 8-bit weights, cached prefixes.

Each cohort starts with a pipeline of its own and so with an empty prefix cache: what an episode
shares with an earlier one can't depend on which cohorts this process has played before.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hintdistill.core.errors import UserError
from hintdistill.core.records import Message
from hintdistill.llm.engine import EngineSetup, Request, Turn
from hintdistill.llm.gguf import cached_gguf
from hintdistill.llm.model.chat import ChatRenderer, common_prefix
from hintdistill.llm.model.weights import adapter_identity, model_identity

BLOCK = 32  # tokens of a block of the prefix cache; fixed in OpenVINO's CPU plugin
# Tokens of 36 episodes up to about 5,000 each, for a model of 135M parameters. Memory is taken as
# it is filled; where it overflows, the least recently used blocks are encoded again.
CACHE_GIGABYTES = 4
# Of one forward pass; the first turns of a cohort are the only ones that exceed it.
BATCHED_TOKENS = 4096
# Against 16-bit weights in float32, of 40 turns of the base model (2 cores, AVX512): 39 equal,
# against 36 in bfloat16 and 38 with an 8-bit cache, at about the same CPU time a token.
PROPERTIES = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f16"}


def _libraries():
    """openvino and openvino_genai, imported only where this engine is chosen."""
    try:
        import openvino
        import openvino_genai
    except ImportError as error:
        raise UserError(
            f"engine openvino: expected the package openvino-genai, could not import it: {error}. "
            "Run `make setup`, or set rollout.engine to transformers in params.yaml."
        ) from None
    return openvino, openvino_genai


def cached_tokens(earlier: list[int], prompt: tuple[int, ...]) -> int:
    """How many tokens of a prompt the prefix cache holds after the slot's earlier sequence.

    OpenVINO doesn't report it. A cached sequence is found whole (its last block may be partly
    filled), or else by its full blocks before the first difference. The prompt's last token is
    always fed anew: its logits give the first new one.
    """
    shared = common_prefix(earlier, prompt)
    if shared < len(earlier):
        shared -= shared % BLOCK
    return min(shared, len(prompt) - 1)


class OpenvinoEngine:
    """Greedy decoding of a folder's model on the CPU, a LoRA adapter merged where one is given."""

    deterministic = True

    def __init__(
        self,
        folder: Path,
        adapter: Path | None,
        template_kwargs: Mapping[str, Any],
        *,
        threads: int,
        max_new_tokens: int,
    ) -> None:
        self._openvino, self._genai = _libraries()
        self.model = model_identity(folder)
        self.adapter = adapter_identity(adapter)
        self._gguf = cached_gguf(folder, adapter)
        self.renderer = ChatRenderer.open(folder, template_kwargs)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self._context: int = config["max_position_embeddings"]
        self._max_new_tokens = max_new_tokens
        self._decoding = self._genai.GenerationConfig(
            max_new_tokens=max_new_tokens,
            do_sample=False,
            eos_token_id=self.renderer.end,
            stop_token_ids=set(self.renderer.ends),
        )
        self._properties = {**PROPERTIES, "INFERENCE_NUM_THREADS": threads}
        # Not used, since token ids go in and come out, but asked for by the pipeline; made once,
        # as it takes longer to make than all the rest.
        self._tokenizer = self._genai.Tokenizer(self._gguf)
        self._cached: dict[int, list[int]] = {}  # tokens of each slot's last sequence
        self._pipeline = self._build()

    def _build(self):
        scheduler = self._genai.SchedulerConfig()
        scheduler.enable_prefix_caching = True
        scheduler.cache_size = CACHE_GIGABYTES
        scheduler.max_num_batched_tokens = BATCHED_TOKENS
        return self._genai.ContinuousBatchingPipeline(
            self._gguf, self._tokenizer, scheduler, "CPU", **self._properties
        )

    def start(self) -> None:
        if self._cached:  # its prefix cache can't be emptied, only left behind
            self._cached.clear()
            self._pipeline = None  # its memory first
            self._pipeline = self._build()

    def is_full(self, messages: list[Message]) -> bool:
        return len(self.renderer.prompt(messages)) + self._max_new_tokens > self._context

    def generate(self, requests: list[Request]) -> list[Turn]:
        prompts = [self.renderer.prompt(request.messages) for request in requests]
        tensor = self._openvino.Tensor
        inputs = [tensor(np.array([prompt], dtype=np.int64)) for prompt in prompts]
        results = self._pipeline.generate(inputs, [self._decoding] * len(inputs))
        turns = []
        for request, prompt, result in zip(requests, prompts, results, strict=True):
            ids = list(result.m_generation_ids[0])
            new = len(prompt) - cached_tokens(self._cached.get(request.slot, []), prompt)
            self._cached[request.slot] = [*prompt, *ids[:-1]]
            turns.append(Turn(*self.renderer.decode_turn(ids), len(prompt), new, len(ids)))
        return turns


def open_engine(setup: EngineSetup) -> OpenvinoEngine:
    return OpenvinoEngine(
        setup.folder,
        setup.adapter,
        setup.chat_template_kwargs,
        threads=setup.threads,
        max_new_tokens=setup.max_new_tokens,
    )
