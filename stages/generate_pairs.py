"""Make question-answer pairs from the generated contexts."""

from augqa.executor.opening import open_executor
from augqa.metrics import write_metrics
from augqa.params import load_params
from augqa.question_generator import Given, load_question_generator
from augqa.question_generator.choosing import load_chooser
from augqa.question_generator.making import make_pairs
from augqa.question_generator.passages import all_passages, failed_contexts
from augqa.records import GeneratedContext, QAExample, Rejection
from augqa.stage import Input, OptionalInput, Output, run
from augqa.tables import Anew, TableWriter, iterate_table


def generate_pairs(
    seed_questions: Input,
    contexts: Input,
    pairs: Output,
    rejected: Output,
    metrics: Output,
    prompts: OptionalInput = None,
    question_generators: OptionalInput = None,
) -> str:
    """Write the pairs whose answer is a span of its context, and a row for all that is none."""
    params = load_params()
    own, kinds = params.generate_pairs, params.question_generators
    n = own.pairs_per_context
    trained = question_generators / kinds[0] if question_generators and kinds else None
    seeds = Anew(lambda: iterate_table(seed_questions, QAExample))
    written = Anew(lambda: iterate_table(contexts, GeneratedContext))

    with open_executor(params.executor) as executor, TableWriter(pairs, QAExample) as kept:
        given = Given(
            n_pairs=n,
            endpoint=params.llm,
            trained=trained,
            prompts=prompts,
            choose=load_chooser(own.candidates, seeds),
            executor=executor,
        )
        generator = load_question_generator(own.method, own.own(own.method), given)
        with TableWriter(rejected, Rejection) as refused:
            counts = make_pairs(
                generator,
                Anew(lambda: all_passages(written, seeds if own.real_contexts else ())),
                failed_contexts(written),
                method=own.method,
                n_pairs=n,
                keep=kept.write,
                reject=refused.write,
            )
        write_metrics(metrics, {**counts.metrics(), **generator.usage.metrics})
        # Inside: without a pair the former table of pairs stays, or none.
        counts.refuse_nothing(contexts=contexts, rejected=rejected)
    return "; ".join(part for part in (counts.line(), generator.usage.line) if part)


if __name__ == "__main__":
    run(generate_pairs)
