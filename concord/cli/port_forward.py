"""A way from a laptop to a service inside the cluster: `kubectl port-forward`, while it is needed."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from concord.cli.up.processes import tethered
from concord.errors import ConfigurationError, ServiceAway

FORWARDING = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+) ")


@contextmanager
def forwarded(namespace: str, service: str, port: int) -> Iterator[str]:
    """The address at which a service answers on this machine; the port is one that is free.

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
        yield _address(process, service)
    finally:
        process.terminate()
        process.communicate()


def _address(process: "subprocess.Popen[bytes]", service: str) -> str:
    assert process.stdout is not None
    found = FORWARDING.match(process.stdout.readline().decode())
    if found:
        return f"http://127.0.0.1:{found[1]}"
    process.terminate()
    said = process.communicate()[1].decode().strip().splitlines() or ["kubectl ended without a word."]
    raise ServiceAway(f"There is no way to the service {service}: {said[-1]}")
