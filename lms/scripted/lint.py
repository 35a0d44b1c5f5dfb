"""The checks that keep event frames sound: balance, grammar slots, length, spread of wording, no emotion given away.

Run it: ``python -m lms.scripted.lint FILE…`` (no argument: all packaged frames).
"""

from __future__ import annotations

import re
import string
import sys
from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from itertools import chain, combinations
from pathlib import Path

import yaml
from pydantic import ValidationError
from rapidfuzz import fuzz

from corpus.taxonomy import find_emotion_words, load_taxonomy
from corpus.text import count_sentences
from lms.scripted.frames import ApplicationFile, Frame, FrameFile, UnderstandingFile, parse_frames

# {S}: the person it is about, as a subject.  {Sobj}: the same as an object.  {O}: the other named person.
SUBJECT_SLOTS = {"S", "Sobj", "S's", "he", "He", "him", "his", "His", "himself", "was"}
OTHER_SLOTS = {"O", "o_he", "o_He", "o_him", "o_his", "o_His"}
MAX_ALIKE = {"setup": 80, "happens": 74, "shows": 74}  # token-set similarity of two forms of one slot
MAX_SENTENCES = 2  # of a setup or a happening; a client may say three in a turn


def slots_in(text: str) -> set[str]:
    """Return the names of the ``{slots}`` used in ``text``."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def lint_file(frame_file: FrameFile) -> list[str]:
    """Return every rule that the file breaks, one line each; an empty list is a sound file."""
    if isinstance(frame_file, UnderstandingFile):
        return _lint_understanding(frame_file)
    return _lint_application(frame_file)


def _lint_understanding(frame_file: UnderstandingFile) -> list[str]:
    taxonomy = load_taxonomy()
    if frame_file.sub_category not in taxonomy.sub_categories:
        return [f"unknown sub_category {frame_file.sub_category!r}"]
    aims = taxonomy.sub_categories[frame_file.sub_category].aims
    problems = _lint_counts("aim", aims, [t.emotion for f in frame_file.frames for t in f.turns])
    for frame in frame_file.frames:
        if len({t.emotion for t in frame.turns}) < 4:
            problems.append(f"{frame.id}: the four turns need four different emotions")
        problems += _lint_texts(frame, [(t.happens, t.shows, t.cause, (t.means,)) for t in frame.turns])
        problems += _lint_spread(frame, "cause", [t.cause for t in frame.turns], 4, 20)
        problems += _lint_forms(
            frame, [("happens", t.happens) for t in frame.turns] + [("shows", t.shows) for t in frame.turns]
        )
        for i, turn in enumerate(frame.turns):
            for text in chain(frame.setup, turn.happens, turn.shows, turn.cause):
                if leaked := find_emotion_words(text):
                    problems.append(f"{frame.id} turn {i}: names an emotion {leaked} in: {text}")
            shortest = sum(min(len(x.split()) for x in part) for part in (frame.setup, turn.happens, turn.shows))
            longest = sum(max(len(x.split()) for x in part) for part in (frame.setup, turn.happens, turn.shows))
            if shortest < 30 or longest > 105:
                problems.append(f"{frame.id} turn {i}: scenario has {shortest}-{longest} words, wanted 30-105")
    return problems


def _lint_application(frame_file: ApplicationFile) -> list[str]:
    taxonomy = load_taxonomy()
    if frame_file.category not in taxonomy.ea.categories:
        return [f"unknown category {frame_file.category!r}"]
    problems = []
    for question_type in taxonomy.ea.question_types:
        frames = [f for f in frame_file.frames if f.question_type == question_type]
        needs = [t.need for f in frames for t in f.turns]
        problems += _lint_counts("need", tuple(dict.fromkeys(needs)), needs)
        problems += [f"unknown need {n!r}" for n in set(needs) - set(taxonomy.ea.needs)]
    for frame in frame_file.frames:
        if len({t.need for t in frame.turns}) < 4:
            problems.append(f"{frame.id}: the four turns need four different needs")
        problems += _lint_texts(frame, [(t.happens, t.option, (t.why,)) for t in frame.turns])
        problems += _lint_spread(frame, "option", [t.option for t in frame.turns], 6, 24)
        problems += _lint_forms(frame, [("happens", t.happens) for t in frame.turns])
        for i, turn in enumerate(frame.turns):
            shortest = sum(min(len(x.split()) for x in part) for part in (frame.setup, turn.happens))
            longest = sum(max(len(x.split()) for x in part) for part in (frame.setup, turn.happens))
            if shortest < 18 or longest > 62:
                problems.append(f"{frame.id} turn {i}: scenario has {shortest}-{longest} words, wanted 18-62")
    return problems


def _lint_counts(what: str, wanted: tuple[str, ...], found: list[str]) -> list[str]:
    counts = Counter(found)
    unknown = [f"{what} {name!r} is not one of {', '.join(wanted)}" for name in counts if name not in wanted]
    mean = len(found) / max(1, len(wanted))
    uneven = [f"{what} {n!r} used {counts[n]}x, wanted {mean:g}x like the others" for n in wanted if counts[n] != mean]
    return unknown + uneven


def _lint_texts(frame: Frame, turns: list[tuple[tuple[str, ...], ...]]) -> list[str]:
    problems = []
    texts = [*frame.setup, *chain.from_iterable(chain.from_iterable(turns))]
    allowed = SUBJECT_SLOTS | OTHER_SLOTS | set(frame.vary)
    used: set[str] = set()
    for text in texts:
        try:
            used |= slots_in(text)
        except ValueError as error:
            problems.append(f"{frame.id}: {error} in: {text}")
        if re.search(r"\b(to|for|with|at|told|asked|gave|from|of|by|handed|sent|hugged|thanked) \{S\}(?!')", text):
            problems.append(f"{frame.id}: {{S}} as an object, write {{Sobj}}: {text}")
        if any(slots_in(quoted) & SUBJECT_SLOTS for quoted in re.findall(r'"([^"]*)"', text)):
            problems.append(f"{frame.id}: no slot of S inside a quotation (it may be told as I or you): {text}")
        if "{S}'s" in text:
            problems.append(f"{frame.id}: write {{S's}}, not {{S}}'s: {text}")
        if re.search(r"\{(S|he|He)\} (is|has|does|are|have|do|were|(?!was\b)[a-z]+[^s]s)\b|\{[hH]e\} was\b", text):
            problems.append(f"{frame.id}: past tense that fits I/he/she/they, and {{was}} for was/were: {text}")
        if re.search(r"\{S\} \{was\}|\b(said|asked|replied) \{S\}(?!')", text):
            problems.append(f"{frame.id}: write {{S}} was, and {{S}} said (not said {{S}}): {text}")
    for line in chain.from_iterable(chain.from_iterable(turns)):
        if not re.match(r"^[A-Z{\"“]", line):
            problems.append(f"{frame.id}: begin with a capital or a slot: {line}")
    for turn in frame.turns:
        if not turn.misread[0].islower() or turn.misread.endswith("."):
            problems.append(
                f"{frame.id}: misread completes 'A careless reader …', lower case, no full stop: {turn.misread}"
            )
        used |= slots_in(turn.misread)
    for forms in (frame.setup, *chain.from_iterable(turns)):
        if len(set(forms)) < len(forms):
            problems.append(f"{frame.id}: two surface forms are the same: {forms[0]}")
    problems += [f"{frame.id}: unknown slot {{{name}}}" for name in sorted(used - allowed)]
    problems += [f"{frame.id}: vary slot {name!r} is never used" for name in set(frame.vary) - used]
    return problems


def _lint_forms(frame: Frame, slots: Sequence[tuple[str, tuple[str, ...]]]) -> list[str]:
    problems = []
    for slot, forms in [("setup", frame.setup), *slots]:
        for one, two in combinations(forms, 2):
            if (alike := fuzz.token_set_ratio(_normal(one), _normal(two))) > MAX_ALIKE[slot]:
                problems.append(f"{frame.id}: two forms of {slot} are too alike ({alike:.0f}): {one} / {two}")
        if slot == "shows":
            continue
        long = [text for text in forms if count_sentences(text) > MAX_SENTENCES]
        problems += [f"{frame.id}: at most {MAX_SENTENCES} sentences in {slot}: {text}" for text in long]
        if sum(count_sentences(text) == 1 for text in forms) < 2:
            problems.append(f"{frame.id}: two forms of {slot} must be one sentence: {forms[0]}")
    return problems


def _normal(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def _lint_spread(frame: Frame, what: str, options: list[tuple[str, ...]], low: int, high: int) -> list[str]:
    lengths = [len(text.split()) for forms in options for text in forms]
    if min(lengths) < low or max(lengths) > high or max(lengths) - min(lengths) > 8:
        return [f"{frame.id}: {what}s have {sorted(lengths)} words; want {low}-{high} and a spread of at most 8"]
    return []


def main(paths: list[str]) -> int:
    """Lint the named files, or all packaged ones; print the problems and return 1 if there are any."""
    broken = 0
    targets = [Path(p) for p in paths] or sorted(Path(str(files("lms.scripted").joinpath("frames"))).glob("*.yaml"))
    for path in targets:
        try:
            frame_file = parse_frames(path.read_text(encoding="utf-8"))
        except (ValidationError, yaml.YAMLError) as error:
            print(f"{path.name}: {error}")
            broken += 1
            continue
        for problem in (problems := lint_file(frame_file)):
            print(f"{path.name}: {problem}")
        broken += bool(problems)
        print(f"{path.name}: {len(frame_file.frames)} frames, {len(problems)} problems")
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
