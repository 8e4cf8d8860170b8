"""How an exported conversation looks: the page's colours and measures, in light and dark."""

from __future__ import annotations

STYLE = """
:root{color-scheme:light dark;--canvas:light-dark(oklch(.974 .006 88),oklch(.197 .007 75));
--surface:light-dark(oklch(.994 .003 88),oklch(.236 .008 75));
--sunken:light-dark(oklch(.95 .008 86),oklch(.168 .007 75));
--line:light-dark(oklch(.895 .01 86),oklch(.305 .01 75));
--ink:light-dark(oklch(.235 .012 70),oklch(.925 .008 86));
--ink-2:light-dark(oklch(.395 .014 74),oklch(.79 .01 84));
--ink-3:light-dark(oklch(.49 .015 76),oklch(.68 .012 82));
--accent:light-dark(oklch(.425 .076 205),oklch(.79 .085 200));
--danger:light-dark(oklch(.475 .155 27),oklch(.755 .13 25))}
*{box-sizing:border-box}
body{margin:0;background:var(--canvas);color:var(--ink);
font:16px/1.6 "Hanken Grotesk",ui-sans-serif,system-ui,sans-serif;overflow-wrap:anywhere}
main{width:min(100% - 2rem,46rem);margin:0 auto;padding:2.5rem 0 5rem}
header{padding-bottom:1.25rem;margin-bottom:1.5rem;border-bottom:1px solid var(--line)}
h1{margin:0 0 .75rem;font:500 1.75rem/1.25 Newsreader,ui-serif,Georgia,serif}
dl{display:flex;flex-wrap:wrap;gap:.25rem 1.5rem;margin:0;color:var(--ink-3);font-size:.8125rem}
dl div{display:flex;gap:.4rem}dd{margin:0;color:var(--ink-2)}
.said{margin-top:2rem;padding:.875rem 1.125rem;border:1px solid var(--line);border-radius:16px;
border-top-left-radius:4px;background:var(--surface)}
.said h2{display:flex;justify-content:space-between;gap:1rem;margin:0 0 .25rem;
color:var(--ink-3);font-size:.8125rem;font-weight:500}
time{font-weight:400;font-variant-numeric:tabular-nums}
.words{margin:0;font-size:1.0625rem;font-weight:500;white-space:pre-wrap}
img{display:block;max-width:100%;margin-top:.75rem;border-radius:10px}
.files{margin:.5rem 0 0;padding-left:1.25rem;color:var(--ink-2);font-size:.875rem}
a{color:var(--accent)}
pre,code{font:.8125rem/1.55 "JetBrains Mono",ui-monospace,Menlo,Consolas,monospace}
pre{overflow-x:auto;max-height:32rem;margin:.5rem 0;padding:.75rem 1rem;border-radius:10px;
background:var(--sunken);white-space:pre-wrap}
.answer table{display:block;overflow-x:auto;border-collapse:collapse}
.answer th,.answer td{padding:.35rem .75rem;border:1px solid var(--line);text-align:left}
blockquote{margin:.75rem 0;padding-left:1rem;border-left:2px solid var(--line);color:var(--ink-2)}
details{margin:.25rem 0;border-left:2px solid var(--line);padding-left:.875rem;color:var(--ink-2)}
details[data-state=failed]{border-color:var(--danger)}
summary{min-height:44px;display:flex;align-items:center;gap:.75rem;cursor:pointer;
font-size:.9375rem;font-weight:550}
summary::before{content:"▸";color:var(--ink-3)}details[open]>summary::before{content:"▾"}
summary code{overflow:hidden;color:var(--ink-3);font-weight:400;text-overflow:ellipsis;
white-space:nowrap}
h3{margin:.5rem 0 0;color:var(--ink-3);font-size:.75rem;font-weight:550}
.thoughts{margin:.25rem 0 .75rem;font-size:.875rem;white-space:pre-wrap}
.note{margin:.75rem 0;color:var(--ink-3);font-size:.8125rem}
.note[data-level=error]{color:var(--danger)}
.end{min-height:1px;margin:.75rem 0 0;color:var(--ink-3);font-size:.8125rem}
@media print{details{break-inside:avoid}body{background:none}}
"""
