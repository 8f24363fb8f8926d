"""`concord up`: trains what is missing, starts everything on this machine, and stays until Ctrl-C."""

from pathlib import Path

import click

from concord.cli.console import Command, json_option
from concord.cli.home import find_home
from concord.cli.up.ports import BASE
from concord.errors import ConfigurationError


@click.command("up", cls=Command, short_help="Train, start and run everything on this machine.")
@click.argument("tasks", nargs=-1, metavar="[TASK]...")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=BASE,
    show_default=True,
    type=click.IntRange(1, 65_000),
    help="The consensus service's port; nodes listen from 10 above it, the page 80, MLflow's page 90.",
)
@click.option(
    "--data",
    "sources",
    multiple=True,
    metavar="TASK=SOURCE",
    help="Train a task from your own rows: a CSV file, or URL#table of a database. Repeatable.",
)
@click.option("--no-page", "page", flag_value=False, default=True, help="Without the page for people.")
@click.option("--no-mlflow", "mlflow", flag_value=False, default=True, help="Without MLflow's page.")
@click.option(
    "--monitoring",
    is_flag=True,
    help="With the Prometheus that is on the PATH, 91 above the port: metrics, recorded and alerted on.",
)
@click.option("--tls-cert", metavar="FILE", help="Speak TLS by this certificate (PEM), with --tls-key.")
@click.option("--tls-key", metavar="FILE", help="The certificate's key (PEM, without a password).")
@json_option
def up(
    *,
    tasks: tuple[str, ...],
    host: str,
    port: int,
    sources: tuple[str, ...],
    tls_cert: str | None,
    tls_key: str | None,
    as_json: bool,
    **parts: bool,
) -> None:
    """Train what is missing, start everything on this machine, and stay until Ctrl-C.

    Without TASK all tasks are started. The first start trains and packages the models, which takes
    a minute; later ones take what is there. Everything is kept in CONCORD_HOME (.concord), with a
    log for each process in its folder logs.

    \b
    Examples:
      concord up
      concord up iris --no-mlflow
      concord up loan_default --data loan_default=loan_data.csv
      concord up --port 8400
      concord up --monitoring
      concord up --host 0.0.0.0 --tls-cert tls.crt --tls-key tls.key
    """
    from concord.cli.up.ports import Ports
    from concord.cli.up.reporter import Reporter
    from concord.cli.up.session import UpSession
    from concord.cli.up.tls import TlsFiles

    if (tls_cert is None) != (tls_key is None):
        raise ConfigurationError(
            "--tls-cert and --tls-key go together: certificate and key.", field="--tls-key"
        )
    home, tls = find_home(), TlsFiles(Path(tls_cert), Path(tls_key)) if tls_cert and tls_key else None
    with home.hold_lock():
        UpSession(home, Reporter(as_json=as_json), tasks, sources, Ports(host, port, **parts), tls).run()
