"""Markdown as HTML: what it may be, what gets through, and how long it takes."""

import asyncio
import random
import re
import time
from html import unescape
from html.parser import HTMLParser

import pytest

from dockboard_registry.errors import TooManyRequests
from dockboard_registry.web.markdown import rendered, thread, work
from dockboard_registry.web.markdown.blocks import render
from dockboard_registry.web.markdown.links import Pictures
from dockboard_registry.web.markdown.rendered import Renderer
from tests.unit.markdown_corpus import HOSTILE

REL = 'rel="noopener noreferrer nofollow"'
TAGS = set("h2 h3 h4 h5 h6 p em strong del code pre a ul ol li blockquote table thead tbody tr th td hr br img".split())
ATTRIBUTES = {
    ("a", "href"),
    ("a", "rel"),
    ("ol", "start"),
    ("th", "scope"),
    ("th", "class"),
    ("td", "class"),
    ("table", "tabindex"),
}
PICTURE = {("img", name) for name in ("src", "alt", "loading", "referrerpolicy")}
ALPHABET = [
    *("*", "**", "***", "_", "__", "`", "``", "[", "]", "(", ")", "![", "](http://a.b)", "](#x)", "](javascript:a)"),
    *(
        "a",
        "b ",
        "\n",
        "\n\n",
        "\n> ",
        "\n- ",
        "\n1. ",
        "  ",
        "\n    ",
        "\n# ",
        "\n## ",
        "|",
        "\n|-|-|\n",
        "~~",
        "\n~~~",
    ),
    *("\n```\n", "\\", "&lt;", "<", '"', "'", "http://x.y", "<http://z>", ": ", "[r]", "\n[r]: http://r\n", "\n===\n"),
    *("\n---\n", "\t", "字", "\u202e"),
]
SIZE = 512 << 10


def html(text: str, pictures: Pictures = Pictures()) -> str:
    return render(text, "readme-", pictures)[0]


class Checker(HTMLParser):
    """Takes only the HTML that may come of Markdown."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.deepest = 0

    def handle_starttag(self, tag, attributes) -> None:
        assert tag in TAGS
        for name, value in attributes:
            assert (tag, name) in ATTRIBUTES | PICTURE or (name == "id" and value.startswith("readme-")), (tag, name)
        found = dict(attributes)
        if tag == "a":
            assert "a" not in self.open
            assert re.match("(https?://|mailto:|#readme-)", found["href"], re.I)
            assert found["href"][0] == "#" or found["rel"] == "noopener noreferrer nofollow"
            self.links.append(found["href"])
        self.ids += [found["id"]] if "id" in found else []
        if tag not in ("hr", "br", "img"):
            self.open.append(tag)
            self.deepest = max(self.deepest, len(self.open))

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def unknown_decl(self, data) -> None:
        raise AssertionError(data)

    handle_comment = handle_decl = handle_pi = unknown_decl


def checked(text: str) -> Checker:
    found = Checker()
    found.feed(html(text))
    found.close()
    assert found.open == [] and len(found.ids) == len(set(found.ids))
    return found


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("text", "<p>text</p>"),
        ("a\nb", "<p>a\nb</p>"),
        ("a  \nb\\\nc", "<p>a<br>\nb<br>\nc</p>"),
        ("*a* _b_ **c** __d__ ***e*** ~~f~~",
         "<p><em>a</em> <em>b</em> <strong>c</strong> <strong>d</strong> <em><strong>e</strong></em> <del>f</del></p>"),
        ("a*b*c snake_case_name 2 * 3 * 4", "<p>a<em>b</em>c snake_case_name 2 * 3 * 4</p>"),
        ("*a **b** c*", "<p><em>a <strong>b</strong> c</em></p>"),
        ("`a*b*` ``a`b`` `", "<p><code>a*b*</code> <code>a`b</code> `</p>"),
        ("\\*a\\* &amp; &copy; &nope;", "<p>*a* &amp; © &amp;nope;</p>"),
        ("# A\n## B #\n#nope", '<h2 id="readme-a">A</h2>\n<h3 id="readme-b">B</h3>\n<p>#nope</p>'),
        ("A\n=\nB\n-", '<h2 id="readme-a">A</h2>\n<h3 id="readme-b">B</h3>'),
        ("# a\n#### b\n# a\n# a", '<h2 id="readme-a">a</h2>\n<h3 id="readme-b">b</h3>\n<h2 id="readme-a-1">a</h2>\n'
         '<h2 id="readme-a-2">a</h2>'),
        ("# 安装 Docker!", '<h2 id="readme-安装-docker">安装 Docker!</h2>'),
        ("- a\n- b\n  - c\n- d", "<ul>\n<li>a</li>\n<li>b\n<ul>\n<li>c</li>\n</ul></li>\n<li>d</li>\n</ul>"),
        ("- a\n\n- b", "<ul>\n<li><p>a</p></li>\n<li><p>b</p></li>\n</ul>"),
        ("3. a\n4. b\n   more", '<ol start="3">\n<li>a</li>\n<li>b\nmore</li>\n</ol>'),
        ("- a\n* b", "<ul>\n<li>a</li>\n</ul>\n<ul>\n<li>b</li>\n</ul>"),
        ("> a\nb\n\nc", "<blockquote>\n<p>a\nb</p>\n</blockquote>\n<p>c</p>"),
        ("```sh\na <b>\n  c\n```\nd", "<pre><code>a &lt;b&gt;\n  c</code></pre>\n<p>d</p>"),
        ("~~~\n```\n~~~~", "<pre><code>```</code></pre>"),
        ("    a\n\n     b\nc", "<pre><code>a\n\n b</code></pre>\n<p>c</p>"),
        ("a\n    b", "<p>a\nb</p>"),
        ("***\n- - -\n___", "<hr>\n<hr>\n<hr>"),
        ("a|b\n-|-:\n1|`x`\n2",
         '<table tabindex="0"><thead><tr><th scope="col">a</th><th scope="col" class="num">b</th></tr></thead>'
         '<tbody><tr><td>1</td><td class="num"><code>x</code></td></tr>\n'
         '<tr><td>2</td><td class="num"></td></tr></tbody></table>'),
        ("[a](https://x.org/y?z=1&b \"t\")", f'<p><a href="https://x.org/y?z=1&amp;b" {REL}>a</a></p>'),
        ("[a*b*][R] [r]\n\n[r]: http://x.org 'title'",
         f'<p><a href="http://x.org" {REL}>a<em>b</em></a> <a href="http://x.org" {REL}>r</a></p>'),
        ("<https://x.org> https://y.org/a_b. <mailto:a@b.org>",
         f'<p><a href="https://x.org" {REL}>https://x.org</a> <a href="https://y.org/a_b" {REL}>https://y.org/a_b</a>. '
         f'<a href="mailto:a@b.org" {REL}>a@b.org</a></p>'),
        ("[up](#Über-uns)", '<p><a href="#readme-über-uns">up</a></p>'),
        ("[a](docs/a.md) [b](/x) [c](ftp://x.org)", "<p>a b c</p>"),
        ("[a (b)](https://x.org/a_(b))", f'<p><a href="https://x.org/a_(b)" {REL}>a (b)</a></p>'),
        ("![Alt *x*](https://x.org/a.png)", f'<p><a href="https://x.org/a.png" {REL}>picture: Alt x</a></p>'),
        ("[![Build](https://x.org/b.svg)](https://y.org)", f'<p><a href="https://y.org" {REL}>picture: Build</a></p>'),
        ("![Alt](a.png) ![](b.png)", "<p>picture: Alt picture: b.png</p>"),
        ("<b>x</b> <!-- c -->", "<p>&lt;b&gt;x&lt;/b&gt; &lt;!-- c --&gt;</p>"),
        ("a\u202eb\r\nc\rd", "<p>a\\u202eb\nc\nd</p>"),
        ("\U0001f468\u200d\U0001f469", "<p>\U0001f468\u200d\U0001f469</p>"),
        ("", ""),
    ],
)  # fmt: skip
def test_what_becomes_of_it(text, wanted):
    assert html(text) == wanted


def test_pictures_of_allowed_hosts_are_shown():
    shown = Pictures("图片：{}".format, ("img.example.org", "*.example.net"))
    assert html('![a "b"](https://img.example.org/x.png)', shown) == (
        '<p><img src="https://img.example.org/x.png" alt="a &quot;b&quot;" loading="lazy"'
        ' referrerpolicy="no-referrer"></p>'
    )
    assert "<img" in html("[![a](https://a.example.net/x)](https://b.org)", shown)
    for address in (
        "http://img.example.org/x",
        "https://img.example.org.evil.example/x",
        "https://img.example.org@evil.example/x",
        "https://img.example.org:8443/x",
        "https://example.net/x",
        "https://evil.example/#img.example.org",
        "//img.example.org/x",
    ):
        found = html(f"![a]({address})", shown)
        assert "<img" not in found and "图片：a" in found


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_gets_through(text):
    assert all(not link.lower().startswith("javascript") for link in checked(text).links)
    for inside in (f"- {text}\n  {text}", f"> {text}", f"**{text}** _{text}_", f"[{text}](https://a.example)"):
        checked(inside)
    assert not re.search("[\x00-\x08\x0b-\x1f\u200b\u202a-\u202e\u2066-\u2069\ud800-\udfff]", html(text))


def test_any_mixture_is_well_formed():
    mixing = random.Random(7)
    for _ in range(3000):
        checked("".join(mixing.choices(ALPHABET, k=mixing.choice((8, 30, 120)))))


def test_nesting_ends_somewhere():
    nested = "".join("  " * deep + "- a\n" for deep in range(300))
    emphasis, brackets = "*a **b " * 1000 + "** *" * 1000, "[" * 1000 + "a" + "](http://b)" * 1000
    for text in ("> " * 1000 + "a", "- " * 1000 + "a", "> - " * 300 + "a", nested, emphasis, brackets):
        assert checked(text).deepest < 60


def test_what_is_too_much_is_plain_text_and_nothing_is_lost():
    """All of the text is there, the rest without form."""
    lines = [f"- item{number}" for number in range(60_000)]
    found, whole = render("\n".join(lines), "readme-", Pictures())
    assert not whole and found.count("<li>") <= 20_000
    assert re.findall(r"item\d+", found) == [line[2:] for line in lines]
    found, whole = render("*a* " * 100_000, "readme-", Pictures())
    assert not whole and found.count("<em>") == 20_000
    assert len(re.sub("<[^>]*>", "", found).replace("*", "").replace(" ", "").strip()) == 100_000
    assert render("word " * 100_000, "readme-", Pictures())[1]


@pytest.mark.parametrize(
    "piece",
    ["[a] ", "![][a] ", "![a] ", "[![x][a]](http://b) ", "# [a]\n", "- [a]\n"],
)
def test_an_address_that_is_used_often_makes_no_huge_page(piece):
    """One definition stands in a text once, and in its HTML as often as it is used."""
    text = f"[a]: http://x/{'&' * 490}\n\n" + piece * 8000
    for hosts in ((), ("x",)):
        found, whole = render(text.replace("http://x", "https://x"), "readme-", Pictures(hosts=hosts))
        assert not whole and len(found) < work.LEAST_MARKUP + 8 * len(text)
        assert found.count("href=") + found.count("<img") > 200
        tail = re.sub("<[^>]*>", "", found)[-4000:]
        assert piece.removeprefix("- ").strip() in unescape(tail)


def test_a_table_of_empty_cells_makes_no_huge_page():
    head = "|".join("a" * 50) + "\n" + "|".join("-" * 50) + "\n"
    found, whole = render(head + "b\n" * 19_000, "readme-", Pictures())
    assert not whole and len(found) < 2 << 20 and found.count("b") > 19_000
    assert found.count("<td>") <= work.MOST_MARKS


def test_a_long_readme_has_four_times_its_text_for_links():
    text = "[a](http://x.org/yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy) " * 6000
    found, whole = render(text, "readme-", Pictures())
    assert whole and found.count("<a ") == 6000 and len(found) > 600_000
    text = "[a][b] " * 30_000 + "\n\n[b]: http://x.org"
    found, whole = render(text, "readme-", Pictures())
    assert not whole and found.count("<a ") == work.LEAST_MARKUP // len(f'<a href="http://x.org" {REL}>') + 1


@pytest.mark.parametrize("form", ["<{}>", "{}", "[a]({})", "[a](<{}>)", "![a]({})", "[a]\n\n[a]: {}"])
def test_an_address_of_more_than_500_characters_is_text(form):
    longest = "http://x/" + "y" * 491
    assert f'href="{longest}"' in html(form.format(longest))
    found = html(form.format(longest + "y"))
    assert "href" not in found and longest + "y" in found


@pytest.mark.parametrize(
    "piece",
    [
        *("[", "*", "*a ", "a**", ">", "> ", "`", "`a", "- a\n", "- ", "[a](", "![", "<", "<a ", "&", "\\", "[a]: x\n"),
        *("[a][b] ", "|", "a|b\n-|-\n", "a\n", "```\n", "# a\n", "a\n=\n", "](", '](x "', "](<", "[a](x (", "=", "\t"),
        *(
            "*_",
            "_a",
            "~~a~~ ",
            "[[a]](b)",
            "&#x202e;",
            "http://a ",
            "![](",
            "1) ",
            "- a\n\n",
            "a  \n",
            "\n",
            "'",
            "字",
        ),
        *(
            "[![a](https://x.y/z)](https://a.b) ",
            "](javascript:a)\n[r]: http://r\n",
            "word *and* `code` [l](http://l)\n",
        ),
    ],
)
def test_512_kib_of_anything_are_quick(piece):
    """The time grows with the length, not with its square: at most 0.3 s on a machine at rest."""
    text = (piece * (SIZE // len(piece.encode()) + 1)).encode()[:SIZE].decode(errors="ignore")
    begun = time.thread_time()
    found, _ = render(text, "readme-", Pictures())
    assert time.thread_time() - begun < 3
    assert len(found) < 8 * SIZE


def test_text_stays_as_it_is():
    text = 'Ein Satz, 一句话; and "quotes" & <angles>.'
    assert unescape(html(text)) == f"<p>{text}</p>"


def test_a_text_is_rendered_once_and_kept_while_there_is_room():
    async def main() -> None:
        renderer, pictures = Renderer("readme-"), Pictures()
        long = "*a*\n\n" * 2000
        first = await renderer.html(long, pictures)
        assert await renderer.html(long, pictures) is first and first.whole
        assert await renderer.html("# a", pictures) is await renderer.html("# a", pictures)
        chinese = await renderer.html("![a](b)", Pictures("图片：{}".format), "zh")
        assert chinese.html == "<p>图片：a</p>"
        assert (await renderer.html("![a](b)", pictures, "en")).html == "<p>picture: a</p>"
        for number in range(10):
            await renderer.html(f"{number} " + "x" * (rendered._KEPT // 5), pictures)
        assert await renderer.html(long, pictures) is not first

    asyncio.run(main())


def test_what_is_larger_than_the_room_for_all_is_not_kept():
    async def main() -> None:
        renderer, pictures = Renderer("readme-"), Pictures()
        first = await renderer.html("*a*", pictures)
        huge = "'" * (rendered._KEPT // 6 + 1)
        assert await renderer.html(huge, pictures) is not await renderer.html(huge, pictures)
        assert await renderer.html("*a*", pictures) is first

    asyncio.run(main())


LONG = "a|b\n-|-\n" + "*a*|b\n" * 40_000


def test_what_is_shown_goes_before_previews():
    async def main() -> None:
        renderer, done = Renderer("readme-"), []

        async def render(name: str, making) -> None:
            await making
            done.append(name)

        previews = [render(f"preview {n}", renderer.preview(n, LONG, Pictures())) for n in range(4)]
        await asyncio.gather(*previews, render("shown", renderer.html("word " * 1000, Pictures())))
        assert done.index("shown") <= 1 and len(done) == 5

    asyncio.run(main())


def test_an_account_has_one_preview_at_a_time():
    async def main() -> None:
        renderer, pictures = Renderer("readme-"), Pictures()
        first = asyncio.create_task(renderer.preview(0, LONG, pictures))
        await asyncio.sleep(0)
        with pytest.raises(TooManyRequests, match="another preview of yours") as refused:
            await renderer.preview(0, LONG, pictures)
        assert refused.value.headers == {"Retry-After": "2"}
        assert (await renderer.preview(0, "*short*", pictures)).html == "<p><em>short</em></p>"
        words = "word " * 1000
        others = [asyncio.create_task(renderer.preview(n, words, pictures)) for n in range(1, thread.MOST_PREVIEWS)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyRequests, match="too many previews"):
            await renderer.preview(1000, words, pictures)
        assert "<em>a</em>" in (await first).html
        assert (await renderer.preview(0, words, pictures)).whole
        assert len(await asyncio.gather(*others)) == thread.MOST_PREVIEWS - 1

    asyncio.run(main())


def test_an_account_whose_preview_nobody_waits_for_has_it_until_it_is_made():
    async def main() -> None:
        renderer, pictures = Renderer("readme-"), Pictures()
        first = asyncio.create_task(renderer.preview(0, LONG, pictures))
        await asyncio.sleep(0.02)
        first.cancel()
        await asyncio.sleep(0)
        with pytest.raises(TooManyRequests):
            await renderer.preview(0, LONG, pictures)
        await renderer.html("word " * 1000, pictures)
        assert (await renderer.preview(0, "word " * 1000, pictures)).whole

    asyncio.run(main())
