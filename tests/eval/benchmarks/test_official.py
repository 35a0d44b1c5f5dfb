from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from corpus.errors import DataError, UsageError
from eval.benchmarks import BENCHMARKS, Question, reordered
from eval.benchmarks.official import load_official, read_official
from tests.conftest import OFFICIAL_EMOBENCH, OFFICIAL_PROMPTS

OWN_PROMPTS = """
sys:
  en: |
    Read this.
  zh: 请读。
EA:
  en: |
    {scenario}
    Which {q_type}, {subject}?
    {choices}
  zh: "{subject} {q_type} {choices} {scenario}"
EU:
  en: "{scenario} {subject}\\n{emo_choices}\\n---\\n{cause_choices}"
  zh: "{scenario} {subject} {emo_choices} {cause_choices}"
"""
OWN_RESPONSE = """
base: {en: "Answer {so}:", zh: 回答：}
cot: {en: "Think:", zh: 思考：}
EA: {en: '"answer": "<letter>"', zh: '"answer": "<字母>"'}
EU: {en: '"answer_q1": "<l>", "answer_q2": "<l>"', zh: '"answer_q1": "<字>"'}
reasoning: {en: '"reasoning": "<why>"', zh: '"reasoning": "<为什么>"'}
"""
official_files = pytest.mark.skipif(not OFFICIAL_PROMPTS.is_dir(), reason="the official prompt files are not at hand")


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    (tmp_path / "prompts.yaml").write_text(OWN_PROMPTS, encoding="utf-8")
    (tmp_path / "response.yaml").write_text(OWN_RESPONSE, encoding="utf-8")
    return tmp_path


def test_the_form_of_the_answer_ends_the_system_message(configs: Path, application: Question) -> None:
    system, user = load_official(configs).messages(application, thinking=False)
    assert system == {
        "role": "system",
        "content": 'Read this.\n\nAnswer {so}:\n```json\n    {\n    "answer": "<letter>"\n    }\n``` \n    ',
    }
    first, second, *options = user["content"].splitlines()
    assert (user["role"], second) == ("user", "Which Action, Rhona?")
    assert first == application.texts["scenario"]
    assert options == [
        f"{letter}) {choice}" for letter, choice in zip("ABCD", application.parts[0].choices, strict=True)
    ]


def test_thinking_puts_the_reasoning_first(configs: Path, application: Question) -> None:
    system, _ = load_official(configs).messages(application, thinking=True)
    assert system["content"].endswith(
        'Think:\n```json\n    {\n    "reasoning": "<why>",\n"answer": "<letter>"\n    }\n``` \n    '
    )


def test_both_questions_are_asked_in_the_order_shown(configs: Path, understanding: Question) -> None:
    shown = reordered(understanding, 2)
    emotions, causes = load_official(configs).messages(shown, thinking=False)[1]["content"].split("\n---\n")
    assert emotions.splitlines()[1:] == [f"{l}) {c}" for l, c in zip("ABCDEF", shown.parts[0].choices, strict=True)]  # noqa: E741
    assert causes.splitlines() == [f"{l}) {c}" for l, c in zip("ABCD", shown.parts[1].choices, strict=True)]  # noqa: E741


def test_braces_in_a_scenario_stay(configs: Path, application: Question) -> None:
    braced = replace(application, texts=application.texts | {"scenario": "{subject} wrote {x}."})
    assert load_official(configs).messages(braced, False)[1]["content"].startswith("{subject} wrote {x}.\n")


@pytest.mark.parametrize(
    ("model", "thinking", "told"), [("Qwen/Qwen3-8B", False, True), ("qwen3", True, False), ("gemma", False, False)]
)
def test_a_qwen_model_is_told_not_to_think(
    configs: Path, application: Question, model: str, thinking: bool, told: bool
) -> None:
    system, _ = load_official(configs).messages(application, thinking, model)
    assert system["content"].startswith("/no_think\n\nRead" if told else "Read")


def test_a_checkout_will_do(configs: Path, tmp_path: Path, application: Question) -> None:
    inner = tmp_path / "checkout" / "src" / "configs"
    inner.mkdir(parents=True)
    for path in configs.glob("*.yaml"):
        path.rename(inner / path.name)
    assert load_official(tmp_path / "checkout").messages(application, False)


def test_another_exam_is_refused(configs: Path, rated: Question) -> None:
    with pytest.raises(UsageError, match=r"^the official protocol is that of EmoBench, and EQ-7 is of another exam$"):
        load_official(configs).messages(rated, False)


@pytest.mark.parametrize(
    ("name", "old", "new", "problem"),
    [
        ("prompts.yaml", "sys:", "sys", ", line "),
        ("prompts.yaml", "  zh: 请读。\n", "", ": sys.zh is missing"),
        ("prompts.yaml", "{q_type}, ", "{kind}, ", ": EA.en: cannot be filled in ('kind'); it may name scenario, "),
        ("prompts.yaml", "{q_type}, ", "{, ", ": EA.en: cannot be filled in ("),
        ("prompts.yaml", "{q_type}, ", "{}, ", ": EA.en: cannot be filled in ("),
        ("prompts.yaml", "{q_type}, ", "{subject.name}, ", ": EA.en: cannot be filled in ("),
        ("response.yaml", "cot:", "thought:", ": cot.en is missing"),
        ("response.yaml", "思考：", "[1]", ": cot.zh: Input should be a valid string"),
        ("response.yaml", "Think:", "Think\x00", ": not YAML ("),
    ],
)
def test_a_malformed_file_is_one_line(configs: Path, name: str, old: str, new: str, problem: str) -> None:
    path = configs / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        load_official(configs)
    message = str(caught.value)
    assert message.startswith(f"{path}{problem}")
    assert "\n" not in message


@pytest.mark.parametrize(("text", "problem"), [(b"", "the file: "), (b"- a", "the file: "), (b"\xff\xfe\xff", "not ")])
def test_a_file_of_another_form_is_refused(configs: Path, text: bytes, problem: str) -> None:
    (configs / "response.yaml").write_bytes(text)
    with pytest.raises(DataError, match=rf"^{configs / 'response.yaml'}: {problem}"):
        load_official(configs)


def test_a_missing_file_is_told(configs: Path) -> None:
    (configs / "response.yaml").unlink()
    with pytest.raises(DataError, match=r"response\.yaml: cannot be read .*; name the folder with prompts\.yaml and"):
        load_official(configs)


@pytest.mark.parametrize(
    ("raw", "strict", "lenient"),
    [
        ('{"answer": "B"}', 1, 1),
        ('Here:\n```json\n{"answer": "B"}\n```\nGood luck', 1, 1),
        ('```json\n{"answer": "A"}\n```\n```json\n{"answer": "B"}\n```', 0, 0),  # the first block counts
        ('I say {"answer": "B"}', None, 1),  # neither a block nor an object alone
        ('```json\n{"answer": "B"}', None, 1),  # cut before the block's end
        ('```json\n{"answer": "B",}\n```', None, None),
        ('{"answer": "B) Tell her"}', None, 1),
        ('{"answer": "b"}', None, 1),
        ('{"answer": "E"}', None, None),
        ('{"answer": 2}', None, None),
        ('["B"]', None, 1),  # JSON, and no object
        ("B", None, 1),
        ("[" * 100_000, None, None),
        ("", None, None),
    ],
)
def test_answers_are_read_as_the_official_script_reads_them(
    application: Question, raw: str, strict: int | None, lenient: int | None
) -> None:
    answer = read_official(raw, application)
    assert (answer.strict, answer.lenient) == ((strict,), (lenient,))


def test_one_missing_answer_of_two_is_unanswered(understanding: Question) -> None:
    assert read_official('{"answer_q1": "C"}', understanding).strict == (2, None)


@official_files
@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("thinking", [False, True])
def test_official_files_are_assembled_as_the_official_script_does(lang: str, thinking: bool) -> None:
    prompts, response = (
        yaml.safe_load((OFFICIAL_PROMPTS / name).read_text(encoding="utf-8"))
        for name in ("prompts.yaml", "response.yaml")
    )
    official = load_official(OFFICIAL_PROMPTS)
    rows = {
        name: (OFFICIAL_EMOBENCH / f"{name}.jsonl").read_text(encoding="utf-8").splitlines() for name in ("EA", "EU")
    }
    seen = 0
    for task in ("EA", "EU"):
        conditions = response[task][lang]
        if thinking:
            conditions = response["reasoning"][lang] + ",\n" + conditions
        statement = response["cot" if thinking else "base"][lang]
        system = prompts["sys"][lang] + "\n" + statement + "\n```json\n    {\n    " + conditions + "\n    }\n``` \n    "
        data = {f"{task}-{row['qid']}": row for row in map(json.loads, rows[task]) if row["language"] == lang}
        for question in BENCHMARKS[f"emobench-{task.lower()}"].load(str(OFFICIAL_EMOBENCH), lang):  # type: ignore[arg-type]
            row = data[question.id]
            user = prompts[task][lang]
            for field, value in (
                ("{emo_choices}", lettered(row.get("emotion_choices", []))),
                ("{cause_choices}", lettered(row.get("cause_choices", []))),
                ("{choices}", lettered(row.get("choices", []))),
                ("{q_type}", row.get("question type", "")),
                ("{subject}", row["subject"]),
                ("{scenario}", row["scenario"]),
            ):
                user = user.replace(field, value)
            assert official.messages(question, thinking) == [
                {"role": "system", "content": system},
                {"role": "user", "content": user},
            ]
            seen += 1
    assert seen == 400


def lettered(choices: list[str]) -> str:
    return "\n".join(f"{'ABCDEFGHIJ'[n]}) {choice}" for n, choice in enumerate(choices))
