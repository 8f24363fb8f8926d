"""Real servers of Debian's packages, each in a folder of its own, run by a user without rights."""

import contextlib
import gc
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import sqlalchemy as sa

from tests.ports import free_port

PASSWORD = "p@ss/w:rd%#"
POSTGRESQL = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
SECONDS = 120


def missing(kind):
    """Why a server of this kind cannot be started here; None where it can."""
    if kind == "mariadb" and not (shutil.which("mariadbd") and shutil.which("mariadb-install-db")):
        return "there is no mariadbd here (apt-get install mariadb-server)"
    if kind == "postgresql" and not POSTGRESQL:
        return "there is no PostgreSQL here (apt-get install postgresql)"
    return None


class Server:
    """One server with the user `concord`, whose password is `PASSWORD`, and databases of his own."""

    def __init__(self, user):
        # Root may run neither of them.
        self._user = user if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self.folder = Path(tempfile.mkdtemp(prefix="concord-db-"))
        if os.geteuid() == 0:
            shutil.chown(self.folder, self._user)
        self.port = free_port()
        self._process = None

    def start(self):
        """Starts it, and waits until it answers."""
        log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen(self._command(), stdout=log, stderr=log, **self._as_user())
        log.close()
        until = time.monotonic() + SECONDS
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
            assert time.monotonic() < until, "the server does not come"
            time.sleep(0.1)

    def kill(self):
        """Ends it without a warning."""
        self._process.kill()
        self._process.wait()

    @contextlib.contextmanager
    def paused(self):
        """A while in which it keeps its connections and answers nothing."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def close(self):
        """Ends it for good."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(self.STOP)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(20)
            self.kill()
        shutil.rmtree(self.folder)

    def url(self, database="rows", password=PASSWORD):
        return sa.URL.create(
            self.DRIVER, "concord", password, "127.0.0.1", self.port, database
        ).render_as_string(hide_password=False)

    def empty(self, database="rows"):
        """A database without tables; its URL."""
        self.run(self._drop(database), *self._create(database))
        return self.url(database)

    def delete_rows(self, database):
        """Empties the tables of a database, except for the one that says how far it is migrated."""
        engine = sa.create_engine(self.url(database), poolclass=sa.NullPool)
        with engine.begin() as connection:
            for table in set(sa.inspect(connection).get_table_names()) - {"alembic_version"}:
                connection.execute(sa.table(table).delete())

    def run(self, *statements):
        engine = sa.create_engine(self._root(), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def _answers(self):
        with contextlib.suppress(sa.exc.DBAPIError):
            self.run("SELECT 1")
            return True
        # PyMySQL closes no socket of a server that is not ready to greet.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
        return False

    def _as_user(self):
        return (
            {"user": self._user, "group": pwd.getpwnam(self._user).pw_gid, "cwd": "/"}
            if os.geteuid() == 0
            else {}
        )

    def _do(self, *command):
        subprocess.run(command, check=True, capture_output=True, **self._as_user())


class MariaDb(Server):
    DRIVER, STOP = "mysql+pymysql", signal.SIGTERM

    def __init__(self):
        super().__init__("mysql")

    def begin(self):
        """Makes its folder ready, and starts it for the first time."""
        self._do(
            "mariadb-install-db",
            "--no-defaults",
            f"--datadir={self.folder}/data",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )
        self.start()
        password = PASSWORD.replace("%", "%%")
        self.run(
            f"CREATE USER concord@'127.0.0.1' IDENTIFIED BY '{password}'",
            "GRANT ALL ON `rows%%`.* TO concord@'127.0.0.1'",
            "FLUSH PRIVILEGES",
        )

    def _drop(self, database):
        return f"DROP DATABASE IF EXISTS `{database}`"

    def _create(self, database):
        return [f"CREATE DATABASE `{database}` CHARACTER SET utf8mb4"]

    def cut(self):
        """Cuts all of the user's connections."""
        self.run("KILL USER concord@'127.0.0.1'")

    def _command(self):
        return [
            "mariadbd",
            "--no-defaults",
            f"--datadir={self.folder}/data",
            f"--socket={self.folder}/socket",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            # A process that is killed loses nothing that the system has been given; only a power cut would.
            "--innodb-flush-method=nosync",
            "--innodb-flush-log-at-trx-commit=2",
        ]

    def _root(self):
        return f"mysql+pymysql://root@localhost/?unix_socket={self.folder}/socket"


class Postgresql(Server):
    # SIGQUIT would be quicker, and leave shared memory behind.
    DRIVER, STOP = "postgresql+psycopg", signal.SIGINT

    def __init__(self):
        super().__init__("postgres")

    def begin(self):
        """Makes its folder ready, and starts it for the first time."""
        (self.folder / "password").write_text(PASSWORD)
        (self.folder / "password").chmod(0o644)
        self._do(
            str(POSTGRESQL[-1] / "initdb"),
            f"--pgdata={self.folder}/data",
            "--username=concord",
            "--auth=scram-sha-256",
            f"--pwfile={self.folder}/password",
            "--encoding=UTF8",
            "--no-sync",
        )
        self.start()

    def _drop(self, database):
        return f"DROP DATABASE IF EXISTS {database} WITH (FORCE)"

    def _create(self, database):
        return [f"CREATE DATABASE {database}"]

    def cut(self):
        """Cuts all connections to the database."""
        self.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'rows'")

    def _command(self):
        return [
            str(POSTGRESQL[-1] / "postgres"),
            "-D",
            f"{self.folder}/data",
            "-p",
            str(self.port),
            "-h",
            "127.0.0.1",
            "-k",
            str(self.folder),
            "-c",
            "fsync=off",
        ]

    def _root(self):
        return self.url("postgres")


SERVERS = {"mariadb": MariaDb, "postgresql": Postgresql}
