"""The table of `docs/security.md`: every endpoint and what each kind of caller gets there.

    uv run python -m tests.service.rights_matrix

writes it anew, from the endpoints' declarations and `concord.api.rights`.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from concord.api import ConsensusApi
from concord.api.rights import GRANTS, SETTINGS, expected_status
from concord.settings import NodesFile, Settings

DOCUMENT = Path(__file__).parents[2] / "docs" / "security.md"
BEGIN, END = "<!-- matrix: begin -->\n", "<!-- matrix: end -->\n"
CALLERS = (None, *GRANTS)


def endpoints():
    """Every endpoint, of a service that is never started."""
    with TemporaryDirectory() as home:
        return ConsensusApi.from_settings(Settings(home=Path(home)), NodesFile(tasks={})).endpoints


def render(declared):
    """The table in Markdown."""
    lines = [
        "| endpoint | where | no token | predicts | labels | reads | administers |",
        "|---|---|" + "---|" * 5,
    ]
    for endpoint in declared:
        name = f"`{endpoint.method} {endpoint.path}`"
        setting = SETTINGS.get(endpoint.needs)
        if setting:
            lines += [_line(name, f"`{setting}=open`", endpoint.needs, is_open=True)]
            lines += [_line(name, f"`{setting}=token`", endpoint.needs, is_open=False)]
        else:
            lines += [_line(name, "always", endpoint.needs, is_open=False)]
    return "\n".join(lines) + "\n"


def _line(name, where, right, *, is_open):
    statuses = (expected_status(right, kind, is_open=is_open) for kind in CALLERS)
    cells = ("✓" if status is None else str(status) for status in statuses)
    return f"| {name} | {where} | {' | '.join(cells)} |"


def in_document():
    """The table as the document has it."""
    return DOCUMENT.read_text("utf-8").partition(BEGIN)[2].partition(END)[0]


def main():
    """Writes it into the document."""
    before, _, rest = DOCUMENT.read_text("utf-8").partition(BEGIN)
    DOCUMENT.write_text(before + BEGIN + render(endpoints()) + END + rest.partition(END)[2], "utf-8")


if __name__ == "__main__":
    main()
