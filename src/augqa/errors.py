"""The errors of augqa. Each message says where, what, the value found and what to do."""


class AugQAError(Exception):
    """A mistake or a fault that the user can act on; shown without a traceback."""


class DataError(AugQAError):
    """A file or a table is missing, damaged, or of another schema."""


class RecordError(AugQAError):
    """A record breaks its own rules, such as an answer that is not at its offset."""


class ParamsError(AugQAError):
    """params.yaml lacks a key, has one too many, or one of the wrong type or range."""


class GenerationError(AugQAError):
    """A language model could not be reached, or failed more often than allowed."""


class CheckpointError(AugQAError):
    """A model that params name is not there, or cannot be loaded safely."""


class QuestionGeneratorError(AugQAError):
    """A question generator does not fit its method, or cannot be trained."""


class ContextWriterError(AugQAError):
    """A writer of contexts could not be loaded, or has nothing to write from."""


class TrainingError(AugQAError):
    """A training cannot be run as asked, or cannot go on from what it left behind."""


class ReaderError(AugQAError):
    """A reader could not be trained or used."""


class ExecutorError(AugQAError):
    """Workers cannot be had, were lost for good, or failed on a batch."""


class BlendError(AugQAError):
    """A training set cannot be made as asked."""


class EvidenceError(AugQAError):
    """Scores that are to be compared do not fit together, or do not answer what is asked."""


class ValidationFailed(AugQAError):
    """A critical expectation on a table does not hold: the pipeline stops here."""


class TrackingError(AugQAError):
    """The MLflow store cannot be made or reached when that is all that was asked for."""


def first_line(error: BaseException) -> str:
    """Return the first line of a library's message; the others are general advice."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
