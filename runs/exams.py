"""The exams that a recipe's items are compared with: EmoBench in both languages, and the files that it lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from corpus.contamination import ContaminationIndex
from corpus.exam_texts import ExamText, read_exam_file, texts_of_items
from eval.emobench import EmoBenchUnavailable, Language, load_emobench
from runs.recipe import Recipe

LANGUAGES: tuple[Language, ...] = ("en", "zh")
OFF = "curate.decontaminate.enabled is false: the items are compared with no exam, and data card and report say so"


@dataclass(frozen=True)
class Exams:
    """The texts of the exams, ready for comparison: source → texts, what could not be read, and whether it is off."""

    index: ContaminationIndex
    compared: dict[str, int]
    problems: list[str]
    off: bool

    def as_json(self) -> dict[str, Any]:
        """Return what a stage records of it."""
        return {"compared": self.compared, "problems": self.problems, "off": self.off}


def gather_exams(recipe: Recipe) -> Exams:
    """Read the exams of a recipe; one that is out of reach, or a line that cannot be read, is a problem that is named.

    Raises:
        DataError: a file that the recipe names cannot be read, or holds no text.
    """
    config = recipe.curate.decontaminate
    if not config.enabled:
        return Exams(ContaminationIndex([], config), {}, [OFF], off=True)
    texts: list[ExamText] = []
    compared: dict[str, int] = {}
    problems: list[str] = []
    if recipe.exam.emobench is None:
        problems.append("exam.emobench is null: the items are not compared with EmoBench")
    else:
        try:
            for language in LANGUAGES:
                found = texts_of_items(load_emobench(recipe.exam.emobench, (language,)))
                compared[f"EmoBench, {language}"] = len(found)
                texts += found
        except EmoBenchUnavailable as error:
            problems.append(f"{error}. The items are not compared with it")
    for path in config.files:
        file = read_exam_file(path)
        compared[path.name] = len(file.texts)
        texts += file.texts
        problems += file.problems
    return Exams(ContaminationIndex(texts, config), compared, problems, off=False)
