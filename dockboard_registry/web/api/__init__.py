"""The JSON API of accounts, /api/v1: the commands of cli/accounts/ for programs, by the same domain calls.

Each module has the operations of one group of objects. entry.py alone is read with the routes; the rest is read by the
first request.
"""
