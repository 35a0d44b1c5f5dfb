"""The quality metric: small named criteria, rules first, the judge where rules cannot tell.

`items.py`, `session.py`, and `exam.py` hold one assessor each: (case, attempt) → `verdict.Quality`.
"""
