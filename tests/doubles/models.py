"""Models, their names, and the records that `tags`, `ps`, and `show` give of them."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections import UserDict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tests.doubles.wire import Refusal, local, omit_empty

Mode = Literal["rendered", "native", "legacy", "early_30"]

CHATML = "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}"
_NAME = re.compile(rf"(?:(?:[A-Za-z0-9_][A-Za-z0-9_.:-]*/)?{_PART}/)?{_PART}(?::{_PART})?")
_DEFAULT_PLACE = ("registry.ollama.ai/library/", "library/")


def numbers_of(version: str) -> tuple[int, ...]:
    """A version as numbers that compare."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def mode_of(version: str, jinja: bool = False) -> Mode:
    """How a server of some version treats long prompts; from 0.30 on, models with a template in Jinja differ."""
    numbers = numbers_of(version)
    if numbers < (0, 30):
        return "legacy"
    if jinja:
        return "native"
    return "early_30" if numbers < (0, 30, 9) else "rendered"


def full_name(name: str) -> str:
    """The name as lists show it: with its tag, `latest` where none is given."""
    for place in _DEFAULT_PLACE:
        name = name.removeprefix(place)
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def check_name(name: str) -> str:
    """Return a model's full name.

    Raises:
        Refusal: 400 for a malformed name; 403 for a cloud model, which a real server would fetch from the internet.
    """
    if not _NAME.fullmatch(name):
        raise Refusal(400, "invalid model name")
    tag = full_name(name).rpartition(":")[2]
    if tag == "cloud" or tag.endswith("-cloud"):
        raise Refusal(403, "ollama cloud is disabled: remote inference is unavailable")
    return full_name(name)


@dataclass
class Model:
    """A model that the double has.

    ``mode`` says what happens to a prompt that is too long (overflow.py), and so stands for the server's version and
    the kind of template.  ``blob`` names the weights: models that share it evict one another from memory.
    """

    name: str
    mode: Mode = "rendered"
    capabilities: tuple[str, ...] = ("completion",)
    train_ctx: int = 131072
    params: dict[str, Any] = field(default_factory=dict)
    system: str = ""
    template: str = CHATML
    adapters: tuple[str, ...] = ()
    family: str = "llama"
    digest: str = ""
    size: int = 2497394112
    blob: str = ""
    license: tuple[str, ...] = ()
    messages: tuple[dict[str, Any], ...] = ()
    parent: str = ""
    quantization: str = "Q8_0"
    modified: int = field(default_factory=time.time_ns)

    def __post_init__(self) -> None:
        self.name = full_name(self.name)
        self.digest = self.digest or hashlib.sha256(self.name.encode()).hexdigest()
        self.blob = self.blob or hashlib.sha256(f"weights of {self.name}".encode()).hexdigest()

    def details(self) -> dict[str, Any]:
        """What every list says about the weights."""
        return {
            "parent_model": self.parent, "format": "gguf", "family": self.family, "families": [self.family],
            "parameter_size": "1.2B", "quantization_level": self.quantization,
        }  # fmt: skip

    def identity(self) -> dict[str, Any]:
        """The fields that `tags` and `ps` share."""
        return {"name": self.name, "model": self.name, "size": self.size, "digest": self.digest}

    def tag(self, version: str) -> dict[str, Any]:
        """The model in `GET /api/tags`; its sizes and capabilities stand there since 0.30."""
        record = self.identity() | {"modified_at": local(self.modified), "details": self.details()}
        if numbers_of(version) >= (0, 30):
            record["details"] |= {"context_length": self.train_ctx, "embedding_length": 2048}
            record["capabilities"] = list(self.capabilities)
        return record

    def show(self) -> dict[str, Any]:
        """The model in `POST /api/show`."""
        family = self.family
        return {
            **omit_empty(license="\n".join(self.license)),
            "modelfile": self._modelfile(),
            **omit_empty(parameters="\n".join(self._parameters()), template=self.template, system=self.system),
            "details": self.details(),
            **omit_empty(messages=list(self.messages)),
            "model_info": {
                "general.architecture": family, "general.parameter_count": 1235814432, f"{family}.block_count": 16,
                f"{family}.context_length": self.train_ctx, f"{family}.embedding_length": 2048,
            },
            "capabilities": list(self.capabilities),
            "modified_at": local(self.modified),
        }  # fmt: skip

    def _parameters(self) -> list[str]:
        pairs = ((key, each) for key, value in self.params.items() for each in _each(value))
        return [f"{key:<30} {_go_syntax(value)}" for key, value in pairs]

    def _modelfile(self) -> str:
        lines = ['# Modelfile generated by "ollama show"', f"FROM {self.parent or self.name}"]
        lines += [f"ADAPTER sha256-{digest.removeprefix('sha256:')}" for digest in self.adapters]
        lines += [f'TEMPLATE """{self.template}"""'] if self.template else []
        lines += [f'SYSTEM """{self.system}"""'] if self.system else []
        pairs = ((key, each) for key, value in self.params.items() for each in _each(value))
        return "\n".join(lines + [f"PARAMETER {key} {value}" for key, value in pairs]) + "\n"


class Models(UserDict[str, Model]):
    """The models by name; a name without a tag means `latest`, and case does not count."""

    def __init__(self, models: Iterable[Model] = ()):
        super().__init__()
        for model in models:
            self.add(model)

    def __getitem__(self, name: str) -> Model:
        return self.data[full_name(name).lower()]

    def __setitem__(self, name: str, model: Model) -> None:
        self.data[full_name(name).lower()] = model

    def __delitem__(self, name: str) -> None:
        del self.data[full_name(name).lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and full_name(name).lower() in self.data

    def discard(self, name: str) -> None:
        """Forget a model if it is there."""
        self.data.pop(full_name(name).lower(), None)

    def add(self, model: Model) -> None:
        """Put a model under its own name."""
        self[model.name] = model

    def copy_as(self, source: str, destination: str) -> None:
        """Give a model a second name; both share the weights."""
        self[destination] = replace(self[source], name=full_name(destination), modified=time.time_ns())

    def newest_first(self) -> list[Model]:
        """The models in the order of `GET /api/tags`."""
        return sorted(self.data.values(), key=lambda model: model.modified, reverse=True)


def _each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _go_syntax(value: Any) -> str:
    """A value as Go's `%#v` prints it."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, ensure_ascii=False)
