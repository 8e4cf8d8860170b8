"""Plain pages for people who cannot see the real one: not built, or not signed in yet.

They need no script and no file but the mark, and look as the page does where its fonts are missing.
"""

from __future__ import annotations

import html

_STYLE = (
    ":root{color-scheme:light dark;"
    "--canvas:light-dark(oklch(.974 .006 88),oklch(.197 .007 75));"
    "--ink:light-dark(oklch(.235 .012 70),oklch(.925 .008 86));"
    "--ink-2:light-dark(oklch(.395 .014 74),oklch(.79 .01 84));"
    "--accent:light-dark(oklch(.425 .076 205),oklch(.79 .085 200));"
    "--on-accent:light-dark(oklch(.985 .006 200),oklch(.19 .025 205))}"
    "*{box-sizing:border-box;margin:0}"
    "body{display:grid;place-items:center;min-height:100dvh;padding:2rem 1.25rem;"
    "font:1rem/1.5 ui-sans-serif,system-ui,sans-serif;background:var(--canvas);color:var(--ink)}"
    "main{width:min(100%,24rem)}"
    "img{display:block;width:2.75rem;height:2.75rem;margin-bottom:1.25rem}"
    "h1{font:400 2rem/1.15 ui-serif,Georgia,serif;letter-spacing:-.01em}"
    "p{margin-top:.375rem;color:var(--ink-2)}"
    "button{width:100%;min-height:44px;margin-top:1.75rem;border:0;border-radius:10px;"
    "font:inherit;font-weight:600;background:var(--accent);color:var(--on-accent);cursor:pointer}"
    "button:focus-visible{outline:2px solid var(--accent);outline-offset:2px}"
)


def message_page(title: str, text: str, *, button: str | None = None) -> str:
    """The whole page. The button posts to the page's own address."""
    # Focused, so that Enter is enough.
    form = (
        f'<form method="post"><button autofocus>{html.escape(button)}</button></form>'
        if button
        else ""
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        '<link rel="icon" href="/favicon.svg" type="image/svg+xml">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style>"
        '<main><img src="/favicon.svg" alt="">'
        f"<h1>{html.escape(title)}</h1><p>{html.escape(text)}</p>{form}</main></html>"
    )
