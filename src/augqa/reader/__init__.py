"""The extractive reader: load, train, answer, save. Everything torch and transformers is here."""

from augqa.reader.answering import Reader, ReaderAnswer
from augqa.reader.training import TrainingReport, train_reader

__all__ = ["Reader", "ReaderAnswer", "TrainingReport", "train_reader"]
