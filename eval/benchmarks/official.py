"""EmoBench asked and read as its official script does, from the prompt files of a checkout that the user names.

The files are read at run time and nothing of them is kept, so scores under this protocol compare with the official
leaderboard.  `OfficialPrompts.messages` renders a question, `read_official` reads the answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from corpus.errors import DataError, UsageError
from corpus.text import one_line
from eval.benchmarks.base import Answer, Question
from eval.benchmarks.choice import read_choices
from signatures.formats import LETTERS

# The most tokens of an answer, by whether the model is to think in writing: what the official script allows a
# model that it runs itself.
NEW_TOKENS = {False: 50, True: 2048}
PROMPTS, RESPONSE = "prompts.yaml", "response.yaml"
_IN_CHECKOUT = Path("src", "configs")
_SECTIONS = {PROMPTS: ("sys", "EA", "EU"), RESPONSE: ("base", "cot", "EA", "EU", "reasoning")}
# What the user message of a task is filled with.
_FIELDS = {
    "EA": ("scenario", "subject", "choices", "q_type"),
    "EU": ("scenario", "subject", "emo_choices", "cause_choices"),
}
_BLOCK = re.compile(r"```json\s*(.*?)```", re.DOTALL)
_FENCE = "```json"

Texts = Mapping[str, Mapping[str, str]]  # section → language → text
_TEXTS: TypeAdapter[dict[str, dict[str, str]]] = TypeAdapter(dict[str, dict[str, str]])


@dataclass(frozen=True)
class OfficialPrompts:
    """The texts of the official prompt files."""

    prompts: Texts
    response: Texts

    def messages(self, question: Question, thinking: bool, model: str = "") -> list[dict[str, str]]:
        """Return the system and the user message by which the official script asks a question of EmoBench.

        Args:
            question: of EmoBench, its choices in any order.
            model: the model's name; one with "qwen" in it is told not to think, unless it is to think in writing.

        Raises:
            UsageError: the question is of another exam.
        """
        if "task" not in question.about:
            raise UsageError(f"the official protocol is that of EmoBench, and {question.id} is of another exam")
        task, lang = question.about["task"], question.lang
        statement = self.response["cot" if thinking else "base"][lang]
        conditions = self.response[task][lang]
        if thinking:
            conditions = f"{self.response['reasoning'][lang]},\n{conditions}"
        form = f"\n{statement}\n```json\n    {{\n    {conditions}\n    }}\n``` \n    "
        switch = "/no_think\n\n" if "qwen" in model.lower() and not thinking else ""
        return [
            {"role": "system", "content": f"{switch}{self.prompts['sys'][lang]}{form}"},
            {"role": "user", "content": self.prompts[task][lang].format(**_fields(question))},
        ]


def load_official(folder: Path) -> OfficialPrompts:
    """Read ``prompts.yaml`` and ``response.yaml`` from their folder, or from a checkout of EmoBench that holds it.

    Raises:
        DataError: a file is missing or malformed, or lacks a text; the message names the key.
    """
    folder = folder / _IN_CHECKOUT if (folder / _IN_CHECKOUT).is_dir() else folder
    official = OfficialPrompts(_load(folder / PROMPTS), _load(folder / RESPONSE))
    for task, fields in _FIELDS.items():
        for lang, text in official.prompts[task].items():
            try:
                text.format(**dict.fromkeys(fields, ""))
            except (LookupError, ValueError, AttributeError) as error:  # an unknown name, a bare {}, a single brace
                raise DataError(
                    f"{folder / PROMPTS}: {task}.{lang}: cannot be filled in ({error}); it may name {', '.join(fields)}"
                ) from error
    return official


def read_official(raw: str, question: Question) -> Answer:
    """Read as the official script does, strictly, and by our lenient rule beside it.

    Strictly: the text of the first ```json block, or else the whole text, is one JSON object whose field equals the
    letter.  Whatever else was written is not an answer.
    """
    found = parse_official(raw)
    strict = tuple(_index(found.get(part.field), len(part.choices)) for part in question.parts)
    return replace(read_choices(raw, question), strict=strict)


def _fields(question: Question) -> dict[str, str]:
    options = [_render(part.choices) for part in question.parts]
    own = [*options, question.about["question type"]] if question.about["task"] == "EA" else options
    values = [question.texts["scenario"], question.about["subject"], *own]
    return dict(zip(_FIELDS[question.about["task"]], values, strict=True))


def _render(choices: tuple[str, ...]) -> str:
    return "\n".join(f"{letter}) {choice}" for letter, choice in zip(LETTERS, choices, strict=False))


def parse_official(raw: str) -> dict[str, object]:
    """Return the object that the official script reads an answer from; empty when it reads none."""
    text = raw
    if _FENCE in raw:
        block = _BLOCK.search(raw)
        if block is None:  # the block was begun and cut
            return {}
        text = block[1].replace(_FENCE, "")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # not JSON, a number of thousands of digits, or nested too deep
        return {}
    return value if isinstance(value, dict) else {}


def _index(answer: object, options: int) -> int | None:
    if not isinstance(answer, str) or len(answer) != 1:
        return None
    index = LETTERS.find(answer)
    return index if 0 <= index < options else None


def _load(path: Path) -> Texts:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); name the folder with {PROMPTS} and {RESPONSE}"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8; fetch the file again") from error
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise DataError(f"{path}{line}: not YAML ({error.problem}); fetch the file again") from error
    except yaml.YAMLError as error:  # a character that no YAML may hold
        raise DataError(f"{path}: not YAML ({one_line(str(error))}); fetch the file again") from error
    try:
        texts = _TEXTS.validate_python(found)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the file"
        raise DataError(f"{path}: {key}: {first['msg']}; expected section, language, and text") from error
    for section in _SECTIONS[path.name]:
        for lang in ("en", "zh"):
            if lang not in texts.get(section, {}):
                raise DataError(f"{path}: {section}.{lang} is missing; fetch the file again")
    return texts
