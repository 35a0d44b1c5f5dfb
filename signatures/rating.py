"""What is asked of a rater of emotions whose instructions come with the item, as in EQ-Bench.

The item's text is the whole prompt, its form of answer included.  `PromptAdapter` sends it and nothing else, so the
docstrings below tell a reader, and an optimizer, what is asked; no model sees them.
"""

from __future__ import annotations

import dspy


class RateEmotions(dspy.Signature):
    """Rate from 0 to 10 how strongly a character feels each of four emotions at the end of a dialogue."""

    prompt: str = dspy.InputField()
    ratings: str = dspy.OutputField(desc="one line per emotion, `name: rating`")


class RateEmotionsTwice(dspy.Signature):
    """Rate four emotions as in `RateEmotions`, criticise the ratings, and rate again; the second ratings count."""

    prompt_with_critique: str = dspy.InputField()
    ratings: str = dspy.OutputField(desc="first ratings, critique, and revised ratings, under their headings")
