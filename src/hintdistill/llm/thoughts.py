"""Tells a model's thoughts, where a server leaves them in the answer, from the answer itself.

Only a block at the very start is one: agents write `think:` and `thought:` in turns of their own,
and a block further on belongs to the text. A block that was cut off is thought to its end. Where
the chat template has opened the block in the prompt, only its end is in the answer.
"""

import re
from typing import NamedTuple

# Tags as in `<think>` of Qwen and DeepSeek, `<seed:think>`, `<reasoning>`.
_TAG = r"(?:\w+:)?(?:\w+_)?(?:think|thinking|thought|thoughts|reason|reasoning)"
# Other families' ways to open a block, and to end it: Magistral, Kimi, OpenThinker, Cohere, Gemma.
_ENDS = {
    "[think]": "[/think]",
    "◁think▷": "◁/think▷",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|start_thinking|>": "<|end_thinking|>",
    "<|channel>thought": "<channel|>",
}
_OPENS = re.compile(
    rf"\s*(?:<({_TAG})(?:\s[^<>]*)?>|{'|'.join(map(re.escape, _ENDS))})", re.IGNORECASE
)
_OPENS_ANYWHERE = re.compile(_OPENS.pattern.removeprefix(r"\s*"), re.IGNORECASE)
_ENDED = re.compile(rf"</{_TAG}>|{'|'.join(map(re.escape, _ENDS.values()))}", re.IGNORECASE)
# gpt-oss: channels, of which `final` is the answer; some servers drop the markers in between.
_CHANNEL = re.compile(r"\s*(?:<\|start\|>\s*)?(?:assistant\s*)?<\|channel\|>")
_FINAL = re.compile(r"<\|channel\|>\s*final\b.*?<\|message\|>", re.DOTALL)
_FINAL_ENDS = re.compile(r"<\|(?:return|end|call)\|>")
_BARE_CHANNELS = re.compile(r"\s*analysis.*?assistantfinal", re.DOTALL)


class Parted(NamedTuple):
    """A text in two: thoughts before an answer, and the answer."""

    thoughts: str
    answer: str


def _end_of_block(text: str) -> int | None:
    """Where a block at the start ends: at the text's end if it was cut off; None without one."""
    opened = _OPENS.match(text)
    if opened is None:
        return None
    end = f"</{opened[1]}>" if opened[1] else _ENDS[opened[0].strip().lower()]
    ended = re.compile(re.escape(end), re.IGNORECASE).search(text, opened.end())
    return ended.end() if ended else len(text)


def part_thoughts(text: str) -> Parted:
    """The thoughts at the start of a text, and the rest without space before it."""
    if _CHANNEL.match(text):
        finals = list(_FINAL.finditer(text))
        start = finals[-1].end() if finals else len(text)
        return Parted(text[:start], _FINAL_ENDS.split(text[start:])[0].strip())
    if bare := _BARE_CHANNELS.match(text):
        return Parted(text[: bare.end()], text[bare.end() :].lstrip())
    start = 0
    while (length := _end_of_block(text[start:])) is not None:
        start += length
    ended = None if start else _ENDED.search(text)
    if ended and not _OPENS_ANYWHERE.search(text, 0, ended.start()):
        start = ended.end()
    return Parted(text[:start], text[start:].lstrip() if start else text)
