"""The model card of a trained reader: what it is made from, told in its own folder."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from augqa.markdown import code, plain
from augqa.reader.training import TrainingReport
from augqa.records import QAExample

_CARD = """---
library_name: transformers
pipeline_tag: question-answering
{base_model_line}tags: [extractive-question-answering, augqa]
---

# Reader of regime {regime}, seed {seed}

An extractive question-answering reader: {base_model}, fine-tuned to mark the answer to a
question in a context. It finds no answer that is not in the context, and always gives one.

## Training data

{n_examples} examples on {n_contexts} contexts. {n_cut_off} more could not be learned, since no
window held their whole answer; {n_held_out} were held out, to tell when to stop.

| question and answer | context | made by | examples |
|---|---|---|---|
{rows}

- MD5 of the training table: `{blend_md5}`
- Run key: `{run_key}` (hash of the training table, the settings, the seed and the regime)

Generated text carries its generator's terms, real text its data set's licence: see the
project's data documentation before you pass the weights on.

## Training

Mean loss per epoch: {losses}. Settings:

```json
{settings}
```

## Use

```python
from augqa.reader import Reader

reader = Reader.load("this/folder")
answer = reader.answer("Who wrote Frankenstein?", "Mary Shelley wrote Frankenstein in 1818.")
print(answer.text, answer.start, answer.score)
```

`AutoModelForQuestionAnswering` and `AutoTokenizer` of transformers load the folder as well.
"""


def model_card(
    examples: Sequence[QAExample],
    *,
    regime: str,
    seed: int,
    blend_md5: str,
    run_key: str,
    report: TrainingReport,
    settings: Mapping[str, Any],
) -> str:
    """Return the card as Markdown; equal trainings have equal cards.

    Args:
        examples: The training set.
        regime: Its regime.
        seed: Of the training.
        blend_md5: MD5 of the training set's table, which is DVC's name for it.
        run_key: Name of the training.
        report: What the training did.
        settings: The training's settings.
    """
    not_learned = {*report.cut_off, *report.held_out}
    learned = [example for example in examples if example.id not in not_learned]
    checkpoint = Path(settings["checkpoint"])
    # Where a folder lies on one machine means nothing on another.
    base_model = checkpoint.name if checkpoint.is_absolute() else str(checkpoint)
    kinds = Counter(
        (e.origin, e.context_origin, " by ".join(filter(None, (e.method, e.model))) or "people")
        for e in learned
    )
    # The name of a model is what its server says.
    rows = [
        f"| {' | '.join(map(plain, kind))} | {count} |" for kind, count in sorted(kinds.items())
    ]
    return _CARD.format(
        base_model=code(base_model),
        base_model_line=yaml.safe_dump({"base_model": base_model}, width=1_000),
        regime=regime,
        seed=seed,
        n_examples=len(learned),
        n_contexts=len({example.context_id for example in learned}),
        n_cut_off=len(report.cut_off),
        n_held_out=len(report.held_out),
        rows="\n".join(rows),
        blend_md5=blend_md5,
        run_key=run_key,
        losses=", ".join(f"{loss:.4f}" for loss in report.loss_per_epoch),
        settings=json.dumps({**settings, "checkpoint": base_model}, indent=2, sort_keys=True),
    )
