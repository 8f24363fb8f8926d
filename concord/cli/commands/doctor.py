"""`concord doctor`: what is in order on this machine, and how to mend what is not.

Every check ends in one line: a mark, what was found, and the remedy where something is wrong.
A check never changes anything, and one that fails does not keep the others from being made.
"""

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from concord.cli.console import Command, json_option, out, print_json
from concord.errors import ConcordError, InvalidInput, LedgerError

if TYPE_CHECKING:
    from concord.settings import Settings

# Each check imports what it looks at.

ENOUGH_DISK: Final = 2 << 30
"""Bytes: an MLflow run, its plots and a bento for each of a few trainings."""

PACKAGES: Final = ("bentoml", "onnxruntime", "mlflow", "scikit-learn", "streamlit")


@dataclass(frozen=True)
class Check:
    """What was found.

    Attributes:
        name: What was looked at.
        ok: Whether it is as it should be.
        found: In words.
        remedy: What to do, where it is not.
    """

    name: str
    ok: bool
    found: str
    remedy: str = ""


@click.command("doctor", cls=Command, short_help="Check this installation.")
@click.option("--only", multiple=True, metavar="NAME", help="Only the check of this name; may be repeated.")
@json_option
def doctor(*, only: tuple[str, ...], as_json: bool) -> None:
    """Check this installation, and say how to mend what is wrong; exit status 1 if anything is.

    \b
    Examples:
      concord doctor
      concord doctor --only journal --only ledger
    """
    checks = _chosen(only)
    if as_json:
        print_json({"ok": all(check.ok for check in checks), "checks": [asdict(check) for check in checks]})
    else:
        console = out()
        for check in checks:
            mark = "[green]✓[/]" if check.ok else "[red]✗[/]"
            console.print(f"{mark} [bold]{check.name}[/]  {check.found}", soft_wrap=True)
            if not check.ok:
                console.print(f"    → {check.remedy}", soft_wrap=True)
    if not all(check.ok for check in checks):
        raise SystemExit(1)


def _chosen(only: tuple[str, ...]) -> list[Check]:
    """The checks of these names, or all; of settings that cannot be read only that is said.

    Raises:
        InvalidInput: There is no check of a name.
    """
    checks = list(examine())
    names = [check.name for check in checks]
    if not only or "settings" in names:
        return checks
    for name in only:
        if name not in names:
            raise InvalidInput(f"There is no check {name!r}; there are {', '.join(names)}.", field="--only")
    return [check for check in checks if check.name in only]


def examine() -> Iterator[Check]:
    """All checks, one after the other."""
    from concord.cli.home import settings

    yield _versions()
    try:
        read = settings()
    except ConcordError as error:
        yield Check("settings", ok=False, found=error.message, remedy=f"Change or unset {error.field}.")
        return
    yield _project()
    yield _home(read.home)
    yield _disk(read.home)
    yield _models(read.home)
    yield from _safely("journal", _journal)
    yield from _safely("ledger", _ledger)
    yield from _services(read)


def _versions() -> Check:
    found = [f"Python {platform.python_version()}", f"concord {version('concord-serving')}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    ok = sys.version_info >= (3, 11)
    return Check(
        "versions", ok, ", ".join(found), "Concord needs Python 3.11 or later: `uv python install 3.11`."
    )


def _project() -> Check:
    from concord.cli.home import project

    try:
        return Check("project", ok=True, found=f"training, nodes and pages can be run from {project()}")
    except ConcordError as error:
        return Check(
            "project", ok=False, found=error.message, remedy="`uv sync` in a clone of the repository."
        )


def _home(home: Path) -> Check:
    place = home
    while not place.exists():
        place = place.parent
    new = "" if place == home else ", not there yet"
    ok = os.access(place, os.W_OK | os.X_OK)
    return Check(
        "home",
        ok,
        f"{home}{new}" if ok else f"{home} cannot be written",
        "CONCORD_HOME names another folder.",
    )


def _disk(home: Path) -> Check:
    while not home.exists():
        home = home.parent
    free = shutil.disk_usage(home).free
    return Check("disk", free > ENOUGH_DISK, f"{free / 2**30:.1f} GiB free", "Free some, 2 GiB are enough.")


def _models(home: Path) -> Check:
    """Looks into BentoML's store without importing BentoML."""
    store = Path(os.environ.get("BENTOML_HOME", "~/bentoml")).expanduser()
    bento = store / "bentos" / "concord-node"
    remedy = "`concord up` trains and packages what is missing; `concord train` does it alone."
    if not (home / "build" / "node.yaml").exists() or not (bento / "latest").exists():
        return Check("models", ok=False, found="none are packaged", remedy=remedy)
    models = [
        line for line in (home / "build" / "node.yaml").read_text("utf-8").splitlines() if "alias:" in line
    ]
    tag = (bento / "latest").read_text("utf-8").strip()
    ok = bool(models) and (bento / tag).is_dir()
    return Check("models", ok, f"{len(models)} packaged in concord-node:{tag}, store {store}", remedy)


def _safely(name: str, check: Callable[[], Check]) -> Iterator[Check]:
    try:
        yield check()
    except LedgerError as error:
        yield Check(name, ok=False, found=error.message, remedy="`concord ledger verify` says what is wrong.")
    except ConcordError as error:
        yield Check(name, ok=False, found=error.message, remedy="`concord up` makes what is not there yet.")


def _journal() -> Check:
    from concord.cli.stores import open_journal

    with open_journal() as journal:
        journal.ping()
        due = journal.due_count()
    return Check("journal", ok=True, found=f"readable, {due} rounds wait for a block")


def _ledger() -> Check:
    from concord.cli.stores import open_ledger

    with open_ledger() as book:
        head = book.head()
    return Check(
        "ledger", ok=True, found=f"readable, height {head.height}; `concord ledger verify` proves it"
    )


def _services(read: "Settings") -> Iterator[Check]:
    from concord.cli.home import Home, service_url
    from concord.cli.up.readiness import alive, fetch

    running, url = Home(read.home).running(), service_url(read)
    tasks = fetch(f"{url}/v1/tasks")
    if tasks is None:
        yield _nothing_answers(url)
        return
    found = ", ".join(f"{one['task']} {one['nodes_up']}/{one['nodes']}" for one in tasks["tasks"])
    ok = all(one["nodes_up"] == one["nodes"] and one["ready"] for one in tasks["tasks"]) and bool(
        tasks["tasks"]
    )
    yield Check(
        "service", ok, f"{url} answers, nodes up: {found or 'none'}", "`concord nodes` says which and why."
    )
    for name, path in (("page", "/_stcore/health"), ("mlflow", "/health")):
        if name in running:
            logs = Home(read.home).log(name)
            yield Check(name, alive(running[name] + path), running[name], f"It does not answer; see {logs}.")


def _nothing_answers(url: str) -> Check:
    from urllib.parse import urlsplit

    from concord.cli.up.ports import holder, is_free

    parts = urlsplit(url)
    try:
        taken = not is_free(parts.hostname or "", parts.port or 80)
    except ConcordError:
        taken = False
    if taken:
        who = holder(parts.port or 80)
        return Check(
            "service", ok=False, found=f"what listens at {url}{who} is no consensus service",
            remedy="Give Concord another port: `concord up --port 7500`.",
        )  # fmt: skip
    return Check(
        "service", ok=False, found=f"nothing answers at {url}", remedy="Start everything with `concord up`."
    )
