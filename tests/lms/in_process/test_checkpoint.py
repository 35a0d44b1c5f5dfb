from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import chisquare

from corpus.errors import ModelError
from lms.in_process.checkpoint import Checkpoint
from lms.in_process.job import Answer, Job, Ranking, Step
from tests.lms.in_process.conftest import ARCHITECTURES

ASK = [{"role": "user", "content": "Who was warm?"}]
QUESTIONS = [f"Who moved ladder {n}? " + "The kettle was warm. " * (n % 4) for n in range(8)]


def prompt_of(checkpoint: Checkpoint, text: str) -> list[int]:
    return checkpoint.chat.encode(checkpoint.chat.render([{"role": "user", "content": text}]))


def greedy_ids(checkpoint: Checkpoint, prompt: list[int], length: int) -> list[int]:
    """Answer tokens of greedy decoding, one full forward pass per token."""
    ids = list(prompt)
    with torch.inference_mode():
        for _ in range(length):
            ids.append(int(checkpoint.model(torch.tensor([ids], device=checkpoint.device)).logits[0, -1].argmax()))
    return ids[len(prompt) :]


def test_the_answer_is_greedy(checkpoint: Checkpoint) -> None:
    prompt = prompt_of(checkpoint, "Who was warm?")
    (answer,) = checkpoint.generate([Job(prompt, 6)])
    assert answer == Answer(checkpoint.chat.decode(greedy_ids(checkpoint, prompt, 6)), 6, stopped=False)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_each_architecture_answers_alone_as_in_company(architectures: dict[str, Path], name: str) -> None:
    checkpoint = Checkpoint(str(architectures[name]))
    assert type(checkpoint.model) is ARCHITECTURES[name][1]
    jobs = [
        Job(prompt_of(checkpoint, text), 12, temperature, top_k=30, top_p=0.95, seed=n)
        for n, (text, temperature) in enumerate(zip(QUESTIONS, (0.0, 0.7, 1.0, 0.0, 1.5, 0.3, 1.0, 0.9), strict=True))
    ]
    alone = [checkpoint.generate([job])[0] for job in jobs]
    assert checkpoint.generate(jobs) == alone
    assert checkpoint.generate(jobs[::-1]) == alone[::-1]
    assert len({answer.text for answer in alone}) > 4
    greedy = greedy_ids(checkpoint, jobs[0].prompt, 12)
    assert not {1, 2} & set(greedy), "no end token, or the next line compares too little"
    assert alone[0].text == checkpoint.chat.decode(greedy), "the checkpoint's repetition penalty must not show"


@pytest.mark.parametrize("name", [*ARCHITECTURES, "sliding", "positions"])
def test_prompts_that_begin_alike_are_answered_as_alone(
    name: str, checkpoint: Checkpoint, model_of: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "model", model_of(name))
    opening = prompt_of(checkpoint, "The kettle was still warm when Ada came back from the yard. Who moved the ladder?")
    jobs = [Job([*opening, *prompt_of(checkpoint, text)], 12) for text in QUESTIONS]
    assert len({len(job.prompt) for job in jobs}) > 2
    answers = checkpoint.generate(jobs)
    assert [answer.text for answer in answers] == [
        checkpoint.chat.decode(greedy_ids(checkpoint, job.prompt, answer.tokens))
        for job, answer in zip(jobs, answers, strict=True)
    ]


def test_sampled_first_tokens_follow_the_softmax(checkpoint: Checkpoint) -> None:
    prompt, temperature, draws, cells = prompt_of(checkpoint, "Who?"), 1.3, 512, 8
    with torch.inference_mode():
        logits = checkpoint.model(torch.tensor([prompt], device=checkpoint.device)).logits[0, -1].double().cpu()
    expected = (logits / temperature).softmax(-1)
    texts = [checkpoint.chat.decode([token]) for token in range(len(expected))]
    likeliest = [n for n in expected.argsort(descending=True).tolist() if texts.count(texts[n]) == 1][:cells]
    drawn: list[str] = []
    for start in range(0, draws, 64):
        batch = [Job(prompt, 1, temperature, seed=seed) for seed in range(start, start + 64)]
        drawn += [answer.text for answer in checkpoint.generate(batch)]
    counts = [drawn.count(texts[token]) for token in likeliest]
    wanted = [float(expected[token]) * draws for token in likeliest]
    assert chisquare([*counts, draws - sum(counts)], [*wanted, draws - sum(wanted)]).pvalue > 0.01


def test_a_seed_decides_and_another_decides_otherwise(checkpoint: Checkpoint) -> None:
    prompt = prompt_of(checkpoint, "Who moved the ladder?")
    texts = [checkpoint.generate([Job(prompt, 12, 1.0, seed=seed)])[0].text for seed in (1, 2, 3, 1)]
    assert texts[0] == texts[3]
    assert len(set(texts)) == 3


def test_top_k_1_is_greedy(checkpoint: Checkpoint) -> None:
    prompt = prompt_of(checkpoint, "Who moved the ladder?")
    greedy, top = checkpoint.generate([Job(prompt, 12), Job(prompt, 12, temperature=1.5, top_k=1, seed=4)])
    assert greedy == top


def test_a_stop_string_ends_its_row_alone_and_the_batch_with_the_last(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompt = prompt_of(checkpoint, "Who moved the ladder?")
    (whole,) = checkpoint.generate([Job(prompt, 24)])
    stop = whole.text[8:11]
    before = whole.text[: whole.text.index(stop)]
    steps = 0
    forward = checkpoint.model.forward

    def count(*args: object, **kwargs: object) -> object:
        nonlocal steps
        steps += 1
        return forward(*args, **kwargs)

    monkeypatch.setattr(checkpoint.model, "forward", count)
    both = checkpoint.generate([Job(prompt, 24, stop=("nowhere to be seen", stop)), Job(prompt, 24)])
    assert (both[0].text, both[0].stopped) == (before, True)
    assert both[1] == whole
    assert steps == 24
    steps = 0
    assert checkpoint.generate([Job(prompt, 24, stop=(stop,))] * 2) == [both[0]] * 2
    assert steps == both[0].tokens < 24


@pytest.mark.parametrize("eos", [1, [1, 2]])
def test_all_end_tokens_of_the_generation_config_count(student: Path, tmp_path: Path, eos: int | list[int]) -> None:
    prompt_ids = greedy_ids(checkpoint := Checkpoint(str(student)), prompt_of(checkpoint, "Who?"), 8)
    end = next(n for n, token in enumerate(prompt_ids) if n and token not in prompt_ids[:n])
    folder = tmp_path / "student"
    shutil.copytree(student, folder)
    settings = json.loads((folder / "generation_config.json").read_text())
    settings["eos_token_id"] = prompt_ids[end] if isinstance(eos, int) else [1, prompt_ids[end]]
    (folder / "generation_config.json").write_text(json.dumps(settings))
    (answer,) = Checkpoint(str(folder)).generate([Job(prompt_of(checkpoint, "Who?"), 8)])
    assert (answer.tokens, answer.stopped) == (end, True)
    assert answer.text == checkpoint.chat.decode(prompt_ids[:end])


def test_a_checkpoint_with_sampling_values_is_silent(
    architectures: dict[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    checkpoint = Checkpoint(str(architectures["qwen2"]))
    prompt = prompt_of(checkpoint, "Who?")
    checkpoint.generate([Job(prompt, 4), Job([*prompt, *prompt], 4, temperature=0.7, seed=1)])
    assert capfd.readouterr() == ("", "")


def test_an_adapter_loads_beside_its_base_and_answers_otherwise(
    checkpoint: Checkpoint, adapter: Path, student: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    adapted = Checkpoint(str(adapter))
    ids = torch.tensor([prompt_of(adapted, "Who?")], device=adapted.device)
    assert ids[0].tolist() == prompt_of(checkpoint, "Who?")
    reference = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(student), adapter).to(adapted.device)
    with torch.inference_mode():
        logits = adapted.model(ids).logits
        assert torch.allclose(logits, reference.eval()(ids).logits, atol=1e-5)
        assert not torch.allclose(logits, checkpoint.model(ids).logits, atol=0.1)
    job = Job(ids[0].tolist(), 8)
    assert adapted.generate([job]) != checkpoint.generate([job])
    ranking = Ranking(ids[0].tolist(), (Step(("She waited.", "Ada came back from the yard.")),), room=16)
    ((adapted_scores,),), ((own_scores,),) = adapted.rank([ranking], 8), checkpoint.rank([ranking], 8)
    assert adapted_scores != pytest.approx(own_scores, abs=0.01)


def test_an_adapter_with_a_tokenizer_of_its_own_uses_it(adapter: Path, student: Path, tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    shutil.copytree(adapter, folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(student / name, folder)
    (folder / "chat_template.jinja").write_text("{{ messages[0]['content'] }}!")
    assert Checkpoint(str(folder)).chat.render(ASK) == "Who was warm?!"


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new), encoding="utf-8")

    return apply


def cut(name: str, length: int) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        (folder / name).write_bytes((folder / name).read_bytes()[:length])

    return apply


BROKEN = {
    "cut weights": cut("model.safetensors", 2000),
    "no weights": lambda folder: (folder / "model.safetensors").unlink(),
    "cut tokenizer": cut("tokenizer.json", 500),
    "no tokenizer": lambda folder: [file.unlink() for file in folder.glob("tokenizer*")],
    "config of no type": lambda folder: (folder / "config.json").write_text("{}"),
    "cut config": cut("config.json", 30),
    "wrong sizes": edit("config.json", '"hidden_size": 32', '"hidden_size": 64'),
    "wrong type": edit("config.json", '"hidden_size": 32', '"hidden_size": "x"'),
    "a layer missing": edit("config.json", '"num_hidden_layers": 2', '"num_hidden_layers": 3'),
    "another library": edit(
        "config.json", '"model_type"', '"quantization_config": {"quant_method": "gptq", "bits": 4}, "model_type"'
    ),
    "its own code": edit(
        "config.json",
        '"model_type": "llama"',
        '"model_type": "own", "auto_map": {"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M"}',
    ),
}


@pytest.mark.parametrize("damage", BROKEN)
def test_a_checkpoint_that_cannot_be_loaded_is_told_in_one_line(student: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(student, folder)
    BROKEN[damage](folder)
    with pytest.raises(ModelError, match=r"cannot be loaded: .+; give a folder") as caught:
        Checkpoint(str(folder))
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "damage",
    [edit("adapter_config.json", "student", "gone"), edit("adapter_config.json", '"r": 4', '"r": 8')],
    ids=["base", "rank"],
)
def test_an_adapter_that_does_not_fit_is_told_in_one_line(
    adapter: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(adapter, folder)
    damage(folder)
    with pytest.raises(ModelError, match="cannot be loaded") as caught:
        Checkpoint(str(folder))
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_too_large_for_the_device_is_told_with_advice(student: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import PreTrainedModel

    def full(*args: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(PreTrainedModel, "to", full)
    with pytest.raises(ModelError, match="CUDA out of memory; choose a smaller model"):
        Checkpoint(str(student))
