"""Access from a laptop to a service inside the cluster, with `kubectl port-forward`, while it is needed."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from concord.cli.up.processes import tethered
from concord.errors import ConfigurationError, ServiceAway

FORWARDING: Final = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+) ")


@contextmanager
def forward_port(namespace: str, service: str, port: int) -> Iterator[str]:
    """Yields the address at which a service answers on this machine, at a port that is free.

    Raises:
        ConfigurationError: There is no kubectl here.
        ServiceAway: The service cannot be reached, with kubectl's own words.
    """
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise ConfigurationError(
            "kubectl is not on the PATH; it opens the way to the service in the cluster. Install it, or set "
            "CONCORD_URL to an address of the service.",
            field="CONCORD_URL",
        )
    command = [kubectl, "--namespace", namespace, "port-forward", f"service/{service}", f":{port}"]
    process = subprocess.Popen(
        tethered(command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        yield _read_address(process, service)
    finally:
        process.terminate()
        process.communicate()


def _read_address(process: "subprocess.Popen[bytes]", service: str) -> str:
    assert process.stdout is not None
    forwarding = FORWARDING.match(process.stdout.readline().decode())
    if forwarding:
        return f"http://127.0.0.1:{forwarding[1]}"
    process.terminate()
    errors = process.communicate()[1].decode().strip().splitlines() or ["kubectl ended without a word."]
    raise ServiceAway(f"There is no way to the service {service}: {errors[-1]}")
