"""The answer formats of an exam, named here so that recipes can be read without loading DSPy."""

from __future__ import annotations

from typing import Literal

# letter: the letter alone; reasoned: reasoning, then the letter; option: the option's text, then its letter;
# open: no options are shown, and the text alone is the answer.
AnswerFormat = Literal["letter", "reasoned", "option", "open"]
