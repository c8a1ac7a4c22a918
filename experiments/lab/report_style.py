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
  font: 1.0625rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue",
    "Liberation Sans", Arial, sans-serif;
}
main { max-width: 46rem; margin: 0 auto; padding: 1.6rem 1.25rem 4rem; }
a { color: var(--link); text-underline-offset: 0.15em; }
h1 { font-size: 1.55rem; line-height: 1.18; margin: 0 0 0.6rem; }
h2 { font-size: 1.5rem; line-height: 1.3; margin: 3rem 0 0.75rem; }
h3 { font-size: 1.2rem; line-height: 1.35; margin: 2.2rem 0 0.6rem; }
h4 {
  font-size: 1.08rem; line-height: 1.35; margin: 2.6rem 0 0.6rem; padding-top: 1.2rem;
  border-top: 1px solid var(--line);
}
p { margin: 0.6rem 0; }
em { color: var(--soft); font-style: normal; font-size: 0.92rem; }
.badge {
  display: inline-block; padding: 0.05rem 0.6rem; border-radius: 1rem;
  font-size: 0.85rem; font-weight: 600; line-height: 1.5; white-space: nowrap;
}
.supported { color: var(--yes); background: var(--yes-bg); }
.refuted { color: var(--no); background: var(--no-bg); }
.inconclusive { color: var(--open); background: var(--open-bg); }
/* A wide table scrolls; its shaded edge says that there is more. */
.wide {
  overflow-x: auto; margin: 1rem 0;
  background:
    linear-gradient(to right, var(--page), var(--page)) left / 2rem 100% local,
    linear-gradient(to left, var(--page), var(--page)) right / 2rem 100% local,
    linear-gradient(to right, #0003, #0000) left / 0.9rem 100%,
    linear-gradient(to left, #0003, #0000) right / 0.9rem 100%;
  background-repeat: no-repeat;
}
table {
  width: 100%; border-collapse: collapse; font-size: 0.93rem; line-height: 1.4;
  font-variant-numeric: tabular-nums;
}
th, td {
  text-align: left; vertical-align: top; padding: 0.45rem 0.9rem 0.45rem 0;
  min-width: 4.5rem;
}
td:first-child, th:first-child { min-width: 2.2rem; }
td:nth-child(2) { min-width: 9rem; }
th { color: var(--soft); font-weight: 600; font-size: 0.85rem; }
tr { border-bottom: 1px solid var(--line); }
img {
  display: block; width: 100%; height: auto; padding: 0.5rem; background: #ffffff;
  border: 1px solid var(--line); border-radius: 0.6rem;
}
details {
  margin: 0.5rem 0; padding: 0.35rem 0.8rem; background: var(--card);
  border: 1px solid var(--line); border-radius: 0.5rem;
}
details .wide { --page: var(--card); }
summary { cursor: pointer; color: var(--soft); font-size: 0.95rem; }
pre {
  margin: 0.8rem 0; padding: 0.6rem 0.9rem; background: var(--card); overflow-x: auto;
  border: 1px solid var(--line); border-radius: 0.5rem; font-size: 0.88rem;
  line-height: 1.5;
}
pre, code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
@media (max-width: 40rem) {
  main { padding: 0.9rem 0.9rem 3rem; }
  body { font-size: 1rem; line-height: 1.45; }
  h1 { font-size: 1.22rem; }
  h1 ~ p { margin: 0.45rem 0; }
}
@media print { tr, img { break-inside: avoid; } }
"""
