"""The Prometheus of `concord up --monitoring`: finding it, configuring it, and its command.

Concord brings none along; the one on the PATH is used. Its configuration is written anew at each start, its
data stay in the home folder for two weeks. It has no password, so it listens on this machine only.
"""

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from concord.errors import ConfigurationError
from concord.util import private_files as private

PROGRAM: Final = "prometheus"
RULES: Final = Path("helm/concord/files/rules")
SCRAPE_SECONDS: Final = 5
"""A person looks on: a third of what a cluster's takes."""

RETENTION: Final = "14d"
RETENTION_SIZE: Final = "1GB"

Address = tuple[str, int]


def find_prometheus() -> str:
    """The path of the Prometheus that is on the PATH.

    Raises:
        ConfigurationError: There is none, or what is called so is something else.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise ConfigurationError(
            "--monitoring takes a Prometheus on the PATH, and there is none. Install one (`brew install "
            "prometheus`, or https://prometheus.io/download), or leave --monitoring out.",
            field="--monitoring",
        )
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=20, check=False, errors="replace"
        )
        output = (done.stdout + done.stderr).strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        output = str(error)
    if not output.startswith("prometheus, version "):
        raise ConfigurationError(
            f"{program} does not say that it is Prometheus, but: {output[:200] or 'nothing'}. Install one "
            "from https://prometheus.io/download and put it first on the PATH, or leave --monitoring out.",
            field="--monitoring",
        )
    return program


def write_config(
    folder: Path,
    root: Path,
    service: Address,
    nodes: Mapping[tuple[str, str], Address],
    pages: Mapping[str, Address],
    *,
    has_tls: bool = False,
) -> Path:
    """Writes Prometheus's configuration; returns the file.

    Args:
        folder: Where it is written.
        root: The project's folder, which has the chart's rules.
        service: Where the consensus service listens.
        nodes: Task and node → where it listens.
        pages: `page`, `mlflow` → where its metrics are.
        has_tls: Whether the consensus service speaks TLS.
    """
    private.make_folder(folder)
    file = folder / "prometheus.yml"
    config = _config(root, service, nodes, pages, has_tls=has_tls)
    # JSON is YAML, and no name in it can be read as anything but itself.
    file.write_text(json.dumps(config, indent=1) + "\n", "utf-8")
    return file


def _config(
    root: Path,
    service: Address,
    nodes: Mapping[tuple[str, str], Address],
    pages: Mapping[str, Address],
    *,
    has_tls: bool,
) -> dict[str, Any]:
    scheme = {"__scheme__": "https"} if has_tls else {}
    targets = [({"component": "consensus", **scheme}, service)]
    targets += [
        ({"component": "node", "task": task, "node": node}, nodes[task, node]) for task, node in nodes
    ]
    targets += [({"component": page}, address) for page, address in pages.items()]
    scrapes = [
        {"targets": [_format_address(address)], "labels": {"namespace": "local", **labels}}
        for labels, address in targets
    ]
    interval = f"{SCRAPE_SECONDS}s"
    job: dict[str, Any] = {"job_name": "concord", "static_configs": scrapes}
    if has_tls:
        # It is asked by an address of this machine, for which its certificate need not be valid.
        job["tls_config"] = {"insecure_skip_verify": True}
    return {
        "global": {"scrape_interval": interval, "evaluation_interval": interval},
        "rule_files": [str(root / RULES / "*.yaml")],
        "scrape_configs": [job],
    }


def prometheus_command(program: str, config: Path, port: int) -> list[str]:
    """The command that starts it, with its data beside its configuration."""
    return [
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={config.parent / 'data'}",
        f"--storage.tsdb.retention.time={RETENTION}",
        f"--storage.tsdb.retention.size={RETENTION_SIZE}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]


def _format_address(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
