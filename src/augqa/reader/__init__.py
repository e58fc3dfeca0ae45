"""The extractive reader: load, train, answer, save."""

from augqa.reader.answering import Reader, ReaderAnswer
from augqa.reader.card import model_card
from augqa.reader.ranks import leads
from augqa.reader.saving import MadeFrom, save_trained
from augqa.reader.training import TrainingReport, train_reader

__all__ = [
    "MadeFrom",
    "Reader",
    "ReaderAnswer",
    "TrainingReport",
    "leads",
    "model_card",
    "save_trained",
    "train_reader",
]
