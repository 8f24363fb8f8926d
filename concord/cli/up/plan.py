"""Which nodes `concord up` starts, and the nodes file that names them.

Only nodes of this machine are started: a node whose URL in an edited `nodes.toml` points elsewhere is asked
by the service and left to its operator.
"""

import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from concord.cli.home import Home
from concord.cli.up import nodes_file
from concord.cli.up.ports import Ports, PortTaken, is_free, port_holder
from concord.cli.up.preparation import PackagedBentos
from concord.errors import ConfigurationError, UnknownName

LOOPBACK: Final = "127.0.0.1"
"""Where nodes listen, whatever the host: only the consensus service asks them."""

ANY: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, not bound
"""Hosts that mean every address of this machine."""


@dataclass(frozen=True)
class LocalNode:
    """A node that is started here."""

    task: str
    node: str
    host: str
    port: int

    @property
    def name(self) -> str:
        """The registered name of its model."""
        return f"{self.task}.{self.node}"


@dataclass(frozen=True)
class LaunchPlan:
    """The nodes that are started, and the file that names them.

    Attributes:
        file: The nodes file that the consensus service reads.
        nodes: The nodes to start.
        is_edited: Whether the file is a person's.
        unused: Packaged models that such a file does not name.
    """

    file: Path
    nodes: tuple[LocalNode, ...]
    is_edited: bool = False
    unused: tuple[str, ...] = ()

    @property
    def tasks(self) -> dict[str, int]:
        """Task → how many nodes of it are started."""
        return Counter(node.task for node in self.nodes)


def make_plan(
    home: Home, file: Path, packaged: PackagedBentos, tasks: tuple[str, ...], ports: Ports
) -> LaunchPlan:
    """Gives every packaged node a port and writes the nodes file, or follows the one that a person wrote.

    Raises:
        UnknownName: A task has no packaged model.
        ConfigurationError: A person's file is wrong, or a port that it names is taken.
    """
    models = packaged.nodes_of(tasks)
    for task in tasks:
        if task not in models:
            known = ", ".join(packaged.nodes_of(())) or "none"
            raise UnknownName(
                f"There is no model for task {task!r}; there are models for {known}.", field=task
            )
    if nodes_file.is_edited(file):
        return _follow_edited(home, file, packaged, tasks)
    pairs = [(task, node) for task, names in models.items() for node in names]
    free = ports.find_free(LOOPBACK, len(pairs))
    nodes = tuple(
        LocalNode(task, node, LOOPBACK, port) for (task, node), port in zip(pairs, free, strict=True)
    )
    urls: dict[str, dict[str, str]] = {}
    for node in nodes:
        urls.setdefault(node.task, {})[node.node] = address(node.host, node.port)
    nodes_file.write_nodes(file, urls)
    return LaunchPlan(file, nodes)


def _follow_edited(home: Home, file: Path, packaged: PackagedBentos, tasks: tuple[str, ...]) -> LaunchPlan:
    from concord.settings import NodesFile

    declared = {
        task: section.nodes
        for task, section in NodesFile.load(file).tasks.items()
        if not tasks or task in tasks
    }
    for task in tasks:
        if task not in declared:
            raise ConfigurationError(
                f"{file} was edited by hand and has no section [tasks.{task}.nodes].", field=task
            )
    nodes = [
        LocalNode(task, node, *local)
        for task, urls in declared.items()
        for node, url in urls.items()
        if (local := nodes_file.local_address(url)) and f"{task}.{node}" in packaged.versions
    ]
    for node in nodes:
        if not is_free(node.host, node.port):
            raise PortTaken(
                f"Port {node.port}, which {file} gives to {node.name}, is taken{port_holder(node.port)}. "
                "Change it there, or delete the file to have it written anew.",
                None,
            )
    unused = tuple(
        f"{task}.{name}"
        for task, names in packaged.nodes_of(tasks).items()
        for name in names
        if name not in declared.get(task, {})
    )
    copy = _copy_sections(home, file, tasks) if tasks else file
    return LaunchPlan(copy, tuple(nodes), is_edited=True, unused=unused)


def _copy_sections(home: Home, file: Path, tasks: tuple[str, ...]) -> Path:
    """A copy of a person's file with these tasks only, for one run."""
    sections = tomllib.loads(file.read_text("utf-8"))["tasks"]
    copy = home.folder / "run" / "nodes.toml"
    copy.write_text(
        "".join(
            nodes_file.render_section(
                task,
                {name: value for name, value in sections[task].items() if name != "nodes"},
                sections[task]["nodes"],
            )
            for task in tasks
        ),
        "utf-8",
    )
    return copy


def address(host: str, port: int, scheme: str = "http") -> str:
    """The URL under which this machine reaches what listens there."""
    if host in ANY:
        host = LOOPBACK
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
