"""A reader that sees the choices and not the scenario: what it scores above chance is what the choices give away."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold

FOLDS = 5


def read_choices_only(asked: Sequence[tuple[str, Sequence[str]]]) -> float:
    """Return the share of questions that a bag-of-words classifier answers rightly, in 5-fold cross-validation.

    Args:
        asked: (right answer, wrong answers) of each question.  The classifier learns which texts are right, words and
            pairs of words as features, and picks the likeliest of a question's choices.
    """
    texts = [[right, *wrong] for right, wrong in asked]
    hits = 0
    for train, test in KFold(FOLDS, shuffle=True, random_state=0).split(texts):
        vectorizer = CountVectorizer(ngram_range=(1, 2), binary=True, min_df=2)
        features = vectorizer.fit_transform([choice for index in train for choice in texts[index]])
        labels = [number == 0 for index in train for number in range(len(texts[index]))]
        model = LogisticRegression(max_iter=300, solver="liblinear").fit(features, labels)
        for index in test:
            scores = model.decision_function(vectorizer.transform(texts[index]))
            hits += int(np.argmax(scores) == 0 and np.sum(scores == scores.max()) == 1)
    return hits / len(texts)
