"""Does training data written by a language model make a QA reader more robust?"""
