"""`concord doctor`: checks this installation, and says how to mend what is wrong.

A check changes nothing, and one that fails does not stop the others.
"""

import contextlib
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from concord.cli.checks import Check, check_proxies
from concord.cli.console import Command, json_option, print_json, print_line
from concord.cli.databases import find_broken
from concord.cli.home import Home, find_home, find_project, read_settings, service_url
from concord.cli.stores import open_journal, open_ledger
from concord.errors import ConcordError, InvalidInput, LedgerError
from concord.util.bento_store import store_folder
from concord.util.sqlite_files import move_aside

if TYPE_CHECKING:
    from concord.settings import Settings

# Each check imports what it looks at.

ENOUGH_DISK: Final = 2 << 30
"""Bytes: an MLflow run, its plots and a bento for each of a few trainings."""

PACKAGES: Final = ("bentoml", "onnxruntime", "mlflow", "scikit-learn", "streamlit")


@click.command("doctor", cls=Command, short_help="Check this installation.")
@click.option("--only", multiple=True, metavar="NAME", help="Only the check of this name; may be repeated.")
@click.option("--repair", is_flag=True, help="First move broken databases of CONCORD_HOME aside.")
@json_option
def doctor(*, only: tuple[str, ...], repair: bool, as_json: bool) -> None:
    """Check this installation, and say how to mend what is wrong; exit status 1 if anything is.

    \b
    Examples:
      concord doctor
      concord doctor --only journal --only ledger
      concord doctor --repair
    """
    if repair:
        _repair(as_json=as_json)
    checks = _select(only)
    if as_json:
        print_json({"ok": all(check.ok for check in checks), "checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            mark = "[green]✓[/]" if check.ok else "[red]✗[/]"
            print_line(f"{mark} [bold]{check.name}[/]  {check.found}")
            if not check.ok:
                print_line(f"    → {check.remedy}")
    if not all(check.ok for check in checks):
        raise SystemExit(1)


def _repair(*, as_json: bool) -> None:
    """Moves broken databases aside; the next `concord up` makes new ones.

    Raises:
        Conflict: `concord up` runs here.
    """
    home = find_home()
    broken = find_broken(home.folder)
    if not broken:
        return
    with home.hold_lock():
        for file, fault in broken.items():
            moved = move_aside(file)
            if not as_json:
                print_line(f"[green]✓[/] {file} was {fault}. It is {moved.name} now.")


def _select(only: tuple[str, ...]) -> list[Check]:
    """The results of the checks of these names, or of all; of all too where the settings cannot be read.

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
    """Runs all checks, one after the other."""
    yield _check_versions()
    try:
        settings = read_settings()
    except ConcordError as error:
        yield Check("settings", ok=False, found=error.message, remedy=f"Change or unset {error.field}.")
        return
    yield _attempt(
        "project",
        lambda: f"training, nodes and pages can be run from {find_project()}",
        "`uv sync` in a clone of the repository.",
    )
    yield _check_home(settings.home)
    yield _check_disk(settings.home)
    yield _check_models(settings.home)
    yield _check_databases(settings.home)
    for name, look in (("journal", _look_into_journal), ("ledger", _look_into_ledger)):
        yield _attempt(name, look, "`concord up` makes what is not there yet.")
    yield from check_proxies(os.environ)
    yield from _check_services(settings)


def _check_versions() -> Check:
    versions = [f"Python {platform.python_version()}", f"concord {version('concord-serving')}"]
    for package in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions.append(f"{package} {version(package)}")
    ok = sys.version_info >= (3, 11)
    return Check(
        "versions", ok, ", ".join(versions), "Concord needs Python 3.11 or later: `uv python install 3.11`."
    )


def _existing_folder(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def _check_home(home: Path) -> Check:
    new = "" if home.exists() else ", not there yet"
    ok = os.access(_existing_folder(home), os.W_OK | os.X_OK)
    found = f"{home}{new}" if ok else f"{home} cannot be written"
    return Check("home", ok, found, "CONCORD_HOME names another folder.")


def _check_disk(home: Path) -> Check:
    free = shutil.disk_usage(_existing_folder(home)).free
    return Check("disk", free > ENOUGH_DISK, f"{free / 2**30:.1f} GiB free", "Free some, 2 GiB are enough.")


def _check_models(home: Path) -> Check:
    """Looks into BentoML's store without importing BentoML."""
    store = store_folder()
    bento, build_file = store / "bentos" / "concord-node", home / "build" / "node.yaml"
    remedy = "`concord up` trains and packages what is missing; `concord train` does it alone."
    if not build_file.exists() or not (bento / "latest").exists():
        return Check("models", ok=False, found="none are packaged", remedy=remedy)
    models = build_file.read_text("utf-8").count("alias:")
    tag = (bento / "latest").read_text("utf-8").strip()
    ok = models > 0 and (bento / tag).is_dir()
    return Check("models", ok, f"{models} packaged in concord-node:{tag}, store {store}", remedy)


def _check_databases(home: Path) -> Check:
    broken = find_broken(home)
    found = " ".join(f"{file} is {fault}." for file, fault in broken.items())
    remedy = "`concord doctor --repair` moves it aside; the next `concord up` makes a new one."
    return Check("databases", not broken, found or "none is broken", remedy)


def _attempt(name: str, look: Callable[[], str], remedy: str) -> Check:
    """A check that fails with an error of Concord's; a broken ledger has a remedy of its own."""
    try:
        return Check(name, ok=True, found=look())
    except LedgerError as error:
        remedy, message = "`concord ledger verify` says what is wrong.", error.message
    except ConcordError as error:
        message = error.message
    return Check(name, ok=False, found=message, remedy=remedy)


def _look_into_journal() -> str:
    with open_journal(read_only=True) as journal:
        journal.ping()
        return f"readable, {journal.due_count()} rounds wait for a block"


def _look_into_ledger() -> str:
    with open_ledger(read_only=True) as ledger:
        return f"readable, height {ledger.head().height}; `concord ledger verify` proves it"


def _check_services(settings: "Settings") -> Iterator[Check]:
    from concord.cli.up.readiness import fetch_json, is_alive

    home, url = Home(settings.home), service_url(settings)
    document = fetch_json(f"{url}/v1/tasks")
    if document is None:
        yield _no_service(url)
        return
    tasks = document["tasks"]
    nodes = ", ".join(f"{task['task']} {task['nodes_up']}/{task['nodes']}" for task in tasks)
    ok = bool(tasks) and all(task["nodes_up"] == task["nodes"] and task["ready"] for task in tasks)
    yield Check(
        "service", ok, f"{url} answers, nodes up: {nodes or 'none'}", "`concord nodes` says which and why."
    )
    state = home.read_state()
    for page in ("page", "mlflow"):
        if page in state:
            remedy = f"It does not answer; see {home.log(page)}."
            yield Check(page, is_alive(page, state[page]), state[page], remedy)


def _no_service(url: str) -> Check:
    from urllib.parse import urlsplit

    from concord.cli.up.ports import is_free, port_holder

    parts = urlsplit(url)
    try:
        taken = not is_free(parts.hostname or "", parts.port or 80)
    except ConcordError:
        taken = False
    found, remedy = f"nothing answers at {url}", "Start everything with `concord up`."
    if taken:
        found = f"what listens at {url}{port_holder(parts.port or 80)} is no consensus service"
        remedy = "Give Concord another port: `concord up --port 7500`."
    return Check("service", ok=False, found=found, remedy=remedy)
