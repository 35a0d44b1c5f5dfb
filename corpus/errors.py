"""Errors a user can cause, one tree for the whole project.

EmoReasonError              the job cannot go on (exit code 1)
├── UsageError              the command or the recipe is wrong (exit code 2)
│   └── RecipeError         a recipe key is unknown, missing, impossible, or changed under a run
├── DataError               a data file cannot be read or a line in it is wrong
├── RunError                a run folder cannot be used: locked, foreign, incomplete, disk full
├── TeacherError            a language model cannot be reached or refuses every call
├── LimitError              a limit of the recipe is reached; the run can go on with a higher one
├── ModelError              a local model cannot be loaded or run
├── TrainingError           the student cannot be built or tuned
└── ShippingError           the student cannot be handed over

Every message is one line that says what, where, and what to do next.
"""


class EmoReasonError(Exception):
    """Base of all errors that are reported as one line, without a traceback."""

    exit_code = 1


class UsageError(EmoReasonError):
    """The command line is wrong."""

    exit_code = 2


class RecipeError(UsageError):
    """The recipe is wrong; the message names the key."""


class DataError(EmoReasonError):
    """A data file is unreadable or malformed; the message names file and line."""


class RunError(EmoReasonError):
    """A run folder cannot be used."""


class TeacherError(EmoReasonError):
    """A language model cannot be used."""


class ModelError(EmoReasonError):
    """A local model cannot be loaded or run; the message names its path."""


class LimitError(EmoReasonError):
    """A limit of the recipe is reached."""


class TrainingError(EmoReasonError):
    """The student cannot be built or tuned."""


class ShippingError(EmoReasonError):
    """The student cannot be handed over, or is not the same where it arrived."""
