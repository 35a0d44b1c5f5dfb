from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.checks.naming import find_named_emotions
from corpus.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy()
AIMS = sorted({aim for sub in TAXONOMY.sub_categories.values() for aim in sub.aims})

NAMED = [
    ("She felt nothing but anger.", "anger"),
    ("She could not hide her joy.", "joy"),
    ("She could hardly contain her excitement.", "excitement"),
    ("He had never been so proud of anyone.", "proud"),
    ("He couldn't have been happier with the plan.", "happier"),
    ("She couldn't be more embarrassed.", "embarrassed"),
    ("He was not only annoyed but late.", "annoyed"),
    ("She was not angry but sad.", "sad"),
    ("He said nothing, furious.", "furious"),
    ("Nobody had come, and she was disappointed.", "disappointed"),
    ("He couldn't help feeling jealous.", "jealous"),
    ("Not a day went by without regret.", "regret"),
    ("Ama did not notice his anger.", "anger"),
    ("Ama was FURIOUS with the clerk.", "FURIOUS"),
    ("Happy, she sat down.", "Happy"),
    ("It was late. “Sadly,” he wrote.", ""),
    ("She felt let down by all of them.", "let down"),
    ("He was upset about the letter.", "upset"),
    ("It was not without envy that he looked.", "envy"),
]
NOT_NAMED = """
    She was not angry.
    He wasn't at all surprised by the letter.
    There was no sign of fear in the room.
    She had never been jealous of Ivo.
    There was hardly a joyful face in the hall.
    Nobody seemed happy with the plan.
    He stayed without regret.
    "I'm so happy for you both," she said flatly.
    “Don't worry,” said the vet, and looked away.
    Joy and Ivo went home.
    When Joy came in, Ivo got up.
    He read Pride and Prejudice on the train.
    They went on the Pride march.
    They planned a surprise party for Ivo.
    Her brother had prepared a little surprise.
    He wanted to surprise his mother.
    The relief map hung in the hall.
    The relief driver took the wheel at six.
    The storm raged on, and a raging river took the bridge.
    The hat was all the rage that spring.
    He let down the rope and let down his guard.
    He was found guilty of theft.
    Two mourners in mourning clothes carried the horror film posters.
    He bored a hole into the wall.
    She left her loved ones a trust fund.
    It was a shame that the shop was shut.
    He would be glad to help, he wrote.
    The jug had been upset, and his stomach was full of content.
    He spoke softly for fear of waking the child.
    He hated coriander, and was eager to leave; he was unaware of the change.
    The grievances were read out at happy hour.
    She typed furiously and held her pen like a sword.
    He was moved to another desk, and the blue chair was lowered.
""".strip().splitlines()


@pytest.mark.parametrize(("text", "word"), NAMED)
def test_an_emotion_is_named_in_spite_of_what_stands_before_it(text: str, word: str) -> None:
    assert find_named_emotions(text, "Boredom") == ([word] if word else [])


@pytest.mark.parametrize("text", NOT_NAMED)
def test_denials_homographs_names_tastes_and_speech_do_not_name_what_is_felt(text: str) -> None:
    assert find_named_emotions(text.strip(), "Boredom", ["Joy", "Ivo"]) == []


@pytest.mark.parametrize(
    ("text", "label", "words"),
    [
        ("Ama hated the place.", "Loathe", ["hated"]),
        ("Ama was unaware of it.", "Embarrassment & Oblivious", ["unaware"]),
        ("Ama loved the dog.", "Love & Annoyance", ["loved"]),
        ('"I am furious with you," said Ama.', "Anger", ["furious"]),
        ('"I am furious with you," said Ama.', "Annoyance", ["furious"]),  # near-synonyms give the key away too
        ('"I am furious with you," said Ama.', "Joy", []),
    ],
)
def test_the_keys_own_words_count_even_in_speech(text: str, label: str, words: list[str]) -> None:
    assert find_named_emotions(text, label) == words


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(AIMS), st.sampled_from(["felt nothing but", "was all", "was suddenly full of", "felt deep"]))
def test_whatever_is_the_key_a_scenario_that_says_so_names_it(label: str, verb: str) -> None:
    text = f"The door shut. Ama {verb} {label.lower().replace(' & ', ' and ')}."
    assert len(find_named_emotions(text, label)) >= len(label.split(" & ")), text
