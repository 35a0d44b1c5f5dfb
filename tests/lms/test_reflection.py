from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dspy
import pytest
from dspy.propose.dataset_summary_generator import DatasetDescriptor, ObservationSummarizer
from dspy.propose.grounded_proposer import TIPS, DescribeModule, DescribeProgram, generate_instruction_class
from dspy.teleprompt.copro_optimizer import BasicGenerateInstruction, GenerateInstructionGivenAttempts
from dspy.teleprompt.gepa.instruction_proposal import InstructionProposer
from dspy.teleprompt.infer_rules import RulesInductionProgram
from dspy.teleprompt.simba_utils import OfferFeedback

from corpus.config import PlanConfig
from corpus.plans import make_plans
from corpus.taxonomy import load_taxonomy
from lms.build import build_lm
from lms.scripted.faults import SPOTS
from lms.scripted.mistakes import KINDS, heeded
from lms.scripted.names import MISTAKES, Mistake
from lms.spec import ModelSpec
from signatures.items import WriteUnderstandingItem
from signatures.judging import CLIENT_FAULTS, EXPLANATION_FAULTS, ITEM_FAULTS, THERAPIST_FAULTS
from signatures.session import ContinueAsClient, RespondAsTherapist

ADAPTERS = (dspy.ChatAdapter, dspy.JSONAdapter)
RUBRICS = ITEM_FAULTS | EXPLANATION_FAULTS | CLIENT_FAULTS | THERAPIST_FAULTS
FAULTS = {name: about for name, about in RUBRICS.items() if name in MISTAKES}  # those that the teacher can make
BASE = RespondAsTherapist.instructions
SAID = (
    "I left early and walked home.", "The keys fell twice.", "My sister rang at nine.",
    "I kept the letter in a drawer.", "He laughed and went in.", "Nobody had asked me.",
)  # fmt: skip


def teacher(**mistakes: float) -> dspy.LM:
    return build_lm(ModelSpec(model="scripted/counsel", mistakes=mistakes))


@pytest.fixture(autouse=True)
def _reflection_model() -> Iterator[None]:
    with dspy.context(lm=teacher(), adapter=dspy.ChatAdapter(), disable_history=True):
        yield


def signature_of(fault: str) -> type[dspy.Signature]:
    if fault in CLIENT_FAULTS:
        return ContinueAsClient
    return RespondAsTherapist if fault in THERAPIST_FAULTS else WriteUnderstandingItem


def data_for(signature: type[dspy.Signature]) -> list[dspy.Example]:
    """Six inputs of an ask."""
    moments = [m for plan in make_plans(PlanConfig(sessions=6), seed=17) for m in plan.moments if m.task == "EU"]
    examples = []
    for said, moment in zip(SAID, moments, strict=False):
        values = {
            "background": "A life.", "excerpt": f"CLIENT: {said}", "moment": moment.brief(), "client": "Mira (she)",
            "emotion_names": ", ".join(load_taxonomy().emotions), "manner": "plain", "stage": "torn: says two things",
            "recent_turns": f"CLIENT: {said}\nTHERAPIST: And then?\nCLIENT: {said}", "phase": "meaning: explore",
            "care": "nothing in particular",
        }  # fmt: skip
        given = {name: values[name] for name in signature.input_fields}
        examples.append(dspy.Example(**given).with_inputs(*given))
    return examples


def feedback_on(fault: str, feedback: str) -> list[dict[str, Any]]:
    """A record of GEPA's: what was given, what the teacher wrote with the mistake in it, and what was said of it."""
    signature = signature_of(fault)
    example = data_for(signature)[0]
    with dspy.context(lm=teacher(**{fault: 1.0})):
        written = dspy.Predict(signature)(**example.inputs())
    return [{"Inputs": dict(example.inputs()), "Generated Outputs": written.toDict(), "Feedback": feedback}]


def rules_added(old: str, new: str) -> set[str]:
    """The lines that a new instruction adds to the old one, which it must keep."""
    assert new.startswith(old.strip())
    return {line.removeprefix("- ") for line in new[len(old.strip()) :].splitlines() if line.strip()}


def rules() -> dict[str, Mistake]:
    return {kind.rule: name for name, kind in KINDS.items()}


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("fault", FAULTS)
def test_gepas_proposer_gets_a_rule_for_the_fault_that_the_feedback_names_and_no_other(
    fault: Mistake, adapter: type[dspy.Adapter]
) -> None:
    old = signature_of(fault).instructions
    examples = feedback_on(fault, f"{fault}: {FAULTS[fault]}")
    new = InstructionProposer(adapter=adapter())({"p": old}, {"p": examples}, ["p"])["p"]
    assert rules_added(old, new) == {KINDS[fault].rule}
    assert fault in heeded(new)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_understood_in_the_words_of_the_judges_rubric(fault: Mistake) -> None:
    examples = feedback_on(fault, f"My objection: {FAULTS[fault]}.")
    old = signature_of(fault).instructions
    assert KINDS[fault].rule in rules_added(old, InstructionProposer()({"p": old}, {"p": examples}, ["p"])["p"])


def test_several_faults_get_a_rule_each_and_a_rule_that_is_there_is_not_written_again() -> None:
    proposer = InstructionProposer()
    first = feedback_on("closed_question", "closed_question and early_advice")
    once = proposer({"p": BASE}, {"p": first}, ["p"])["p"]
    assert rules_added(BASE, once) == {KINDS["closed_question"].rule, KINDS["early_advice"].rule}
    then = feedback_on("repeats_turn", "closed_question and repeats_turn")
    twice = proposer({"p": once}, {"p": then}, ["p"])["p"]
    assert rules_added(once, twice) == {KINDS["repeats_turn"].rule}


def test_without_a_named_fault_up_to_three_rules_are_tried_and_none_when_all_are_there() -> None:
    nothing = [{"Inputs": {"phase": "meaning"}, "Generated Outputs": {"message": "So?"}, "Feedback": "0.3"}]
    added = rules_added(BASE, InstructionProposer()({"p": BASE}, {"p": nothing}, ["p"])["p"])
    assert 1 <= len(added) <= 3
    assert added <= set(rules())
    full = BASE.strip() + "\n\n" + "\n".join(f"- {rule}" for rule in rules())
    assert heeded(full) == set(MISTAKES)
    assert InstructionProposer()({"p": full}, {"p": nothing}, ["p"])["p"] == full


def test_an_instruction_is_shortened_to_the_limit_that_gepa_sets() -> None:
    limit = len(BASE) + 40
    examples = feedback_on("closed_question", "closed_question and early_advice and repeats_turn")
    new = InstructionProposer(max_chars=limit)({"p": BASE}, {"p": examples}, ["p"])["p"]
    assert 0 < len(new) <= limit


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_copro_gets_several_different_instructions_from_the_first(adapter: type[dspy.Adapter]) -> None:
    with dspy.context(adapter=adapter()):
        asked = dspy.Predict(BasicGenerateInstruction, n=6, temperature=1.4)(basic_instruction=BASE)
    proposed = asked.completions.proposed_instruction
    assert all(rules_added(BASE, new) and rules_added(BASE, new) <= set(rules()) for new in proposed)
    assert all(asked.completions.proposed_prefix_for_output_field)
    assert len(set(proposed)) >= 3


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_copro_gets_an_instruction_and_not_the_list_of_attempts_back(adapter: type[dspy.Adapter]) -> None:
    better = f"{BASE.strip()}\n\n- {KINDS['early_advice'].rule}"
    attempts = [
        f"Instruction #1: {BASE}", "Prefix #1: Message:", "Resulting Score #1: 20.0",
        f"Instruction #2: {better}", "Prefix #2: Answer:", "Resulting Score #2: 60.0",
    ]  # fmt: skip
    with dspy.context(adapter=adapter()):
        asked = dspy.Predict(GenerateInstructionGivenAttempts, n=3, temperature=1.4)(attempted_instructions=attempts)
    for new in asked.completions.proposed_instruction:
        assert "Resulting Score" not in new
        assert "Instruction #" not in new
        assert rules_added(better, new) <= set(rules())


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_miprov2_gets_instructions_that_differ_with_tip_and_demonstrations(adapter: type[dspy.Adapter]) -> None:
    shared = {
        "dataset_description": "Sessions.", "program_code": "class P: ...", "program_description": "A program.",
        "module": "Predict(phase, recent_turns) -> message", "module_description": "A module.",
        "previous_instructions": "", "basic_instruction": BASE,
    }  # fmt: skip
    propose = generate_instruction_class()
    with dspy.context(adapter=adapter()):
        proposed = [
            propose(**shared, tip=tip, task_demos=f"Phase: {tip}").proposed_instruction for tip in TIPS.values()
        ]
    assert all(rules_added(BASE, new) and rules_added(BASE, new) <= set(rules()) for new in proposed)
    assert len(set(proposed)) >= 3


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_descriptions_of_program_module_and_data_are_given(adapter: type[dspy.Adapter]) -> None:
    code = {"program_code": "class P: ...", "program_example": "No task demos provided."}
    with dspy.context(adapter=adapter()):
        said = [
            dspy.Predict(DescribeProgram)(**code).program_description,
            dspy.Predict(DescribeModule)(**code, program_description="x", module="Predict(a) -> b").module_description,
            dspy.Predict(DatasetDescriptor, n=1, temperature=1.0)(examples="[Example({})]").observations,
            dspy.Predict(ObservationSummarizer, n=1, temperature=1.0)(observations="They are short.").summary,
        ]
    assert all(len(text.split()) > 4 for text in said)


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("names", [["self"], ["session.write_background", "session.respond_as_therapist", "items[0]"]])
def test_simba_gets_advice_for_each_module_and_no_other(names: list[str], adapter: type[dspy.Adapter]) -> None:
    with dspy.context(adapter=adapter()):
        advice = dspy.Predict(OfferFeedback)(
            program_code="class P: ...", modules_defn="Module self", program_inputs="{}", oracle_metadata="{}",
            worse_program_trajectory="[]", worse_program_outputs='{"message": "Were you at home then?"}',
            worse_reward_value=0.0, worse_reward_info='{"feedback": "closed_question"}',
            better_program_trajectory="[]", better_program_outputs='{"message": "And then?"}',
            better_reward_value=1.0, better_reward_info="{}", module_names=names,
        )  # fmt: skip
    assert advice.discussion
    assert set(advice.module_advice) == set(names)
    for text in advice.module_advice.values():
        assert heeded(f"{BASE}\n\n{text}") == {"closed_question"}


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_infer_rules_gets_rules_that_the_teacher_heeds(adapter: type[dspy.Adapter]) -> None:
    with dspy.context(adapter=adapter()):
        told = RulesInductionProgram(num_rules=3)(
            "Input Fields:\nphase: meaning\n\n=========\nOutput Fields:\nmessage: So?"
        )
    added = f"{BASE}\n\nPlease adhere to the following rules when making your prediction:\n{told}"
    assert heeded(added) > heeded(BASE)


@pytest.mark.parametrize("fault", ["closed_question", "absurd_distractor", "names_feeling"])
def test_gepa_teaches_a_mistake_away_from_the_judges_words(fault: Mistake) -> None:
    def metric(
        gold: dspy.Example, pred: dspy.Prediction, trace: Any = None, pred_name: Any = None, pred_trace: Any = None
    ) -> dspy.Prediction:
        bad = SPOTS[fault](dict(gold.inputs()), dict(pred))
        return dspy.Prediction(score=float(not bad), feedback=f"{fault}: {FAULTS[fault]}" if bad else "no fault")

    signature, lm = signature_of(fault), teacher(**{fault: 1.0})
    data = data_for(signature)
    optimizer = dspy.GEPA(
        metric=metric, max_metric_calls=16, reflection_lm=lm, reflection_minibatch_size=2, num_threads=1, seed=0
    )
    with dspy.context(lm=lm):
        taught = optimizer.compile(dspy.Predict(signature), trainset=data[:3], valset=data[3:])
        answers = [taught(**data[0].inputs(), config={"seed": seed}) for seed in range(30)]
    assert heeded(taught.signature.instructions) >= {fault}
    assert taught.signature.instructions.startswith(signature.instructions.strip())
    assert sum(SPOTS[fault](dict(data[0].inputs()), dict(answer)) for answer in answers) <= 1
