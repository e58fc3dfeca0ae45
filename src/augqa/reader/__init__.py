"""The extractive reader: load, train, answer, save. Everything torch and transformers is here.

So is the encoder that embeds texts: readers and embeddings start from the same checkpoints.
"""

from augqa.reader.answering import Reader, ReaderAnswer
from augqa.reader.card import model_card
from augqa.reader.embedding import TextEncoder
from augqa.reader.ranks import leads
from augqa.reader.training import TrainingReport, train_reader

__all__ = [
    "Reader",
    "ReaderAnswer",
    "TextEncoder",
    "TrainingReport",
    "leads",
    "model_card",
    "train_reader",
]
