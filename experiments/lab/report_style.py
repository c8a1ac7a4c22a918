"""The report's page: its frame and its style sheet, with no outside resources."""

import string

PAGE = string.Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>$title</title>
<style>
$style</style>
</head>
<body>
<main>
$body
</main>
</body>
</html>
""")

STYLE = """\
:root {
  --page: #fbfaf8; --card: #ffffff; --ink: #23211f; --soft: #625d57; --line: #dfdad3;
  --link: #0b5f9c; --yes: #17663f; --yes-bg: #e1f2e7; --no: #a3330f; --no-bg: #fbe6de;
  --open: #6a5206; --open-bg: #f8efcf;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #171615; --card: #211f1d; --ink: #e9e5df; --soft: #a9a29a; --line: #3b3733;
    --link: #7fbdf0; --yes: #92dcb0; --yes-bg: #17382a; --no: #f5ab90;
    --no-bg: #44231a; --open: #ead387; --open-bg: #3c3315;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--page); color: var(--ink); overflow-wrap: break-word;
  font: 1.0625rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue",
    "Liberation Sans", Arial, sans-serif;
}
main { max-width: 43rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
a { color: var(--link); text-underline-offset: 0.15em; }
h1 { font-size: 2.1rem; line-height: 1.18; letter-spacing: -0.015em; margin: 0 0 1rem; }
h2 { font-size: 1.35rem; line-height: 1.3; margin: 3.5rem 0 0.75rem; }
h1, h2 { text-wrap: balance; }
p { margin: 0.8rem 0; }
.lead { font-size: 1.15rem; line-height: 1.55; }
.count, .small { color: var(--soft); font-size: 0.95rem; }
.badge {
  display: inline-block; padding: 0.05rem 0.6rem; border-radius: 1rem;
  font-size: 0.85rem; font-weight: 600; line-height: 1.5; white-space: nowrap;
}
.supported { color: var(--yes); background: var(--yes-bg); }
.refuted { color: var(--no); background: var(--no-bg); }
.inconclusive { color: var(--open); background: var(--open-bg); }
table { width: 100%; border-collapse: collapse; font-size: 0.95rem; line-height: 1.45; }
th, td { text-align: left; vertical-align: top; padding: 0.6rem 0.8rem 0.6rem 0; }
th { color: var(--soft); font-weight: 600; font-size: 0.85rem; }
tr { border-bottom: 1px solid var(--line); }
td:last-child, th:last-child { padding-right: 0; }
.number { font-variant-numeric: tabular-nums; }
.verdicts td:first-child { white-space: nowrap; font-weight: 600; }
.verdicts .claim { width: 40%; }
.range { color: var(--soft); white-space: nowrap; }
.seeds { white-space: nowrap; }
section { border-top: 1px solid var(--line); margin-top: 3rem; }
section h2 { margin-top: 2rem; }
.kicker { margin: 2rem 0 0.5rem; font-weight: 650; color: var(--soft); }
.kicker .badge { margin-left: 0.4rem; }
.kicker + h2 { margin: 0.3rem 0 1.2rem; }
.what { display: block; color: var(--soft); font-size: 0.85rem; line-height: 1.4; }
.under { margin: 0.1rem 0 1.2rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.35rem 1.1rem; }
dt { color: var(--soft); font-size: 0.92rem; padding-top: 0.08rem; }
dd { margin: 0; min-width: 0; }
.result { font-size: 1.5rem; font-weight: 650; line-height: 1.3; margin: 0.6rem 0 0; }
.result .range { font-weight: 400; font-size: 1.15rem; }
.rule { padding-left: 0.9rem; border-left: 3px solid var(--line); }
figure { margin: 1.6rem 0; }
figure img {
  display: block; width: 100%; height: auto; padding: 0.5rem; background: #ffffff;
  border: 1px solid var(--line); border-radius: 0.6rem;
}
figcaption { color: var(--soft); font-size: 0.92rem; margin-top: 0.6rem; }
pre {
  margin: 0.8rem 0; padding: 0.7rem 0.9rem; background: var(--card); overflow-x: auto;
  border: 1px solid var(--line); border-radius: 0.5rem; font-size: 0.88rem;
  line-height: 1.5;
}
pre, code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
.wide { overflow-x: auto; margin: 1.2rem 0; }
.wide td, .wide th { padding: 0.4rem 0.9rem 0.4rem 0; }
.untested { list-style: none; padding: 0; margin: 0.8rem 0; font-size: 0.95rem; }
.untested li {
  display: grid; grid-template-columns: 3.2rem 1fr; padding: 0.3rem 0;
  line-height: 1.45;
}
.untested b { color: var(--soft); }
@media (max-width: 40rem) {
  main { padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.7rem; }
  .lead { font-size: 1.08rem; }
  .verdicts thead { position: absolute; left: -99rem; }
  .verdicts, .verdicts tbody { display: block; }
  .verdicts tr {
    display: grid; grid-template-columns: 1fr auto; gap: 0.25rem 0.8rem;
    margin: 0.8rem 0; padding: 0.8rem 0.9rem; background: var(--card);
    border: 1px solid var(--line); border-radius: 0.6rem;
  }
  .verdicts td { display: block; padding: 0; }
  .verdicts td.claim { grid-row: 2; grid-column: 1 / 3; width: auto; }
  .verdicts td.verdict { grid-row: 1; grid-column: 2; }
  .verdicts td.effect { grid-row: 3; grid-column: 1; }
  .verdicts td.seeds { grid-row: 3; grid-column: 2; text-align: right; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dt { margin-top: 0.6rem; }
}
@media print { .back { display: none; } section, tr, figure { break-inside: avoid; } }
"""
