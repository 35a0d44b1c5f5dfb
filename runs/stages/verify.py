"""Stage 2: drafts → screened by rule, then judged by a model that need not be the one that wrote them.

data/ holds screened.jsonl (what the rules dropped), overlaps.jsonl (what is like an exam, with excerpts of both texts),
and sessions.jsonl (what was found about each session).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from rich.console import Console

from corpus.checks.sessions import SessionFault, check_session, share_at_fault
from corpus.embeddings import Encoder
from corpus.jsonl import write_jsonl
from corpus.judgements import why_aside
from corpus.records import Judgement, SessionJudgement
from corpus.screening import Screened, count_reasons, screen
from programs.fingerprint import fingerprint_prompts
from runs.exams import gather_exams
from runs.folder import Run
from runs.items import read_file
from runs.judge import Judge
from runs.recipe import JUDGE
from runs.verified import read_judgements, read_session_judgements
from runs.written import read_drafts, read_sessions

EXAMPLES = 5  # overlaps with an exam that the data card shows
CHANCE = {"EA": 1 / 4, "EU": 1 / 24}  # of a guess; EU is right when emotion and cause both are
Faults = Mapping[str, tuple[SessionFault, ...]]


def verify(run: Run, console: Console) -> dict[str, Any]:
    """Screen all drafts of the run and have the judge look at those that pass; finished judgements are kept.

    Raises:
        RunError: `generate` is not done.
        DataError: an exam file of the recipe, or one of `curate.seen`, cannot be read.
        TeacherError, LimitError: see `runs.judge.Judge`.
    """
    run.require("generate")
    config = run.recipe.curate
    encoder = Encoder(config.embeddings) if config.embeddings else None
    exams = gather_exams(run.recipe)
    for problem in exams.problems:
        console.print(f"verify: {problem}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    drafts = list(read_drafts(run))
    sessions = {session.id: session for session in read_sessions(run)}
    faults: Faults = {key: check_session(session) for key, session in sessions.items()}
    at_fault = [key for key in sessions if share_at_fault(sessions[key], faults[key]) > config.session_faults]
    seen = [(one.item.qid, one.item.scenario) for path in config.seen for one in read_file(path)]
    screened = screen(drafts, config, exams.index, at_fault, encoder, seen)
    console.print(f"verify: {len(screened.passed):,} of {len(drafts):,} drafts pass the rules", highlight=False)
    with ExitStack() as stack:
        judge = Judge(run, console, stack)
        if encoder:
            suspects = exams.index.neighbours(screened.passed, encoder)
            screened = screened.without(judge.find_paraphrases(suspects))
        judge.look_at(screened.passed, [sessions[key] for key in sorted({draft.session for draft in screened.passed})])
    run.note_prompts("verify", fingerprint_prompts(judge.programs))
    write_jsonl(run.path / "data" / "screened.jsonl", map(asdict, screened.drops))
    write_jsonl(run.path / "data" / "overlaps.jsonl", map(asdict, screened.overlaps))
    judged = read_session_judgements(run)
    _write_sessions(run, faults, judged)
    return {
        "drafts": len(drafts),
        "judge": run.recipe.models_of(JUDGE)[JUDGE].identity if run.recipe.verify.asks_about_items else "",
        **_count(run, screened, faults, judged),
        "exams": exams.as_json() | {"long_ngrams": sum(map(exams.index.shares_long_ngram, drafts))},
        "examples": [
            {name: getattr(overlap, name) for name in ("id", "source", "part", "rule")}
            for overlap in screened.overlaps[:EXAMPLES]
        ],
        "spent": run.manifest.get("spending", {}).get("verify", {}),
    }


def _write_sessions(run: Run, faults: Faults, judged: Mapping[str, SessionJudgement]) -> None:
    write_jsonl(
        run.path / "data" / "sessions.jsonl",
        (
            {
                "id": key,
                "faults": [asdict(fault) for fault in found],
                "judge": list(judged[key].faults) if key in judged else None,
            }
            for key, found in sorted(faults.items())
        ),
    )


def _count(run: Run, screened: Screened, faults: Faults, judged: Mapping[str, SessionJudgement]) -> dict[str, Any]:
    """The stage's figures, as corpus/funnel.py reads them."""
    judgements = read_judgements(run)
    reasons = Counter(why_aside(judgements.get(draft.id), run.recipe.verify) for draft in screened.passed)
    passed = reasons.pop("", 0)
    marks = Counter(fault.name for found in faults.values() for fault in found)
    marks += Counter(f"judge: {name}" for found in judged.values() for name in found.faults)
    return {
        "screened": count_reasons(screened.drops, "rules"),
        "sessions": {"marked": dict(marks.most_common()), "dropped": count_reasons(screened.drops, "session")},
        "duplicates": count_reasons(screened.drops, "duplicates"),
        "contaminated": count_reasons(screened.drops, "exams"),
        "aside": dict(reasons.most_common()),
        "passed": passed,
        "choices_only": _count_guessed(screened, judgements),
    }


def _count_guessed(screened: Screened, judgements: Mapping[str, Judgement]) -> dict[str, dict[str, float]]:
    """Per task: items that were asked about without their scenario, how many were right, and how many by chance."""
    counts: dict[str, dict[str, float]] = {}
    for draft in screened.passed:
        found = judgements.get(draft.id)
        if found is not None and found.guessed is not None:
            row = counts.setdefault(draft.task, {"n": 0, "right": 0, "chance": CHANCE[draft.task]})
            row["n"] += 1
            row["right"] += found.guessed
    return counts
