"""Checking by a judge: blind answers, a guess without the scenario, reviews, sessions as a whole, and paraphrases."""
