"""The commands that the documentation prints for back-up and restore are run as they are printed."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.guard,
    pytest.mark.skipif(shutil.which("sqlite3") is None, reason="there is no sqlite3 command here"),
]

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "operating.md").read_text("utf-8")
CONCORD = f"{sys.executable} -c \"from concord.cli import main; main(prog_name='concord')\""


def printed(after):
    """The first block of commands after a sentence; `concord up`, which never ends, left out."""
    block = re.search(r"```bash\n(.*?)```", GUIDE[GUIDE.index(after) :], re.DOTALL)
    lines = [line for line in block[1].splitlines() if line != "uv run concord up"]
    return "\n".join(lines).replace("uv run concord", CONCORD)


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """Runs lines where `.concord` is, and stops at the first that fails."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("CONCORD_HOME", raising=False)
    return lambda lines: subprocess.run(
        ["bash", "-ec", lines], cwd=tmp_path, capture_output=True, text=True, check=False
    )


@pytest.fixture
def settle(start_stack, tmp_path):
    """Starts the workshop's nodes under `seed`; each call settles a round and returns the height."""
    stack = start_stack(terms='policy = "seed"', home=tmp_path / ".concord")
    return lambda: stack.predict(query="?settled=true").json()["verdicts"][0]["block"]


def test_a_copy_made_while_it_runs_is_restored_whole(settle, shell):
    height = settle()
    saved = shell(printed("While it runs, `journal.sqlite` must not"))
    assert saved.returncode == 0, saved.stderr
    assert settle() == height + 1
    restored = shell(printed("To restore, with Concord stopped:"))
    assert restored.returncode == 0, restored.stderr
    assert f"Height {height}," in restored.stdout


def test_an_older_ledger_beside_its_journal_is_found_and_rebuilt_from_it(settle, shell):
    settle()
    shell("cp -a .concord/ledger old-ledger")
    height = settle()
    found = shell(f"rm -r .concord/ledger; cp -a old-ledger .concord/ledger; {CONCORD} ledger verify")
    assert found.returncode == 1
    assert "an old head was put back" in found.stdout
    mended = shell(f"{CONCORD} ledger rebuild --yes; {CONCORD} ledger verify")
    assert mended.returncode == 0, mended.stderr
    assert f"Height {height}," in mended.stdout
