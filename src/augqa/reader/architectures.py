"""What is known of each architecture. To teach the reader another one, add a line here.

Names are transformers' model types. One that is not listed is padded, with positions from 0. What
stands here is held against the model itself when it is loaded, and by a test for each architecture
that transformers has a question-answering head for.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """How windows go through the models of one type.

    Attributes:
        packs: They may run end to end: its attention is transformers' interface, it takes the
            positions it is given, and no other layer looks at neighbouring tokens.
        counts_from_padding: It numbers positions from behind the padding token's own number.
        written_out: Its layers are those that `augqa.reader.bert` has.
    """

    packs: bool = False
    counts_from_padding: bool = False
    written_out: bool = False


ARCHITECTURES = {
    "albert": Architecture(packs=True),
    "bert": Architecture(packs=True, written_out=True),
    "camembert": Architecture(packs=True, counts_from_padding=True, written_out=True),
    "data2vec-text": Architecture(packs=True, counts_from_padding=True),
    "distilbert": Architecture(packs=True),
    "electra": Architecture(packs=True),
    "ernie": Architecture(packs=True),
    "ibert": Architecture(counts_from_padding=True),
    "jina_embeddings_v3": Architecture(packs=True),
    "longformer": Architecture(counts_from_padding=True),
    "luke": Architecture(counts_from_padding=True),
    "markuplm": Architecture(counts_from_padding=True),
    "modernbert": Architecture(packs=True),
    "mpnet": Architecture(counts_from_padding=True),
    "roberta": Architecture(packs=True, counts_from_padding=True, written_out=True),
    "roberta-prelayernorm": Architecture(packs=True, counts_from_padding=True),
    "roc_bert": Architecture(packs=True),
    "ultrabert": Architecture(packs=True),
    "xlm-roberta": Architecture(packs=True, counts_from_padding=True, written_out=True),
    "xlm-roberta-xl": Architecture(packs=True, counts_from_padding=True),
    "xmod": Architecture(counts_from_padding=True),
}


def architecture_of(model_type: str) -> Architecture:
    """Return what is known of a model type."""
    return ARCHITECTURES.get(model_type, Architecture())
