"""What is asked of the roles of a therapy session (the converter is in items.py).

The docstrings are the prompts.  The rules are the paper's (arXiv 2601.01407, sections A and B); the craft behind them
is motivational interviewing (Miller & Rollnick, 2013), emotion-focused therapy (Greenberg, 2004), and cognitive
therapy's guided discovery (Beck, 2011).
"""

from __future__ import annotations

import dspy

_CLIENT = dspy.InputField(desc="the client's name, and pronouns in brackets")
_PERSONA = dspy.InputField(desc="who the client is, in one sentence")
_THEME = dspy.InputField(desc="what brings the client to therapy")
_ATTRIBUTES = dspy.InputField(desc="where the conflict lies and how the client deals with it, as `key: value` lines")
_MOMENTS = dspy.InputField(desc="the planned moments, as blocks of `key: value` lines")
_CARE = dspy.InputField(desc="what this theme asks you to be careful about, or `nothing in particular`")
_BACKGROUND = dspy.InputField(desc="the client's history, as written in the file")
_MANNER = dspy.InputField(desc="how the client comes across")
_STAGE = dspy.InputField(desc="where the client's feeling has got to by now")
_MOMENT = dspy.InputField(desc="what is brought up now, as `key: value` lines; `none` when all has been told")
_RECENT = dspy.InputField(desc="the last turns of the session")


class _CaseFile(dspy.Signature):
    """What a background writer receives."""

    persona: str = _PERSONA
    client: str = _CLIENT
    theme: str = _THEME
    attributes: str = _ATTRIBUTES
    moments: str = _MOMENTS
    care: str = _CARE


class WriteBackground(_CaseFile):
    """Write the case background of a client who is about to see a therapist for the first time.

    Write 200 to 400 words in the third person and the past tense, as a colleague would who knows this person well. Let
    persona and theme meet in one believable life: where they come from, how they live now, the customs they keep or
    have left, the people who matter to them, by name and with what stands between them, a trigger within the last weeks
    that made them ask for help, how they usually handle a strong feeling and what that has cost them, and the two
    things that pull them in opposite directions.

    Weave in every planned moment as an event of the last weeks among these people. A moment gives the feeling or the
    need, how the event is appraised, and what must be told so that a stranger could work it out; you supply the event:
    the place, who did or said what, what was at hand. Keep the names as given. Two moments are two different events,
    and moments with different variant numbers are different situations. What is felt is carried by what happened and
    by what people then did, said, or left undone.

    Prefer the particular to the general and mixed feelings to pure ones. Stay clear of stock stories such as exam
    nerves or a plain break-up.
    """

    background: str = dspy.OutputField(desc="the case background, 200-400 words of plain prose")


class OpenAsClient(dspy.Signature):
    """You are the client, and the session begins. Tell the therapist what happened in the moment given.

    Two to five sentences, in the first person and in your own manner. Begin with the concrete recent event. Let what
    you felt show in what you did, said, or noticed in your body; people in distress describe scenes, they seldom label
    them. Let one thought through that speaks against the rest: what you also wanted, or why you may be unfair. You have
    read nothing about psychology and speak as you would at a kitchen table.
    """

    client: str = _CLIENT
    background: str = _BACKGROUND
    manner: str = _MANNER
    stage: str = _STAGE
    moment: str = _MOMENT
    message: str = dspy.OutputField(desc="what the client says, nothing else")


class ContinueAsClient(dspy.Signature):
    """You are the client. Answer what the therapist has just said, and bring up the moment given if there is one.

    One to three sentences, in the first person and in your own manner. Take up the therapist's question, if only to
    turn it aside, before you move on. Follow the stage that your feeling has got to: a guarded client deflects, a
    stirred one stumbles over a detail, a torn one says two things that do not fit together, one who begins to see says
    something new about the other person or an old rule, and a steadier one is brief. Stay true to the background and
    to what you have said; show what you feel by what you tell.
    """

    client: str = _CLIENT
    background: str = _BACKGROUND
    manner: str = _MANNER
    stage: str = _STAGE
    recent_turns: str = _RECENT
    moment: str = _MOMENT
    message: str = dspy.OutputField(desc="what the client says, nothing else")


class RespondAsTherapist(dspy.Signature):
    """You are the therapist: warm, exact, and in no hurry.

    First reflect. Offer back what matters in the client's last words with one small step of meaning that they have not
    said yet, as in a complex reflection of motivational interviewing: the need under the complaint, the other side of
    an ambivalence, the hurt that an angry tone protects. Then ask one open question that serves the phase:

    facts and feelings: help the client tell apart what a camera would have recorded and what went on inside;
    meaning: look for the belief, value, custom, or memory that gave the event its weight;
    perspective: invite the view of the other person, the evidence for and against a thought, or one small thing to try;
    safety: the client's life or safety may be at risk, and everything else waits. Say calmly what you heard, ask about
    it directly and in plain words, say that the client will not be alone with it, and name urgent help such as a crisis
    line or the emergency service; once that is answered, settle who will be there in the next hours.

    One or two sentences, ending in the question, in the language of everyday life. Each turn brings something new.
    """

    phase: str = dspy.InputField(desc="what this part of the session is for")
    care: str = _CARE
    recent_turns: str = _RECENT
    message: str = dspy.OutputField(desc="what the therapist says, ending in an open question")


class SuperviseSession(dspy.Signature):
    """You supervise a therapy session and decide what it still lacks as material for questions on emotional reasoning.

    Judge five points on the transcript alone, each as a strict reader would. A point holds when you could quote the
    lines that show it; a general impression is not enough. The session goes on until all five hold.
    """

    planned: str = dspy.InputField(desc="one line per moment that the client was to bring up")
    transcript: str = dspy.InputField(desc="the session so far")
    scenario_clear: bool = dspy.OutputField(desc="a stranger could retell what happened, where, and to whom")
    emotions_present: bool = dspy.OutputField(desc="feelings can be inferred from what was shown")
    causes_present: bool = dspy.OutputField(desc="the reasons for those feelings can be found in the events")
    dilemma_present: bool = dspy.OutputField(desc="something pulls the client in two directions")
    rich_enough: bool = dspy.OutputField(desc="every planned moment has been told in enough detail to ask about it")


class WriteCase(_CaseFile):
    """Write a short case background for one consultation: 80 to 160 words, third person, past tense.

    Who the client is, where the conflict lies and how high the stakes are, how they cope and how they speak about it;
    then the planned moments in order, each as one concrete event of the last weeks in one or two sentences, with the
    names as given. Moments with different variant numbers are different situations. What is felt shows in what people
    did, said, or left undone.
    """

    case: str = dspy.OutputField(desc="the case background, 80-160 words of plain prose")


class WriteDialogue(dspy.Signature):
    """Write a consultation of five rounds between this client and a therapist: ten messages, the two in turn.

    The client speaks one to four sentences at a time in the manner described, brings up one planned moment per round in
    the order given, and moves through the stages of the arc; feelings show in what is told. The therapist reflects with
    one small step of meaning and ends each message with one open question: rounds one and two tell facts from feelings,
    three and four look for beliefs, values, and what things stand for, five looks from other sides and at what could be
    done. No message repeats another. Should the client voice that life or safety is at risk, the therapist's next words
    ask about it directly and name urgent help before anything else.
    """

    client: str = _CLIENT
    background: str = _BACKGROUND
    manner: str = _MANNER
    arc: str = dspy.InputField(desc="the stages of the client's feeling, one line per round")
    moments: str = _MOMENTS
    care: str = _CARE
    messages: list[str] = dspy.OutputField(desc="ten messages without speaker names, the client's first")
