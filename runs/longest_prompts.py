"""The longest prompts that a recipe's programs send, measured by letting the scripted teacher play them."""

from __future__ import annotations

from itertools import islice

import dspy
from dspy.lm15 import Request, Response

from corpus.plans import Planner
from lms.scripted.engine import ScriptedEngine
from lms.spec import SCRIPTED
from programs.asking import AskFailed
from programs.verify.sessions import SessionJudge
from programs.verify.verifier import Verifier
from runs.formats import adapters_of
from runs.programs import load_named
from runs.recipe import ROLES, Recipe

SESSIONS = 8


class _Listening(ScriptedEngine):
    """Plays one role and remembers the longest request."""

    def __init__(self) -> None:
        super().__init__(mistakes={})
        self.longest: Request | None = None

    def complete(self, request: Request) -> Response:
        if self.longest is None or size_of(request) > size_of(self.longest):
            self.longest = request
        return super().complete(request)


def size_of(request: Request) -> int:
    """Return the bytes of a request's text."""
    texts = [str(request.system or ""), *(message.text or "" for message in request.messages)]
    return sum(len(text.encode()) for text in texts)


def find_longest_prompts(recipe: Recipe) -> dict[str, Request]:
    """Return role → longest request of eight sessions, in the formats of the recipe; unused roles are left out.

    Compiled programs that the recipe names are measured with their instructions and demonstrations.  A wordier teacher
    sends longer ones, so leave room above them.

    Raises:
        RecipeError: a compiled program that the recipe names cannot be used.
    """
    engines = {role: _Listening() for role in ROLES}
    structured = {role: spec.structured for role, spec in recipe.roles.items()}
    lms = {}
    for role, engine in engines.items():
        engine.supports_response_schema = structured[role] == "schema"
        lms[role] = dspy.LM(f"{SCRIPTED}/{role}", engine=engine, cache=False)
    hold, convert = load_named("session", recipe), load_named("items", recipe)
    judge, verify = SessionJudge(), Verifier()
    with dspy.context(lm=lms["teacher"], roles=lms, adapters=adapters_of(recipe.roles), trace=[], disable_history=True):
        for plan in islice(Planner(recipe.plan, recipe.seed).first_round(), SESSIONS):
            try:
                session = hold(plan=plan).session
                drafts = convert(session=session).drafts
                if recipe.verify.sessions:
                    judge(session=session)
                for draft in drafts if recipe.verify.asks_about_items else ():
                    verify(draft=draft, config=recipe.verify)
            except AskFailed:  # one session less to measure
                continue
    return {role: engine.longest for role, engine in engines.items() if engine.longest}
