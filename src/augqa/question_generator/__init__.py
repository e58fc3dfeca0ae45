"""Question generators that run here: load, train, ask. What knows transformers' generation."""

from augqa.question_generator.causal import CausalGenerator
from augqa.question_generator.seq2seq import Seq2SeqGenerator, parse_end_to_end
from augqa.question_generator.trained import load_trained
from augqa.question_generator.training import Lora, train_question_generator

__all__ = [
    "CausalGenerator",
    "Lora",
    "Seq2SeqGenerator",
    "load_trained",
    "parse_end_to_end",
    "train_question_generator",
]
