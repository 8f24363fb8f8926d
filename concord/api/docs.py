"""The page at `/docs`: the OpenAPI document as plain HTML that loads nothing from elsewhere.

Pages that load scripts from the internet stay empty behind a firewall. This one is readable on a phone,
in light and dark, and every example can be pasted into a shell.
"""

import json
from html import escape
from typing import Any, Final

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: #0b7285; }
@media (prefers-color-scheme: dark) { :root { --accent: #66d9e8; } }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 54rem; padding: 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; text-transform: capitalize; }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; padding: .5rem .75rem; }
summary { cursor: pointer; overflow-wrap: anywhere; }
code, pre { font: 14px/1.45 ui-monospace, monospace; }
pre { background: var(--soft); border-radius: .5rem; overflow-x: auto; padding: .75rem; }
.method { color: var(--accent); display: inline-block; font-weight: 600; min-width: 3.2rem; }
table { border-collapse: collapse; width: 100%; } td, th { border-top: 1px solid var(--line);
padding: .25rem .5rem .25rem 0; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
"""


def render_page(document: dict[str, Any]) -> str:
    """The document as HTML."""
    groups: dict[str, list[str]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            group = groups.setdefault(operation["tags"][0], [])
            group.append(_render_operation(path, method, operation))
    body = "".join(f"<h2>{escape(tag)}</h2>{''.join(parts)}" for tag, parts in groups.items())
    info = document["info"]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])} API</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(info['title'])} API</h1><p>{escape(info['description'])} Version "
        f'{escape(info["version"])}. The same for machines: <a href="openapi.json">openapi.json</a>.</p>'
        f"{body}</body></html>"
    )


def _render_operation(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{status}</code></td><td>{escape(answer['description'])}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    title = f'<span class="method">{method.upper()}</span> <code>{escape(path)}</code><br>'
    more = f"<p>{escape(operation['description'])}</p>" if "description" in operation else ""
    return (
        f"<details><summary>{title}{escape(operation['summary'])}</summary>{more}"
        f"<pre>{escape(_make_curl(path, method, operation))}</pre>"
        f"{_render_parameters(operation)}<table><tr><th>Status</th><th>Meaning</th></tr>{rows}</table></details>"
    )


def _render_parameters(operation: dict[str, Any]) -> str:
    names = [f"<code>{escape(p['name'])}</code> ({p['in']})" for p in operation["parameters"]]
    return f"<p>Parameters: {', '.join(names)}</p>" if names else ""


def _make_curl(path: str, method: str, operation: dict[str, Any]) -> str:
    address = f'"$CONCORD_URL{path}"'
    if {} not in operation.get("security", [{}]):
        address += ' \\\n  -H "authorization: Bearer $CONCORD_TOKEN"'
    if method == "get":
        return f"curl -s {address}"
    body = operation["requestBody"]["content"]["application/json"]["example"]
    text = json.dumps(body, ensure_ascii=False).replace("'", "'\\''")
    return f"curl -s {address} \\\n  -H 'content-type: application/json' \\\n  -d '{text}'"
