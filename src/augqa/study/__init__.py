"""A study on files: what was asked in params, what was scored, and what is kept of the answer.

`settings` is the params section, `reading` reads scores and articles, `planning` makes a plan of
params and training sets, `headline` is the short file for `dvc exp show`, `experiments` reads
scores from git refs, `keeping` keeps them in git.
"""
