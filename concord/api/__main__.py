"""The consensus service alone, under uvicorn: `python -m concord.api --node iris.knn=http://…`.

Without `--node` the nodes file says who is asked. This is the whole service, without BentoML's layers.
"""

import argparse
import sys

import uvicorn

from concord.api import ConsensusApi
from concord.errors import ConfigurationError
from concord.observability import logs
from concord.settings import NodesFile, Settings


def main() -> int:
    """Serves until SIGTERM or SIGINT."""
    arguments = _arguments()
    try:
        settings = Settings.read()
        declared = NodesFile.of(arguments.node) if arguments.node else None
        api = ConsensusApi.from_settings(settings, declared)
    except ConfigurationError as error:
        sys.stderr.write(f"error: {error.message}\n")
        return 2
    logs.configure(settings.log_level)
    uvicorn.run(
        api.application,
        host=arguments.host,
        port=arguments.port,
        log_config=None,
        access_log=False,
        server_header=False,
    )
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m concord.api", description=__doc__)
    parser.add_argument(
        "--node",
        action="append",
        metavar="TASK.NODE=URL",
        help="a node to ask; repeatable, instead of the file",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=7400, help="port to listen on (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
