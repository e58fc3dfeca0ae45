"""Does training data written by a language model make a QA reader more robust?"""

from augqa import processor

# Here, since any import of augqa comes through here, and every stage imports augqa first.
processor.pin()
