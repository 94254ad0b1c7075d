"""The contract as tests: what the server answers, route by route and rule by rule.

`routes.json` lists the contract's routes below the base path as data. `asking.py` holds who asks;
everything else is a claim about an answer.
"""
