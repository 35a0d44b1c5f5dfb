"""The programs as they are in the code, of every kind that can be compiled."""

from __future__ import annotations

from collections.abc import Collection

import dspy

from corpus.records import Method
from eval.exam import Exam
from optimizers.config import Kind
from programs.converter import ItemConverter
from programs.writer import METHODS, SessionWriter
from signatures.formats import AnswerFormat

EXAM_FORMAT: AnswerFormat = "option"  # what students write unless a recipe says otherwise


def make_plain(
    kind: Kind, methods: Collection[Method] = tuple(METHODS), answer_format: AnswerFormat = EXAM_FORMAT
) -> dspy.Module:
    """Return an uncompiled program: of sessions by some methods, of items, or of an exam in a form of answer."""
    if kind == "session":
        return SessionWriter(methods)
    return ItemConverter() if kind == "items" else Exam("generate", answer_format)
