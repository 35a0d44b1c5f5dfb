"""The answer formats and the letters of an exam, here so that recipes and items can be read without loading DSPy."""

from __future__ import annotations

from typing import Literal

# letter: the letter alone; reasoned: reasoning, then the letter; option: the option's text, then its letter;
# open: no options are shown, and the text alone is the answer.
AnswerFormat = Literal["letter", "reasoned", "option", "open"]
LETTERS = "ABCDEFGHIJ"
