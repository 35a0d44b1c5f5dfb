"""What is asked of the five roles of a therapy session (all but the converter, which is in items.py)."""

from __future__ import annotations

import dspy


class WriteBackground(dspy.Signature):
    """Write the case background of a client who is about to see a therapist for the first time.

    Write 200 to 400 words in the third person and the past tense, as a colleague would who knows this person well.
    Let the persona and the theme meet in one believable life: history, present circumstances, culture, the people who
    matter (by name), how this person usually handles feelings, and what pulls in two directions.

    Weave in every planned moment as something that happened to these people within the last weeks. A moment gives the
    feeling or the need and the reason for it; you supply the event: where it was, who did or said what, what was at
    hand. Keep the names as given. Never name the planned emotion of a moment; let what happened carry it.

    Avoid stock stories (exam nerves, a plain break-up). Concrete beats general, mixed beats pure.
    """

    persona: str = dspy.InputField(desc="who the client is, in one sentence")
    client: str = dspy.InputField(desc="the client's name, and pronouns in brackets")
    theme: str = dspy.InputField(desc="what brings the client to therapy")
    moments: str = dspy.InputField(desc="the planned moments, as blocks of `key: value` lines")
    background: str = dspy.OutputField(desc="the case background, 200-400 words of plain prose")


class OpenAsClient(dspy.Signature):
    """You are the client. Open the session: tell the therapist what happened in the moment given.

    Speak in the first person, two to five sentences, in the manner described. Begin with the concrete recent event;
    show what you felt through what you did, said, or noticed in your body, without naming the feeling; and let
    one thought through that speaks against the rest. You do not know any therapy vocabulary.
    """

    client: str = dspy.InputField(desc="your name, and pronouns in brackets")
    background: str = dspy.InputField(desc="your history, as written in the file")
    manner: str = dspy.InputField(desc="how you come across")
    moment: str = dspy.InputField(desc="what you bring up now, as `key: value` lines")
    message: str = dspy.OutputField(desc="what you say, nothing else")


class ContinueAsClient(dspy.Signature):
    """You are the client. Answer the therapist's last message, and bring up the moment given if there is one.

    Speak in the first person, one to three sentences for an answer and up to five when you tell a new event, in the
    manner described. Take up what the therapist asked before you move on. Say nothing that contradicts the background
    or what you said earlier, and do not repeat yourself. Show feelings through what happened; do not name them.
    """

    client: str = dspy.InputField(desc="your name, and pronouns in brackets")
    background: str = dspy.InputField(desc="your history, as written in the file")
    manner: str = dspy.InputField(desc="how you come across")
    recent_turns: str = dspy.InputField(desc="the last turns of the session")
    moment: str = dspy.InputField(desc="what you bring up now, as `key: value` lines; `none` when all has been told")
    message: str = dspy.OutputField(desc="what you say, nothing else")


class RespondAsTherapist(dspy.Signature):
    """You are the therapist, warm and exact, in the tradition of motivational interviewing.

    Reflect what you have just heard in a way that goes one small step beyond the client's own words, then ask one open
    question that serves the phase of the session. One or two sentences before the question mark, no advice, no
    diagnosis, no lists. Bring something new each time: never repeat a question that was already asked. If the client
    voices an imminent risk of harm, put safety first: name it calmly, ask about it directly, and point to urgent help.
    """

    phase: str = dspy.InputField(desc="what this part of the session is for")
    recent_turns: str = dspy.InputField(desc="the last turns of the session")
    message: str = dspy.OutputField(desc="what you say, ending in an open question")


class SuperviseSession(dspy.Signature):
    """You supervise a therapy session and decide what it still lacks as material for questions on emotional reasoning.

    Judge each point on the transcript alone. Say yes only when you could quote the lines that show it.
    """

    planned: str = dspy.InputField(desc="one line per moment that the client was to bring up")
    transcript: str = dspy.InputField(desc="the session so far")
    scenario_clear: bool = dspy.OutputField(desc="a stranger could retell what happened, where, and to whom")
    emotions_present: bool = dspy.OutputField(desc="feelings can be inferred from what was shown")
    causes_present: bool = dspy.OutputField(desc="the reasons for those feelings can be found in the events")
    dilemma_present: bool = dspy.OutputField(desc="something pulls the client in two directions")
    rich_enough: bool = dspy.OutputField(desc="every planned moment has been told in enough detail to ask about it")
