"""Writes EmoBench as a task of lm-evaluation-harness or of inspect_ai, for people who do not have EmoReason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from pprint import pformat
from typing import Any, Literal, get_args

from jinja2 import Environment, PackageLoader, StrictUndefined

from corpus.errors import RunError, UsageError
from corpus.jsonl import write_text_atomically
from corpus.records import Task
from eval.emobench import Language
from eval.export_task.bundle import WIDTH, bundle
from eval.export_task.items import HUB_CONFIGS, HUB_DATASET
from eval.export_task.prompts import PROMPT_NAMES, PROMPTS, TASKS, Shown
from eval.reading import RULES

Tool = Literal["lm-eval", "inspect"]
TOOLS: tuple[Tool, ...] = get_args(Tool)
TASK_VERSION = 1  # raised by hand when a score of these files may change though prompt and rules have not
MAX_TOKENS = 1024  # room to reason; an answer that is cut off is unanswered
METRICS = ("answered", "strict", "lenient")
_TITLES = {"EA": "Emotional application: what helps most", "EU": "Emotional understanding: the emotion and its cause"}


def export_task(
    tool: Tool, folder: Path, tasks: Sequence[Task] = TASKS, lang: Language = "en", answer_format: Shown = "letter"
) -> list[Path]:
    """Write the files of a task into ``folder``, which is made; files of an earlier export are replaced.

    Args:
        tool: whom the files are for.
        folder: where to write.
        tasks: which of EA and EU.
        lang: language of the items; the exam's instructions are English in both.
        answer_format: what the model is asked to write.

    Returns:
        The files written.

    Raises:
        UsageError: ``folder`` is a file.
        RunError: a file cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"export-task: {folder} is a file; name a folder")
    files = (_for_lm_eval if tool == "lm-eval" else _for_inspect)(tasks, lang, answer_format)
    written = []
    for name, text in files:
        try:
            write_text_atomically(folder / name, text)
        except OSError as error:
            raise RunError(f"{folder / name}: cannot be written ({error.strerror}); name another folder") from error
        written.append(folder / name)
    return written


def _for_lm_eval(tasks: Sequence[Task], lang: Language, answer_format: Shown) -> Iterator[tuple[str, str]]:
    yield "utils.py", _render("utils.py.j2", code=bundle("eval.export_task.lm_eval_task"))
    names = []
    for task in tasks:
        stem = "_".join(["emobench", task.lower(), *_other(lang, "en"), *_other(answer_format, "letter")])
        names.append(f"emoreason_{stem}")
        facts = {"name": names[-1], "task": task, "lang": lang, "config": HUB_CONFIGS[task]}
        prompt = {"prompt": PROMPTS[task][answer_format], "prompt_name": PROMPT_NAMES[task][answer_format]}
        yield f"{stem}.yaml", _render("generate.yaml.j2", **facts, **prompt)
        if answer_format == "letter":  # what is not written needs no reasoning before it
            yield f"{stem}_likelihood.yaml", _render("likelihood.yaml.j2", **facts, **prompt)
    listed = ",".join(names)
    yield "README.md", _readme(
        "lm-evaluation-harness", tasks, answer_format,
        f"lm-eval run --model hf --model_args pretrained=MODEL --include_path . --tasks {listed} --apply_chat_template",
        f"lm-eval run --model hf --model_args pretrained=MODEL --include_path . --tasks {listed} --apply_chat_template "
        """--metadata '{"data": "../EmoBench/data"}'""",
    )  # fmt: skip


def _for_inspect(tasks: Sequence[Task], lang: Language, answer_format: Shown) -> Iterator[tuple[str, str]]:
    yield (
        "emobench.py",
        _render(
            "emobench.py.j2",
            code=bundle("eval.export_task.items"),
            tasks=tasks,
            titles=_TITLES,
            lang=lang,
            answer_format=answer_format,
            prompt_names=pformat(PROMPT_NAMES, width=WIDTH, sort_dicts=False),
        ),
    )
    yield "README.md", _readme(
        "inspect_ai", tasks, answer_format,
        "inspect eval emobench.py --model MODEL",
        f"inspect eval emobench.py@emobench_{tasks[0].lower()} --model MODEL -T data=../EmoBench/data -T lang={lang}",
    )  # fmt: skip


def _readme(tool: str, tasks: Sequence[Task], answer_format: Shown, *commands: str) -> str:
    names = [PROMPT_NAMES[task][answer_format] for task in tasks]
    return _render("README.md.j2", tool=tool, prompt_names=names, commands=commands)


def _render(template: str, **values: Any) -> str:
    environment = Environment(
        loader=PackageLoader("eval.export_task", "templates"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=False,
        autoescape=False,  # these are programs and YAML, not pages
    )
    author = f"EmoReason {version('emoreason')}"
    written_by = f"Written by {author}: its exam prompt, its reading of answers (rules, version {RULES})."
    return environment.get_template(template).render(
        written_by=written_by, version=TASK_VERSION, rules=RULES, metrics=METRICS, max_tokens=MAX_TOKENS,
        dataset=HUB_DATASET, **values,
    )  # fmt: skip


def _other(value: str, usual: str) -> list[str]:
    return [] if value == usual else [value]
