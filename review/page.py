"""The page on which one person reads an item and answers three questions about it, by keyboard or mouse.

Texts of models are hostile input: they reach the page as the text of plain elements and never as HTML or Markdown.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

from nicegui import html, ui
from nicegui.element import Element
from nicegui.events import GenericEventArguments, ValueChangeEventArguments

from corpus.errors import RunError
from corpus.human import ASPECTS, Aspect
from review.items import Question, ReviewItem
from review.sheet import Sheet

_WORDING: dict[Aspect, tuple[str, str]] = {
    "label_right": ("Is the key right?", "Every marked answer is the best one of its choices."),
    "explanation_sound": ("Is the explanation sound?", "It follows from the scenario and supports the key."),
    "ambiguous": ("Is the item ambiguous?", "Another choice could be defended just as well."),
}
_KEYS = (
    ("y n", "answer yes or no"),
    ("1 2 3", "switch yes, no, none"),
    ("Enter →", "next item"),
    ("←", "back"),
    ("/", "write a note"),
    ("Esc", "leave the note"),
)
_CYCLE: dict[bool | None, bool | None] = {None: True, True: False, False: None}
_NOTE_PAUSE_MS = 400


@dataclass(frozen=True)
class _Choice:
    """The elements of one of the three questions."""

    frame: Element
    yes: Element
    no: Element

    def show(self, answer: bool | None, is_marked: bool) -> None:
        self.yes.props["aria-pressed"] = "true" if answer is True else "false"
        self.no.props["aria-pressed"] = "true" if answer is False else "false"
        self.frame.classes(add="marked" if is_marked else "", remove="" if is_marked else "marked")


class ReviewPage:
    """The page of one browser tab; it starts at the first item that lacks an answer."""

    def __init__(self, sheet: Sheet, title: str):
        self._sheet, self._title = sheet, title
        self._index, self._marked = sheet.first_open, 0
        room = files("review")
        ui.add_head_html(f"<style>{(room / 'page.css').read_text('utf-8')}</style>")
        ui.add_body_html(f"<script>{(room / 'keys.js').read_text('utf-8')}</script>")
        ui.on("review_key", self._press)
        self._build()
        self._show_item()

    def _build(self) -> None:
        with html.header().classes("bar"):
            with html.div().classes("names"):
                html.h1(self._title)
                html.p(f"reviewed by {self._sheet.annotator}")
            with html.div().classes("progress"):
                self._progress_text = ui.label().props("id=progress aria-live=polite")
                self._progress = html.progress(max=len(self._sheet.items)).props('aria-label="items with all answers"')
        with html.div().classes("desk"):
            self._paper = html.section().classes("paper").props('aria-label="Item"')
            with html.section().classes("panel").props('aria-label="Your verdict"'):
                with html.div() as self._form:
                    self._choices = {
                        aspect: self._build_choice(number, aspect) for number, aspect in enumerate(ASPECTS)
                    }
                    # The field itself keeps this event to itself, but it bubbles.
                    self._note_frame = html.div().classes("note").on("input", self._await_note, args=[])
                with html.div().classes("steps"):
                    self._back = html.button("← Back").props("type=button").on("click", lambda: self._go(-1), args=[])
                    self._next = html.button("Next →").props("type=button").on("click", lambda: self._go(1), args=[])
                    self._status = ui.label().props("id=status role=status")
                with html.dl().classes("keys").props("aria-label=Keys"):
                    for keys, meaning in _KEYS:
                        with html.div():
                            with html.dt():
                                for key in keys.split():
                                    html.kbd(key)
                            html.dd(meaning)

    def _build_choice(self, number: int, aspect: Aspect) -> _Choice:
        title, hint = _WORDING[aspect]
        with html.fieldset().props(f"id={aspect} aria-describedby={aspect}-hint") as frame:
            with html.legend():
                html.kbd(str(number + 1)).props("aria-hidden=true")
                html.span(title)
            html.p(hint).props(f"id={aspect}-hint")
            with html.div().classes("answers"):
                buttons = [
                    html.button(text)
                    .props(f"type=button data-answer={text.lower()}")
                    .on("click", lambda answer=answer: self._answer(number, answer), args=[])
                    for text, answer in (("Yes", True), ("No", False))
                ]
        return _Choice(frame, *buttons)

    @property
    def _current(self) -> ReviewItem | None:
        return self._sheet.items[self._index] if self._index < len(self._sheet.items) else None

    def _press(self, event: GenericEventArguments) -> None:
        key = event.args
        if key in ("Enter", "ArrowRight"):
            self._go(1)
        elif key == "ArrowLeft":
            self._go(-1)
        elif key in ("y", "n"):
            self._answer(self._marked, key == "y")
        elif self._current is not None:
            number = int(key) - 1
            verdict = self._sheet.verdict(self._current.id)
            self._answer(number, _CYCLE[verdict.answers[ASPECTS[number]]], move=False)

    def _answer(self, number: int, answer: bool | None, move: bool = True) -> None:
        """Save an answer; the mark stays on the question, or goes on to the next one without an answer."""
        if self._current is None or not self._save(**{ASPECTS[number]: answer}):
            return
        self._marked = number
        if move:
            answers = self._sheet.verdict(self._current.id).answers
            following = [(number + step) % len(ASPECTS) for step in range(1, len(ASPECTS))]
            self._marked = next((other for other in following if answers[ASPECTS[other]] is None), number)
        self._show_answers()

    def _write_note(self, event: ValueChangeEventArguments[str | None]) -> None:
        self._save(note=event.value or "")

    def _await_note(self) -> None:
        self._say("Note not saved yet")

    def _save(self, **changes: bool | str | None) -> bool:
        assert self._current is not None, "there is nothing to save after the last item"
        try:
            verdict = self._sheet.change(self._current.id, **changes)
        except RunError as error:
            self._say(f"Not saved: {error}", fault=True)
            return False
        self._say(f"Saved {datetime.fromisoformat(verdict.at).astimezone():%H:%M:%S}")
        return True

    def _say(self, text: str, fault: bool = False) -> None:
        self._status.set_text(text)
        self._status.classes(add="fault" if fault else "", remove="" if fault else "fault")

    def _go(self, step: int) -> None:
        if self._index == len(self._sheet.items) and step > 0:
            self._index = self._sheet.first_open
        else:
            self._index = max(0, self._index + step)
        self._say("")
        self._show_item()
        ui.run_javascript("window.scrollTo(0, 0)")

    def _show_item(self) -> None:
        item = self._current
        self._paper.clear()
        self._form.set_visibility(item is not None)
        with self._paper:
            if item is None:
                self._show_end()
                return
            _show_text(item)
        self._note_frame.clear()
        with self._note_frame:
            # Made anew for each item, or the browser would keep the words of the last one.
            note = ui.textarea("Note", value=self._sheet.verdict(item.id).note, on_change=self._write_note)
            note.props(f"debounce={_NOTE_PAUSE_MS} autogrow borderless input-class=note-text")
        answers = self._sheet.verdict(item.id).answers
        self._marked = next((number for number, aspect in enumerate(ASPECTS) if answers[aspect] is None), 0)
        self._show_answers()

    def _show_answers(self) -> None:
        item = self._current
        if item is not None:
            answers = self._sheet.verdict(item.id).answers
            for number, aspect in enumerate(ASPECTS):
                self._choices[aspect].show(answers[aspect], number == self._marked)
        self._show_progress()

    def _show_progress(self) -> None:
        done, total = self._sheet.done, len(self._sheet.items)
        here = f"Item {self._index + 1} of {total}" if self._current is not None else "The end"
        self._progress_text.set_text(f"{here} · {done} done")
        self._progress.props["value"] = done
        self._back.props.set_bool("disabled", self._index == 0)
        all_seen = self._current is None and done == total
        self._next.props.set_bool("disabled", all_seen)

    def _show_end(self) -> None:
        open_items = len(self._sheet.items) - self._sheet.done
        with html.section().classes("end").props("id=end"):
            if open_items:
                html.h2("The end of the list")
                html.p(
                    f"{open_items} of {len(self._sheet.items)} items lack an answer. Enter goes to the first of them."
                )
            else:
                html.h2("All done, thank you")
                html.p(
                    f"All {len(self._sheet.items)} verdicts are saved. Close this page, then stop the server (Ctrl-C)."
                )
        self._show_progress()


def _show_text(item: ReviewItem) -> None:
    with html.article().props(f"lang={item.item.language}"):
        html.p(item.item.scenario).classes("scenario").props("id=scenario")
        for number, question in enumerate(item.questions):
            _show_question(number, question)
        html.h2("Explanation")
        html.p(item.item.explanation).classes("explanation").props("id=explanation")
    with html.footer().classes("source").props("id=source"):
        if item.reason:
            html.p(f"Set aside by the judge: {item.reason}").classes("aside")
        html.p(f"{item.category} · {item.id}")


def _show_question(number: int, question: Question) -> None:
    html.h2(question.text).props(f"id=question-{number}")
    with html.ol().classes("choices").props(f"aria-labelledby=question-{number}"):
        for letter, choice in zip(string.ascii_uppercase, question.choices, strict=False):
            is_key = choice == question.key
            with html.li().classes("key" if is_key else ""):
                html.span(letter).classes("letter")
                html.span(choice).classes("text")
                if is_key:
                    html.span("key").classes("badge")
