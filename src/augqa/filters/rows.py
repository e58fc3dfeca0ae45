"""Judge the rows of a table of pairs, on every core."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from augqa.filters.deciding import JudgedAlone, in_step, judge_alone
from augqa.filters.entry import Settings, Surroundings
from augqa.processes import over_rows
from augqa.records import QAExample, RoundTripAnswer
from augqa.tables import count_rows, iterate_table, read_arrow


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeRows:
    """Judges rows of a table of pairs, each by itself.

    Attributes:
        pairs: The table.
        answers: Table of the round-trip answers.
        settings: Section filter_pairs of the params.
        surroundings: What the pairs are held against.
        in_rows: Whether the answer to a pair stands in the row of its number; if not, all rows
            have to be asked for at once.
    """

    pairs: Path
    answers: Path
    settings: Settings
    surroundings: Surroundings
    in_rows: bool

    def __call__(self, rows: range) -> JudgedAlone:
        """Judge some rows."""
        read = iterate_table(self.answers, RoundTripAnswer, rows=rows if self.in_rows else None)
        both = in_step(iterate_table(self.pairs, QAExample, rows=rows), read)
        return judge_alone(both, settings=self.settings, surroundings=self.surroundings)


def judge_rows(
    pairs: Path, *, answers: Path, settings: Settings, surroundings: Surroundings
) -> JudgedAlone:
    """Judge each row of a table of pairs by itself; of many rows several processes take parts.

    Args:
        pairs: The table.
        answers: Table of the round-trip answers; in the order of the pairs it takes no memory.
        settings: Section filter_pairs of the params.
        surroundings: What the pairs are held against.

    Raises:
        DataError: If a table is missing, is not Parquet, or is of another schema.
    """
    in_rows = _ids(pairs).equals(_ids(answers))
    task = JudgeRows(
        pairs=pairs,
        answers=answers,
        settings=settings,
        surroundings=surroundings,
        in_rows=in_rows,
    )
    judged = JudgedAlone()
    for _, part in over_rows(task, count_rows(pairs), n_processes=None if in_rows else 1):
        judged.append(part)
    return judged


def _ids(path: Path) -> pa.Table:
    return read_arrow(path, columns=["id"])  # without columns, where the table is another one
