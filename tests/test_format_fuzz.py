"""No file brings a parser down: it gives examples or one clear refusal, in good time."""

from tests.fuzz.qa_files import fuzz, mutated, replaced

# The same few hundred each time; `python -m tests.fuzz.qa_files 10000` tries others, and more.
test_files_with_bytes_changed_give_examples_or_a_refusal = fuzz(mutated(), 300, derandomize=True)
test_files_with_values_changed_give_examples_or_a_refusal = fuzz(replaced(), 300, derandomize=True)
