"""How results are shown: the text table, the plots' records, the report page.

`results` gathers the metrics files into one record; `robustness` says what the numbers can and
cannot tell; `table`, `plots` and `page` show it. Values in, text or records out.
Whoever writes a page of gates needs none of the statistics behind the others: import the module.
"""
