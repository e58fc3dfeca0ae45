"""Language models of transformers, written in equal bytes with how their texts end."""

from pathlib import Path
from typing import Any

from transformers import GenerationConfig

from augqa.finetuning.saving import whole_folder, write_checkpoint


def save_language_model(folder: Path, model: Any, tokenizer: Any) -> None:
    """Write a checkpoint and how its texts end; its own sampling defaults stay behind.

    Raises:
        DataError: As `save_checkpoint`.
    """
    own = model.generation_config
    generation = GenerationConfig(
        decoder_start_token_id=own.decoder_start_token_id,
        bos_token_id=own.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with whole_folder(folder) as partial:
        write_checkpoint(partial, model, tokenizer)
        generation.save_pretrained(partial)
