"""How many of the mistakes planted in sessions the rules catch, and how many sound messages they mark.

Every answer of the scripted teacher is compared with the one that it gives to the same prompt with its mistakes off:
what differs is planted.  A planted message is caught when the session's own
program refused it and asked again, or when `corpus.checks.sessions` names its fault in the finished session.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

import dspy
from dspy.lm15 import Message, Request, Response, TextPart, Usage

from benchmarks.table import Row, least, most
from corpus.checks.sessions import check_session
from corpus.config import PlanConfig
from corpus.plans import make_plans
from corpus.records import Method, Session, Speaker
from corpus.seeds import rng_for
from lms.scripted.engine import find_writer
from lms.scripted.mistakes import Mistakes
from lms.scripted.names import Mistake
from lms.scripted.prompt import Prompt
from programs.concise import ConciseSession
from programs.mads import TherapySession
from signatures.chat_adapter import ChatAdapter

SESSIONS: dict[Method, int] = {"mads": 30, "concise": 60}  # per mistake; three times as many without any
SEED = 11
RATE = 0.5  # of each mistake, so that sound messages stand beside planted ones
CAUGHT, MARKED = 95.0, 0.5  # percent


@dataclass(frozen=True)
class Planted:
    """A mistake of a session: who makes it, and the names under which the rules report it."""

    speaker: Speaker
    faults: tuple[str, ...]


MISTAKES: dict[Mistake, Planted] = {
    "names_feeling": Planted("CLIENT", ("labels the feeling",)),
    "speaks_for_both": Planted("CLIENT", ("speaks for both",)),
    "repeats_turn": Planted("THERAPIST", ("repeated message",)),
    "closed_question": Planted("THERAPIST", ("closed question",)),
    "early_advice": Planted("THERAPIST", ("early advice", "blunt advice")),
}


@dataclass
class Counts:
    """Planted messages, those that the program refused, those that a rule named, and what else was marked."""

    planted: int = 0
    refused: int = 0
    named: int = 0
    sound: int = 0
    marked: Counter[str] = field(default_factory=Counter)
    missed: list[str] = field(default_factory=list)

    @property
    def caught(self) -> float:
        """Percent of the planted messages that were refused or named."""
        return 100 * (self.refused + self.named) / self.planted


class Often(Mistakes):
    """Makes one mistake at a set rate, whatever the instructions say against it; a complaint is heeded."""

    def makes(self, mistake: Mistake, prompt: Prompt) -> bool:
        """Return True when ``mistake`` is made in answer to ``prompt``."""
        draw = rng_for("planted", mistake, prompt.seed, *prompt.inputs.values()).random()
        return "complaint" not in prompt.inputs and draw < self.rates.get(mistake, 0.0)


class PlantingEngine:
    """The scripted teacher with one mistake; notes each message that was not refused, and whether it is planted."""

    supported_params = frozenset({"temperature", "max_tokens", "seed"})

    def __init__(self, mistake: Mistake | None):
        self.mistakes = Often({mistake: RATE} if mistake else {})
        self.speaker = MISTAKES[mistake].speaker if mistake else ""
        self.messages: list[bool] = []
        self.refused = self._last = 0

    def complete(self, request: Request) -> Response:
        """Answer one request."""
        prompt = Prompt.read(request)
        write = find_writer(prompt)
        values, sound = write(prompt, self.mistakes), write(prompt, Mistakes({}))
        if "message" in values:
            self._note(prompt, [values["message"] != sound["message"]], ["phase" in prompt.inputs])
        elif "messages" in values:
            differ = [made != clean for made, clean in zip(values["messages"], sound["messages"], strict=True)]
            self._note(prompt, differ, [bool(number % 2) for number in range(len(differ))])
        text = prompt.write({name: values[name] for name in prompt.outputs})
        message = Message.assistant([TextPart(text)])
        return Response(id=None, model=request.model, message=message, finish_reason="stop", usage=Usage())

    def _note(self, prompt: Prompt, differ: list[bool], by_therapist: list[bool]) -> None:
        """Take in the messages of an answer in place of those of the last one, if that was refused."""
        if "complaint" in prompt.inputs:
            self.refused += sum(self.messages[-self._last :])
            del self.messages[-self._last :]
        speakers = ("THERAPIST" if therapist else "CLIENT" for therapist in by_therapist)
        self.messages += [d and speaker == self.speaker for d, speaker in zip(differ, speakers, strict=True)]
        self._last = len(differ)


def measure_sessions() -> list[Row]:
    """Return, per mistake and method, the share that is caught; and the share of sound messages that is marked."""
    rows, marks = [], {}
    methods: tuple[Method, ...] = ("mads", "concise")
    for method in methods:
        for mistake in MISTAKES:
            counts = plant(mistake, method)
            name = (
                f"{method} sessions, {mistake}: planted messages ({counts.planted}) refused by the program "
                f"({counts.refused}) or named by a rule ({counts.named})"
            )
            rows.append(least(name, counts.caught, "percent", CAUGHT, digits=1))
        marks[method] = plant(None, method)
    for method, counts in marks.items():
        share = 100 * counts.marked.total() / counts.sound
        rows.append(most(f"{method} sessions without mistakes: messages that are marked", share, "percent", MARKED))
    return rows


def plant(mistake: Mistake | None, method: Method) -> Counts:
    """Hold sessions with one mistake, or three times as many with none, and count."""
    counts = Counts()
    number = SESSIONS[method] * (1 if mistake else 3)
    plans = make_plans(PlanConfig(sessions=number, method=method, persona_uses=7), SEED)
    hold = TherapySession() if method == "mads" else ConciseSession()
    for plan in plans:
        engine = PlantingEngine(mistake)
        lm = dspy.LM("planting/counsel", engine=engine, cache=False, num_retries=0)
        adapter = ChatAdapter(use_json_adapter_fallback=False)
        with dspy.context(lm=lm, roles={}, adapters={}, adapter=adapter, trace=[], disable_history=True):
            session = hold(plan=plan).session
        _count(counts, session, engine, MISTAKES[mistake].faults if mistake else ())
    return counts


def _count(counts: Counts, session: Session, engine: PlantingEngine, faults: tuple[str, ...]) -> None:
    named: dict[int, set[str]] = defaultdict(set)
    for found in check_session(session):
        named[found.turn].add(found.name)
    counts.refused += engine.refused
    counts.planted += engine.refused + sum(engine.messages)
    counts.marked.update(named[0])
    for number, (turn, planted) in enumerate(zip(session.turns, engine.messages, strict=True), 1):
        if not planted:
            counts.sound += 1
            counts.marked.update(named[number])
        elif named[number].intersection(faults):
            counts.named += 1
        else:
            counts.missed.append(turn.text)
