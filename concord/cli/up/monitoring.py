"""The Prometheus of `concord up --monitoring`: one that is on the PATH, told whom to ask and by which rules.

Concord brings none along: it is a program of its own, and whoever wants it has a package manager. What it is
told is written anew at each start; what it has read is kept in the home folder, for two weeks. It listens on
this machine only, whatever the host, since it has no password.
"""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from concord.cli.home import Home
from concord.errors import ConfigurationError
from concord.util import private_files as private

PROGRAM: Final = "prometheus"
RULES: Final = Path("helm/concord/files/rules")
SCRAPE_SECONDS: Final = 5
"""A person looks on: a third of what a cluster's takes."""

RETENTION: Final = "14d"
RETENTION_SIZE: Final = "1GB"

Address = tuple[str, int]


def program() -> str:
    """The path of the Prometheus that is on the PATH.

    Raises:
        ConfigurationError: There is none, or what is called so is something else.
    """
    found = shutil.which(PROGRAM)
    if found is None:
        raise ConfigurationError(
            "--monitoring takes a Prometheus on the PATH, and there is none. Install one (`brew install "
            "prometheus`, or https://prometheus.io/download), or leave --monitoring out.",
            field="--monitoring",
        )
    try:
        told = subprocess.run(
            [found, "--version"], capture_output=True, text=True, timeout=20, check=False, errors="replace"
        )
        said = (told.stdout + told.stderr).strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        said = str(error)
    if not said.startswith("prometheus, version "):
        raise ConfigurationError(
            f"{found} does not say that it is Prometheus, but: {said[:200] or 'nothing'}. Install one from "
            "https://prometheus.io/download and put it first on the PATH, or leave --monitoring out.",
            field="--monitoring",
        )
    return found


@dataclass(frozen=True)
class Monitoring:
    """What one Prometheus reads and keeps.

    Attributes:
        place: The home folder.
        root: The project's folder, which has the rules.
    """

    place: Home
    root: Path

    @property
    def folder(self) -> Path:
        """Where its file and its data are."""
        return self.place.home / "prometheus"

    @property
    def file(self) -> Path:
        """Its own file."""
        return self.folder / "prometheus.yml"

    def write(
        self,
        service: Address,
        nodes: Mapping[tuple[str, str], Address],
        pages: Mapping[str, Address],
    ) -> None:
        """Writes whom it asks.

        Args:
            service: Where the consensus service listens.
            nodes: Task and node → where it listens.
            pages: `page`, `mlflow` → where its metrics are.
        """
        private.make_folder(self.folder)
        # JSON is YAML, and no name in it can be read as anything but itself.
        self.file.write_text(json.dumps(self._document(service, nodes, pages), indent=1) + "\n", "utf-8")

    def command(self, prometheus: str, port: int) -> list[str]:
        """How it is started.

        Args:
            prometheus: The program.
            port: Where it listens.
        """
        return [
            prometheus,
            f"--config.file={self.file}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--storage.tsdb.retention.time={RETENTION}",
            f"--storage.tsdb.retention.size={RETENTION_SIZE}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]

    def _document(
        self,
        service: Address,
        nodes: Mapping[tuple[str, str], Address],
        pages: Mapping[str, Address],
    ) -> dict[str, Any]:
        every = f"{SCRAPE_SECONDS}s"
        here = {"namespace": "local"}
        groups = [
            {"targets": [_target(service)], "labels": {**here, "component": "consensus"}},
            *(
                {
                    "targets": [_target(address)],
                    "labels": {**here, "component": "node", "task": task, "node": node},
                }
                for (task, node), address in nodes.items()
            ),
            *(
                {"targets": [_target(address)], "labels": {**here, "component": page}}
                for page, address in pages.items()
            ),
        ]
        return {
            "global": {"scrape_interval": every, "evaluation_interval": every},
            "rule_files": [str(self.root / RULES / "*.yaml")],
            "scrape_configs": [{"job_name": "concord", "static_configs": groups}],
        }


def _target(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
