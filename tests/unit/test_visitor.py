"""tests/support/visitor.py reads forms as browsers do."""

from __future__ import annotations

from email.message import Message

from tests.support.http import Response
from tests.support.visitor import read

PAGE = b"""<!doctype html><title>Forms</title>
<form action="/search"><input name="q" value="a &amp; b"><button>Search</button></form>
<form method="post" action="/make"><input type="hidden" name="_csrf" value="abc">
<input type="checkbox" name="actions" value="pull" checked><input type="checkbox" name="actions" value="push">
<input type="radio" name="right" value="read"><input type="radio" name="right" value="write" checked>
<select name="expires"><option value="30">in 30 days</option><option value="90" selected>in 90 days</option></select>
<select name="kind"><option value="">all</option><option value="chart">charts</option></select>
<textarea name="text">
First &lt;line&gt;
second</textarea>
<input name="off" value="1" disabled><button name="deed" value="make">Make</button></form>
<a href="/r/acme/app">app</a>"""


def test_a_form_is_read_with_the_values_that_a_browser_sends():
    headers = Message()
    headers["Content-Type"] = "text/html; charset=utf-8"
    page = read(Response("GET", "/", 200, headers, PAGE))
    assert page.form(action="/search").fields == [("q", "a & b")]
    assert page.form(field="text").fields == [
        ("_csrf", "abc"), ("actions", "pull"), ("right", "write"), ("expires", "90"), ("kind", ""),
        ("text", "First <line>\nsecond"),
    ]  # fmt: skip
    assert page.form(action="/make").buttons == [("deed", "make")]
    assert page.form(action="/make").filled(text="x", actions=["pull", "push"], kind=None) == [
        ("_csrf", "abc"), ("right", "write"), ("expires", "90"), ("text", "x"), ("actions", "pull"),
        ("actions", "push"),
    ]  # fmt: skip
    assert page.links == ["/r/acme/app"] and "First <line>" in page.text
