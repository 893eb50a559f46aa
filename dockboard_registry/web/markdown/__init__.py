"""A safe subset of Markdown, rendered on the server.

Headings, paragraphs, emphasis, lists, code, quotes, tables, rules and links. Everything else is text. The time for a
text grows with its length at most, whatever it consists of: see work.py.
"""
