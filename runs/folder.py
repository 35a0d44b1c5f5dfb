"""A run is a folder:

recipe.yaml     the recipe as resolved        journals/   one append-only JSONL per stage
manifest.json   versions, models, spending    data/       items.jsonl, aside.jsonl, dropped.jsonl, README.md …
stages/         a marker per finished stage   student/    base, checkpoints, tuned
exam/           marked answers                reviews/    what people said of items, one file each
programs/       copies of compiled programs   calls.jsonl one line per call of a model
answers.jsonl   answers kept (the cache)
                                              report.json, report.html
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from corpus.errors import EmoReasonError, RecipeError, RunError
from corpus.jsonl import write_text_atomically
from runs.holding import hold_folder
from runs.recipe import Recipe, flatten, is_operational

STAGES = ("generate", "verify", "curate", "train", "exam", "report")
_PACKAGES = ("emoreason", "dspy-ai", "torch", "transformers", "trl", "peft", "datasets")


class Run:
    """An opened run folder; made by `open_run`."""

    def __init__(self, path: Path, recipe: Recipe):
        self.path, self.recipe = path, recipe

    def journal_path(self, name: str) -> Path:
        """Path of a stage's journal."""
        return self.path / "journals" / f"{name}.jsonl"

    @property
    def items_path(self) -> Path:
        """The curated items, sorted by ID."""
        return self.path / "data" / "items.jsonl"

    @property
    def aside_path(self) -> Path:
        """Items that the judge set aside, sorted by ID, each with the reason."""
        return self.path / "data" / "aside.jsonl"

    @property
    def calls_path(self) -> Path:
        """One line per call of a model, whatever the stage."""
        return self.path / "calls.jsonl"

    @property
    def cache_path(self) -> Path | None:
        """The folder in which answers of models are kept, if they are."""
        cache = self.recipe.generate.cache
        return self.path if cache == "run" else cache

    @property
    def manifest(self) -> dict[str, Any]:
        """Versions, seeds, models, spending; raises RunError when it cannot be read."""
        path = self.path / "manifest.json"
        try:
            manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{path} cannot be read; choose another folder with --out") from error
        return manifest

    def note_prompts(self, stage: str, fingerprint: str) -> None:
        """Write into the manifest what tells the prompts of a stage from others."""
        self.note(prompts=self.manifest.get("prompts", {}) | {stage: fingerprint})

    def note(self, **facts: Any) -> None:
        """Write facts into the manifest, over what stood under the same names."""
        write_text_atomically(self.path / "manifest.json", json.dumps(self.manifest | facts, indent=1) + "\n")

    @property
    def student_path(self) -> Path:
        """Where base, checkpoints, and the tuned student live."""
        return self.path / "student"

    def finished(self, stage: str) -> dict[str, Any] | None:
        """Return what a finished stage recorded, or None."""
        try:
            marker: dict[str, Any] = json.loads((self.path / "stages" / f"{stage}.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, json.JSONDecodeError) as error:
            raise RunError(f"{self.path / 'stages' / stage}.json cannot be read; remove it and run again") from error
        return marker

    def finish(self, stage: str, seconds: float, result: dict[str, Any]) -> None:
        """Mark a stage as done, with what later stages and the report need from it."""
        marker = {"stage": stage, "seconds": round(seconds, 2), **result}
        write_text_atomically(self.path / "stages" / f"{stage}.json", json.dumps(marker, indent=1) + "\n")

    def require(self, stage: str) -> dict[str, Any]:
        """Return an earlier stage's record; raises RunError when that stage is not done."""
        if (marker := self.finished(stage)) is None:
            raise RunError(f"{self.path}: stage `{stage}` is not done; run `emoreason {stage}` (or `run`) first")
        return marker


@contextmanager
def open_run(path: Path, recipe: Recipe) -> Iterator[Run]:
    """Open or create a run folder, alone.

    Raises:
        RunError: the folder is in use, is not a run folder, or cannot be written.
        RecipeError: the folder belongs to a recipe that differs; the message names the keys.
    """
    recipe_file = path / "recipe.yaml"

    def check() -> None:
        if path.exists() and not recipe_file.exists() and any(p.name != ".lock" for p in path.iterdir()):
            raise RunError(f"{path} is not empty and not a run folder; choose another with --out")

    with hold_folder(path, check=check):
        if recipe_file.exists():
            _refuse_changes(path, recipe)
        else:
            write_text_atomically(path / "manifest.json", json.dumps(_manifest(recipe), indent=1) + "\n")
            write_recipe(recipe_file, recipe)
        yield Run(path, recipe)


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Write a recipe as resolved, without addresses: the folder that it describes may be given away."""
    addresses = {"__all__": {"base_url"}}
    dump = recipe.model_dump(mode="json", exclude={"lms": addresses, "panel": addresses})
    write_text_atomically(path, yaml.safe_dump(dump, sort_keys=False, allow_unicode=True))


def read_run(path: Path) -> Run:
    """Open an existing run folder for reading; raises RunError."""
    return Run(path, _stored_recipe(path))


def _stored_recipe(path: Path) -> Recipe:
    try:
        return Recipe.model_validate(yaml.safe_load((path / "recipe.yaml").read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise RunError(f"{path} is not a run folder (no recipe.yaml); name one, for example out/quickstart") from error
    except ValidationError as error:
        raise RunError(
            f"{path} was made by another version of EmoReason; use that version, or choose another folder with --out"
        ) from error
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise RunError(f"{path / 'recipe.yaml'} cannot be read; choose another folder with --out") from error


def _refuse_changes(path: Path, recipe: Recipe) -> None:
    old, new = flatten(_stored_recipe(path)), flatten(recipe)
    changed = [
        key for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key) and not is_operational(key)
    ]
    if changed:
        shown = ", ".join(f"{key} ({old.get(key)!r} → {new.get(key)!r})" for key in changed[:4])
        more = f" and {len(changed) - 4} more" if len(changed) > 4 else ""
        raise RecipeError(
            f"{path} was made with another recipe: {shown}{more}; set them back, or choose another folder with --out"
        )


def _manifest(recipe: Recipe) -> dict[str, Any]:
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError as error:
            raise EmoReasonError(f"{package} is not installed; run `make install` in the checkout") from error
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {**versions, "python": platform.python_version()},
        "machine": {"system": platform.system(), "processors": os.cpu_count()},
        "seed": recipe.seed,
        "models": {role: spec.identity for role, spec in recipe.lms.items()},
        "student": recipe.train.base,
    }
