"""Text of models and users inside Markdown: shown as it is, with no way to become a heading, a link, or markup."""

from __future__ import annotations

import re

# Bars are left to `render_table`; what a slash, a dot, or an at-sign would do is make a bare address a link.
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#!~&@]|(?<=:)/(?=/)|(?<=\bwww)\.)")
_LINE_START = re.compile(r"^(\d+)(?=[.)](?:\s|$))|^(?=[-+=])")
_TICKS = re.compile("`+")


def escape(text: str) -> str:
    """Return ``text`` on one line with every character escaped that Markdown or HTML reads as markup."""
    line = _MARKUP.sub(r"\\\1", " ".join(text.split()))
    return _LINE_START.sub(lambda found: f"{found[1]}\\" if found[1] else "\\", line)


def quote_code(text: str) -> str:
    """Return ``text`` on one line as a code span, fenced by more backticks than any run inside it."""
    line = " ".join(text.split())
    if "`" not in line:
        return f"`{line}`" if line else "–"
    ticks = "`" * (_longest_run(line) + 1)
    return f"{ticks} {line} {ticks}"


def fence(text: str, language: str) -> str:
    """Return ``text`` as a block of code that no line of it can close."""
    ticks = "`" * max(3, _longest_run(text) + 1)
    return f"{ticks}{language}\n{text.rstrip()}\n{ticks}"


def _longest_run(text: str) -> int:
    return max(map(len, _TICKS.findall(text)), default=0)
