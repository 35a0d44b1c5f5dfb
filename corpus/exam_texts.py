"""The texts of an exam that training data must not repeat, and how their words are compared.

Exams come as items (EmoBench) or as any file of JSON: lines, one array, or one object of rows.  Files are read by
shape alone: every string of at least MIN_WORDS words is a text, and an option when it stands under a key that says so.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from corpus.errors import DataError
from corpus.records import ApplicationItem, UnderstandingItem

Part = Literal["scenario", "option"]

KEY = "curate.decontaminate.files"
MIN_WORDS = 4  # shorter texts are names, labels, and scores
CHARACTERS_PER_WORD = 1.5  # a Chinese word has one or two characters; text segmented for reading averages about 1.5
_OPTION_KEY = re.compile(r"option|choice|answer|distractor|label|选项|答案|^[A-H]$", re.IGNORECASE)
_STEM_KEY = re.compile(r"question|prompt|scenario|story", re.IGNORECASE)  # as in multiple_choice_questions
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_CJK}]|[^\W_{_CJK}]+(?:'[^\W_{_CJK}]+)*")
_QUOTES = str.maketrans("’‘ʼ`´＇", "''''''")


@dataclass(frozen=True)
class ExamText:
    """A text of an exam; ``source`` names exam and item, so that texts of one item have the same source."""

    source: str
    part: Part
    text: str


@dataclass(frozen=True)
class ExamFile:
    """What a file holds: its texts, and one line for each row that cannot be read."""

    texts: tuple[ExamText, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Word:
    """A word, or a Chinese or Japanese character, as it is compared, and where it stands in the folded text."""

    text: str
    start: int
    end: int


def fold(text: str) -> str:
    """Return the text without what a copy may change unseen: case, accents, width, typographic quotes, joiners."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.translate(_QUOTES))
        text = "".join(sign for sign in text if unicodedata.category(sign) not in ("Mn", "Cf"))
        text = unicodedata.normalize("NFKC", text)
    return text.casefold()


def find_words(folded: str) -> Iterator[Word]:
    """Yield the words of a folded text; Chinese and Japanese, which put no spaces, by characters."""
    for found in _WORD.finditer(folded):
        yield Word(found.group().replace("'", ""), *found.span())


def words_of(text: str) -> list[str]:
    """Return the words of a text as they are compared: folded, without punctuation and apostrophes."""
    return [word.replace("'", "") for word in _WORD.findall(fold(text))]


def is_by_characters(words: Sequence[str]) -> bool:
    """Whether most of the words are Chinese or Japanese characters."""
    return 2 * _count_characters(words) > len(words)


def size_of(words: Sequence[str]) -> float:
    """Return the length in words, counting CHARACTERS_PER_WORD Chinese or Japanese characters as one."""
    characters = _count_characters(words)
    return len(words) - characters + characters / CHARACTERS_PER_WORD


def _count_characters(words: Sequence[str]) -> int:
    return sum("\u3040" <= word[0] <= "\u30ff" or "\u3400" <= word[0] <= "\u9fff" for word in words)


def texts_of_items(items: Iterable[UnderstandingItem | ApplicationItem], exam: str = "EmoBench") -> list[ExamText]:
    """Return scenario and options of each item, with sources like ``EmoBench EA-17 (zh)``.

    Options of fewer than MIN_WORDS words, such as all emotions, are left out: every item on emotions has them.
    """
    texts = []
    for item in items:
        source = f"{exam} {item.qid} ({item.language})"
        texts.append(ExamText(source, "scenario", item.scenario))
        options = [choice for choices, _ in item.questions for choice in choices]
        texts += [ExamText(source, "option", option) for option in options if _is_text(option)]
    return texts


def read_exam_file(path: Path) -> ExamFile:
    """Read the texts of JSON Lines, or of one JSON array or object.

    Objects that hold text are rows, and those inside a list are rows of their own unless they are options.  Lines that
    are not JSON are passed over and become problems.

    Raises:
        DataError: the file cannot be read, or holds no text; the message names the key of the recipe.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{KEY}: {path} cannot be read ({error.strerror}); name a JSON or JSONL file") from error
    texts: list[ExamText] = []
    problems: list[str] = []
    for row in _rows_of(content, path):
        if isinstance(row, _BadRow):
            problems.append(f"{row.where}: {row.problem}")
        else:
            texts += _walk(row)
    if not texts:
        unread = f" ({len(problems)} lines cannot be read, first {problems[0]})" if problems else ""
        raise DataError(
            f"{KEY}: {path} holds no text of {MIN_WORDS} words or more{unread}; name a JSON or JSONL file of an exam"
        )
    return ExamFile(tuple(texts), tuple(problems))


@dataclass(frozen=True)
class _BadRow:
    where: str
    problem: str


@dataclass(frozen=True)
class _Node:
    """A value inside a file: the row it belongs to, its path in the file, and whether its keys say option."""

    value: Any
    source: str
    path: str
    part: Part


def _rows_of(content: bytes, path: Path) -> Iterator[_Node | _BadRow]:
    """Yield the whole file where it is one JSON value, else its lines."""
    try:
        yield _Node(json.loads(content.decode("utf-8-sig")), path.name, path.name, "scenario")
        return
    except (ValueError, RecursionError):
        pass  # lines of JSON, as a rule
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not line.strip():
            continue
        where = f"{path.name}, line {number}"
        try:
            yield _Node(json.loads(line.decode("utf-8")), where, where, "scenario")
        except UnicodeDecodeError:
            yield _BadRow(where, "not UTF-8; convert the file to UTF-8")
        except json.JSONDecodeError as error:
            yield _BadRow(where, f"not JSON ({error.msg}); mend or remove the line")
        except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets thousands deep
            yield _BadRow(where, f"not usable JSON ({error}); mend or remove the line")


def _walk(top: _Node) -> Iterator[ExamText]:
    """Yield the texts below a value in reading order; a stack, because a file may nest deeper than Python calls."""
    stack = [top]
    while stack:
        node = stack.pop()
        if isinstance(node.value, str):
            text = node.value.encode("utf-8", "replace").decode("utf-8")  # half an emoji cannot be written again
            if _is_text(text):
                yield ExamText(node.source, node.part, text)
        else:
            stack += reversed(list(_below(node)))


def _below(node: _Node) -> Iterator[_Node]:
    """Yield the values inside an object or a list; those of a map of rows and objects in a list are rows themselves."""
    if isinstance(node.value, dict):
        is_map = all(isinstance(value, dict | list) for value in node.value.values())
        for key, value in node.value.items():
            names_option = _OPTION_KEY.search(key) and not _STEM_KEY.search(key)
            part: Part = "option" if node.part == "option" or names_option else "scenario"
            path = f"{node.path}, {' '.join(key.split())}"
            yield _Node(value, path if is_map and part == "scenario" else node.source, path, part)
    elif isinstance(node.value, list):
        for number, value in enumerate(node.value):
            path = f"{node.path}[{number}]"
            is_row = isinstance(value, dict) and node.part == "scenario"
            yield _Node(value, path if is_row else node.source, path, node.part)


def _is_text(text: str) -> bool:
    return size_of(words_of(text)) >= MIN_WORDS
