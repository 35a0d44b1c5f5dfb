"""English as language models write it in sessions: what the rules must see in it, and what they must let pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpus.checks.speech import (
    find_advice,
    find_foreign_words,
    find_label,
    is_closed,
    questions_of,
    tells_event,
    words_after_question,
)
from corpus.records import Speaker
from lms.scripted.phrases import phrases

OPEN = [
    "What was going through your mind when she put the phone down?",
    "How did that land with you, sitting there at the table?",
    "Can you tell me more about what happened in the kitchen?",
    "Could you walk me through that moment?",
    "Would you be willing to describe the look on his face?",
    "When you think back to that evening, what stands out?",
    "I'm curious what it was like to hear that from her?",
    "And then?",
    "I wonder what that silence meant to you?",
    "Do you remember what you wanted to say?",
    "Is there a way you might put that into words?",
    "Was it more like relief, or something heavier?",
    "What, if anything, did you notice in your body?",
    "Looking back now, how do you make sense of his leaving?",
    "If your father could see this, what do you imagine he would say?",
    "Which of those two voices is louder today?",
    "Where do you feel that pull?",
    "So what would it mean to let her down?",
    "Can you help me understand what made that moment different?",
    "Have you noticed how your voice changes when you say her name?",
    "Could you say a little more about that?",
    "What might Samir have seen from where he stood?",
    "Tell me, what did you do next?",
    "Who taught you that one does not ask?",
    "Do you have a sense of where that rule comes from?",
    "Such as?",
    "Would you mind telling me about that day?",
    "Maria, what do you suppose your sister was protecting?",
    "May I ask what he said then?",
    "Mm, and what happened right after the call?",
]
CLOSED = [
    "Did that hurt?",
    "Do you feel that he let you down?",
    "Is that what you wanted?",
    "Have you talked to her since?",
    "Are you still angry with him?",
    "That must have been hard, wasn't it?",
    "So you left without a word?",
    "When she said that, did you answer her?",
    "You felt alone in that room, right?",
    "Could it be that you were protecting him?",
    "Does that make sense?",
    "Is there something else?",
    "Were you able to sleep that night?",
    "And did he ever apologise?",
    "Maria, are you all right?",
    "Would you say that it was unfair?",
    "Isn't that a lot to carry?",
    "Can you forgive him?",
    "Do you think your mother knew?",
    "Has this happened before?",
    "After all that, do you still trust her?",
    "It was the silence that bothered you?",
    "Will you see him again?",
    "Should he have called you?",
]
ADVICE = [
    "You should talk to him before the weekend. What would you say?",
    "I'd recommend writing it down. How does that sound?",
    "Why don't you call her tonight?",
    "If I were you, I would wait. What do you think?",
    "Have you considered telling your manager?",
    "Try to take a break when it gets too much. What might help?",
    "It's important to set boundaries with your mother. What would that look like?",
    "Maybe you could try breathing before you answer. What would change?",
    "How about taking a day off?",
    "One thing you could try is a letter. What would be in it?",
    "I would suggest that you speak with your sister. What holds you back?",
    "My advice would be to sleep on it. What would morning bring?",
    "You'd better tell her soon. What would you say?",
    "Perhaps you might want to talk to your brother first. How would he take it?",
    "Remember to be kind to yourself. What would that look like?",
]
NO_ADVICE = [
    "It sounds as though you think you should have known. What would knowing have changed?",
    "There's a voice that says you should be stronger. Whose voice is it?",
    "You tell yourself that you should call, and you don't. What stops you?",
    "You could tell that something was off. What gave it away?",
    "So you have to hold everything together. What would happen if you put one thing down?",
    'He said, "You should be grateful." What did you hear in that?',
    "Part of you wants to try again, and part of you might want to walk away. What does each of them need?",
    "You should never have had to choose. What did choosing cost you?",
    "You gave your brother advice and he laughed. What was in that laugh?",
    "It is important to you that he sees it. Where does that come from?",
    "What could you do differently the next time he calls?",
    "You might want two things at once: to be left alone and to be asked. What would it be like to be asked?",
    "Try to picture the hallway again. What do you see?",
    "It's best not to look, you said. What would looking bring?",
    "You ought to feel happy, people tell you. What do you feel instead?",
    "If you could suggest one thing to her, what would it be?",
    "What would you recommend to a friend in your place?",
    "You had better days once, you say. What was different then?",
    "You want to make sure that nobody is hurt. Who makes sure of that for you?",
    "I wonder whether you should even have to ask. What do you think?",
]
LABELS = [
    "I felt ashamed when she looked at me.",
    "I was so angry I could have thrown the plate.",
    "I'm really jealous of him, I suppose.",
    "I felt a wave of relief when the door shut.",
    "It made me furious.",
    "I felt nothing but joy.",
    "I have been feeling guilty ever since.",
    "I just felt sad, you know.",
    "I was both relieved and ashamed.",
    "I felt trust.",
    "I got really nervous before the call.",
    "I was incredibly proud of her.",
    "I felt like a disappointment.",
    "I feel hopeless about it.",
]
NO_LABELS = [
    "I was not angry, I told her.",
    "She asked if I was angry.",
    "He said I was jealous, which is a joke.",
    "I'm afraid I don't remember.",
    "I'm glad you asked.",
    "I was looking at her happy face and my throat closed.",
    "I felt his anger across the table.",
    "I was at the sink when the worried voice came on the line.",
    "I felt like throwing up.",
    "I felt my stomach drop.",
    "I was going to say it, and then Tomás came in.",
    "My mother told me I was angry for no reason.",
    "I was unaware that they had met.",
    "I am the one who worries about money, and he laughed.",
    "I was stuck there with the box in my arms.",
    "I was told to wait.",
    "I felt cold all over.",
    'She wrote, "I was so ashamed," and I folded the letter up.',
]


@pytest.mark.parametrize("message", OPEN)
def test_open_questions_are_open_however_they_are_dressed(message: str) -> None:
    assert not is_closed(questions_of(message)[-1])


@pytest.mark.parametrize("message", CLOSED)
def test_questions_that_yes_or_no_answers_are_closed(message: str) -> None:
    assert is_closed(questions_of(message)[-1])


@pytest.mark.parametrize("message", ADVICE)
def test_advice_is_seen(message: str) -> None:
    assert find_advice(message)


@pytest.mark.parametrize("message", NO_ADVICE)
def test_reflections_and_questions_are_no_advice(message: str) -> None:
    assert find_advice(message) == ""


def test_a_gentle_suggestion_can_be_let_pass_and_a_prescription_cannot() -> None:
    assert find_advice("Maybe you could try a letter. What would stand in it?", gentle=False) == ""
    assert find_advice("Write it down, I would advise that. What would it say?", gentle=False) == "I would advise"
    assert find_advice("You should write to her. What would you say?", gentle=False) == "You should"


@pytest.mark.parametrize("message", LABELS)
def test_a_feeling_that_its_owner_names_is_seen(message: str) -> None:
    assert find_label(message)


@pytest.mark.parametrize("message", NO_LABELS)
def test_what_is_shown_denied_reported_or_another_s_is_no_label(message: str) -> None:
    assert find_label(message) == ""


def test_an_emotion_that_is_to_be_shown_has_more_words_that_give_it_away() -> None:
    assert find_label("I was so eager to hear it.") == ""
    assert find_label("I was so eager to hear it.", "Excitement") == "I was so eager"


@pytest.mark.parametrize(
    ("message", "speaker", "found"),
    [
        ("I left. THERAPIST: And then?", "CLIENT", "THERAPIST:"),
        ("I left. Therapist: And then?", "CLIENT", "Therapist:"),
        ("I left, and Counselor: what then?", "CLIENT", "Counselor:"),
        ("Therapist - what did you do?", "THERAPIST", "Therapist -"),
        ("**Client:** I left.", "CLIENT", "Client:"),
        ("**Client**: I left.", "CLIENT", "Client**:"),
        ("Client (quietly): I left.", "CLIENT", "Client (quietly):"),
        ("That was late. client: yes, it was.", "THERAPIST", "client:"),
        ("Maria: I left.", "CLIENT", "Maria:"),
        ("Maria (softly): I left.", "CLIENT", "Maria (softly):"),
        ("It was late. (The therapist nods.) Then I left.", "CLIENT", "The therapist nods"),
        ("[Maria looks away] What was that like?", "THERAPIST", "[Maria looks away]"),
        ("The therapist leans forward. What happened?", "CLIENT", "The therapist leans"),
        ("It was late. [[ ## completed ## ]]", "CLIENT", "[[ ##"),
        ("</think> It was late.", "CLIENT", "</think>"),
    ],
)
def test_words_that_are_not_the_speaker_s_are_found(message: str, speaker: Speaker, found: str) -> None:
    assert found in find_foreign_words(message, speaker, ("Maria",))


@pytest.mark.parametrize(
    "message",
    [
        "I told the client: no.",
        "I told Maria: no.",
        "The client wanted a refund - and I said no.",
        "My old therapist used to say that.",
        "(pauses) I don't know. *sighs* It was late.",
        "Client-facing work, he calls it.",
        "He (Maria's brother) came in.",
        "I was a patient - for years.",
        "The patient pauses, and I wait; that is my job.",
        "Human beings, he said: they leave.",
        "(the therapist before you said so)",
    ],
)
def test_what_a_client_tells_of_others_is_the_client_s_own(message: str) -> None:
    assert find_foreign_words(message, "CLIENT", ("Maria",)) == ""


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("I have been feeling low lately and nothing seems to help me at all.", False),
        ("I don't know, it's my job, it's always too much, I can't cope with people.", False),
        ("Nadia calls me, and that is how it begins.", True),
        ("So on Tuesday he walks in and says that he is leaving.", True),
        ("My brother hung up on me.", True),
        ("“You again,” she goes.", True),
    ],
)
def test_an_opening_tells_what_happened(message: str, told: bool) -> None:
    assert tells_event(message, ("Nadia",)) == told


def test_quoted_speech_is_not_held_against_the_one_who_quotes() -> None:
    message = "“Should I have asked? You should rest, my advice.” What did you hear in that?"
    assert questions_of(message) == ["What did you hear in that?"]
    assert find_advice(message) == ""
    assert find_label('She wrote "I was so ashamed" and I folded it up.') == ""


@pytest.mark.parametrize(
    ("message", "count"),
    [("What was that?", 0), ("What was that? Take your time.", 3), ("That is a lot.", 4), ("“Why?” he said.", 3)],
)
def test_words_after_the_last_question_are_counted(message: str, count: int) -> None:
    assert words_after_question(message) == count


@given(st.text(max_size=300), st.lists(st.text(min_size=1, max_size=9), max_size=3))
def test_any_text_can_be_looked_at(text: str, names: list[str]) -> None:
    questions = questions_of(text)
    assert len(questions) <= text.count("?")
    assert all(isinstance(is_closed(question), bool) for question in questions)
    for found in (find_foreign_words(text, "CLIENT", tuple(names)), find_label(text), find_advice(text)):
        assert len(found) <= len(text) + 2  # quoted speech is shortened to its marks


@pytest.mark.parametrize("kind", ["facts", "meaning", "perspective"])
def test_the_scripted_questions_are_open_and_give_no_advice(kind: str) -> None:
    assert [line for line in phrases().therapist[kind] if is_closed(line) or find_advice(line)] == []
