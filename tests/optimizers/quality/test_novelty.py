from __future__ import annotations

from corpus.duplicates import find_duplicates
from optimizers.quality.novelty import KnownTexts

STORY = "Amina put the letter back into the drawer, turned the key twice, and went to feed the hens."
SHUFFLED = "Turned the key twice, Amina put the letter back into the drawer, and went to feed the hens."
NEAR = STORY.replace("hens", "geese")
OTHER = "At the ferry the old man counted his change again and did not look at his daughter."


def test_a_repeated_text_is_found_with_how_alike_it_is() -> None:
    found = KnownTexts((OTHER, STORY), 85).find_twin(NEAR)
    assert found is not None
    assert found.text == STORY
    assert 85 <= found.similarity < 100


def test_the_same_words_in_another_order_are_a_repetition() -> None:
    found = KnownTexts((STORY,), 85).find_twin(SHUFFLED)
    assert found is not None
    assert found.similarity == 100


def test_another_text_is_new() -> None:
    assert KnownTexts((STORY,), 85).find_twin(OTHER) is None
    assert KnownTexts((), 85).find_twin(STORY) is None


def test_texts_are_held_to_be_alike_as_the_corpus_does() -> None:
    for text in (NEAR, SHUFFLED, OTHER):
        marks = find_duplicates([("known", STORY), ("new", text)], 85).marks
        found = KnownTexts((STORY,), 85).find_twin(text)
        assert ("new" in marks) == (found is not None)
        if found:
            assert found.similarity == marks["new"].similarity
