"""EmoBench (Sabour et al., ACL 2024), English and Chinese: from a local folder or from the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from corpus.errors import DataError
from corpus.jsonl import iter_objects
from corpus.records import ApplicationItem, Item, UnderstandingItem
from eval.config import HUB
from signatures.formats import LETTERS

Language = Literal["en", "zh"]

HUB_DATASET = "SahandSab/EmoBench"
PROBE_SECONDS = 5.0
FILES = {"EA": "EA.jsonl", "EU": "EU.jsonl"}
_ITEM: TypeAdapter[UnderstandingItem | ApplicationItem] = TypeAdapter(Item)


class EmoBenchUnavailable(DataError):
    """EmoBench could not be fetched; an exam goes on without it and says so."""


def load_emobench(source: str, languages: Sequence[Language] = ("en",)) -> list[UnderstandingItem | ApplicationItem]:
    """Return the items of both tasks in some languages, IDs prefixed with the task (``EA-17``).

    An item has the same ID in both languages.  The exam is taken in English; decontamination needs both.

    Raises:
        EmoBenchUnavailable: the hub cannot be reached.
        DataError: the folder lacks a file, or a row is malformed; the message names the line.
    """
    return _from_hub(languages) if source == HUB else _from_folder(Path(source), languages)


def _from_folder(folder: Path, languages: Sequence[Language]) -> list[UnderstandingItem | ApplicationItem]:
    if missing := [name for name in FILES.values() if not (folder / name).is_file()]:
        raise DataError(f"{folder} has no {missing[0]}; name the folder of EmoBench's {' and '.join(FILES.values())}")
    items = []
    for task, name in FILES.items():
        for number, row in iter_objects(folder / name):
            if row.get("language", "en") in languages:
                items.append(_read(row, task, f"{folder / name}, line {number}"))
    return items


def _from_hub(languages: Sequence[Language]) -> list[UnderstandingItem | ApplicationItem]:
    import httpx
    from datasets import get_dataset_config_names, load_dataset
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError

    items = []
    try:
        if not constants.HF_HUB_OFFLINE:  # offline, the cache is read; online, one quick look before patient retries
            HfApi().dataset_info(HUB_DATASET, timeout=PROBE_SECONDS)
        for config in get_dataset_config_names(HUB_DATASET):
            for split in load_dataset(HUB_DATASET, config).values():
                for number, row in enumerate(split, 1):
                    task = "EU" if "emotion_choices" in row else "EA"
                    if row.get("language", "en") in languages:
                        items.append(_read(row, task, f"{HUB_DATASET} {config}, row {number}"))
    except (OSError, HfHubHTTPError, httpx.HTTPError) as error:  # offline mode and ConnectionError are OSErrors
        raise EmoBenchUnavailable(
            f"EmoBench is not here: {HUB_DATASET} cannot be reached ({type(error).__name__}); "
            "with a local copy use --emobench DIR (score, compare, and leaderboard: --data DIR)"
        ) from error
    return items


def _read(row: dict[str, Any], task: str, where: str) -> UnderstandingItem | ApplicationItem:
    known = {**row, "task": task}
    if "qid" in row:
        known["qid"] = f"{task}-{row['qid']}"
    try:
        item = _ITEM.validate_python(known)
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"{where}: {'.'.join(map(str, first['loc'][1:]))}: {first['msg']}") from error
    for choices, label in item.questions:
        if label not in choices:
            raise DataError(f"{where}: the label is not among the choices")
        if len(choices) > len(LETTERS) or len(set(choices)) < len(choices):
            raise DataError(f"{where}: the choices must differ, and be {len(LETTERS)} at most, as letters name them")
    return item
