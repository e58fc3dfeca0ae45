"""Let a writer write contexts for the seed questions, or take them from documents."""

from augqa.context_writer import Given, load_context_writer
from augqa.context_writer.writing import write_contexts
from augqa.executor.opening import open_executor
from augqa.metrics import write_metrics
from augqa.params import load_params
from augqa.records import GeneratedContext, QAExample
from augqa.stage import Input, OptionalInput, Output, project_root, run
from augqa.tables import Anew, TableWriter, iterate_table


def generate_contexts(
    seed_questions: Input,
    contexts: Output,
    metrics: Output,
    prompts: OptionalInput = None,
    documents: OptionalInput = None,
    context_writers: OptionalInput = None,
) -> str:
    """Write one row a context asked for; a failed request is a row with its reason."""
    params = load_params()
    own, writers = params.generate_contexts, params.context_writers
    with (
        open_executor(params.executor) as executor,
        TableWriter(contexts, GeneratedContext) as table,
    ):
        given = Given(
            params=own,
            endpoint=params.llm,
            trained=context_writers / writers[0] if context_writers and writers else None,
            prompts=prompts,
            # git ignores the user's documents, so a temporary workspace has none of them.
            documents=project_root() / documents if documents else None,
            executor=executor,
        )
        writer = load_context_writer(own.writer, own.own(own.writer), given)
        questions = Anew(lambda: iterate_table(seed_questions, QAExample))
        counts = write_contexts(writer, questions, keep=table.write)
    write_metrics(metrics, {**counts.metrics(), **writer.usage.metrics})
    return "; ".join(part for part in (counts.line(), writer.usage.line) if part)


if __name__ == "__main__":
    run(generate_contexts)
