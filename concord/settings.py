"""Every setting, read once from the environment (`CONCORD_…`) and from the file that names the nodes.

A service's edge calls `Settings.read()` and hands values on; nothing below it looks at the environment.
Kubernetes injects `<SERVICE>_PORT=tcp://…` into pods, so unknown `CONCORD_…` variables are ignored.
"""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import quote

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from concord.errors import ConfigurationError

_DNS = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_DEPLOYMENT = re.compile(rf"{_DNS}/{_DNS}")
_ADDRESS = re.compile(r"https?://[^\s/?#]+(?:/[^\s?#]*)?")
_CONFIGMAP = re.compile(rf"configmap:(?:(?P<namespace>{_DNS})/)?(?P<name>{_DNS})")
_EMAIL = re.compile(r"[^\s@,]+@[^\s@,]+")
_WITH_USER = re.compile(r"(?P<scheme>[\w+]+://)(?P<user>[^:@/]+)(?::[^@/]*)?(?P<rest>@.+)")

BelowQuorum = Literal["refuse", "abstain", "fallback"]
PolicyName = Literal["wager", "seed"]


class TaskSettings(BaseModel):
    """How one task is asked: the section `[tasks.NAME]` of the nodes file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    nodes: dict[str, str]
    """Node name → base URL of the service that answers for it."""

    policy: PolicyName = "wager"
    """`wager` moves stake on true labels only; `seed` is the workshop's rule, for classification."""

    score: Literal["hit", "brier"] = "hit"
    """What `wager` pays for in a classification: being right, or how sure one was of it."""

    quorum: float = Field(default=0.5, gt=0, le=1)
    """Share of the active deposits that must have answered. Half: one loss among three is no outage."""

    deadline_ms: int = Field(default=1000, ge=10, le=4000)
    """Milliseconds after which a round is decided or refused. People notice a second."""

    grace_ms: int = Field(default=200, ge=0, le=4000)
    """Milliseconds that stragglers get once the quorum is there."""

    deposit: int = Field(default=1000, ge=10)
    """Stake that a new node's account is opened with."""

    below_quorum: BelowQuorum = "refuse"
    """503, or 200 without an answer, or 200 with `fallback`."""

    fallback: str | float | None = None
    """The label or value that is answered below the quorum where `below_quorum` is `fallback`."""

    @model_validator(mode="after")
    def _has_its_fallback(self) -> Self:
        if (self.below_quorum == "fallback") != (self.fallback is not None):
            raise ValueError('below_quorum = "fallback" and a fallback go together')
        return self


class NodesFile(BaseModel):
    """The file that says which tasks there are and where their nodes answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tasks: dict[str, TaskSettings]

    @classmethod
    def load(cls, path: Path) -> "NodesFile":
        """Reads the file.

        Raises:
            ConfigurationError: Missing, not TOML, or a section that says something unknown.
        """
        try:
            return cls.model_validate(tomllib.loads(path.read_text("utf-8")))
        except OSError as error:
            raise ConfigurationError(
                f"The nodes file {path} cannot be read ({error.strerror}). `concord up` writes one; "
                "CONCORD_NODES names another.",
                field="CONCORD_NODES",
            ) from error
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"{path} is not TOML: {error}.", field="CONCORD_NODES") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ConfigurationError(f"{path}: {where}: {first['msg']}.", field=where) from error

    @classmethod
    def of(cls, nodes: Iterable[str]) -> "NodesFile":
        """Makes one from arguments of the form `iris.knn=http://127.0.0.1:7410`.

        Raises:
            ConfigurationError: One has another form, or names a node twice.
        """
        tasks: dict[str, dict[str, str]] = {}
        for node in nodes:
            found = re.fullmatch(r"(\w+)\.(\w+)=(https?://\S+)", node)
            if found is None:
                raise ConfigurationError(
                    f"A node is given as iris.knn=http://HOST:PORT, not {node!r}.", field="node"
                )
            task, name, url = found.groups()
            if name in tasks.setdefault(task, {}):
                raise ConfigurationError(f"{task}.{name} is given twice.", field="node")
            tasks[task][name] = url
        return cls(tasks={task: TaskSettings(nodes=urls) for task, urls in tasks.items()})


class Settings(BaseSettings):
    """Settings of the consensus service and the command line."""

    model_config = SettingsConfigDict(
        env_prefix="CONCORD_", frozen=True, extra="ignore", validate_by_name=True, validate_by_alias=True
    )

    home: Path = Path(".concord")
    """Folder of everything that Concord keeps on a laptop: ledger, journal, models, logs."""

    nodes: Path | None = None
    """The nodes file; `nodes.toml` in `home` unless said."""

    ledger: str | None = None
    """`configmap:NAMESPACE/NAME`, or `configmap:NAME` in the namespace of the pod or the kubeconfig's
    context: the ConfigMap that is the ledger's head. Files in `home` unless said."""

    deployment: str | None = None
    """`NAMESPACE/FULLNAME` of the installation in a cluster whose nodes' versions this service changes; a
    laptop's nodes read files in `home`."""

    registry: str | None = Field(default=None, repr=False, validation_alias="MLFLOW_TRACKING_URI")
    """Address of MLflow, the registry of models, in MLflow's own variable. One that is no `http` or `https`
    is a file's or a database's, which the training reads and this service does not."""

    registry_user: str | None = Field(default=None, validation_alias="MLFLOW_TRACKING_USERNAME")
    registry_password: SecretStr | None = Field(default=None, validation_alias="MLFLOW_TRACKING_PASSWORD")
    registry_token: SecretStr | None = Field(default=None, validation_alias="MLFLOW_TRACKING_TOKEN")
    """Who asks MLflow, in its own variables too; what stands in the address comes first."""

    registry_page: str | None = Field(default=None, repr=False)
    """Address of MLflow's own page as people's browsers reach it, which the web page links to; MLflow's
    address above unless said. In a cluster the two differ."""

    journal: str | None = Field(default=None, repr=False)
    """SQLAlchemy URL of the journal; SQLite in `home` unless said."""

    journal_password: SecretStr | None = None
    """The password of the journal's URL, apart from it because one stands in a Secret and one need not."""

    study: str | None = Field(default=None, repr=False)
    """SQLAlchemy URL of the database that benchmarks share; SQLite in `home` unless said."""

    study_password: SecretStr | None = None
    """The password of the study's URL, apart from it as the journal's is."""

    data_password: SecretStr | None = None
    """The password of the URL of a database of rows (`--data`, `concord data`), where that has none itself:
    what stands in a command line is seen by everybody on the machine."""

    retention_days: int = Field(default=30, ge=0)
    """Days that the features of a round are kept. A month is what a retraining looks back on."""

    label_days: int = Field(default=365, ge=1)
    """Days after a round in which it can be labelled. A year: a loan's default shows within one, and a label
    that comes later tells of models that are long gone."""

    tokens: Path | None = None
    """The file of tokens that label, read and administer; `tokens.toml` in `home` unless said. Where there is
    none, nobody labels or administers, and everybody reads."""

    token: SecretStr | None = None
    """The token that the command line shows to the service; a service of ours has no use for it."""

    max_body_bytes: int = Field(default=1 << 20, ge=1024)
    """A larger body gets 413. 1 MiB holds the 1,000 rows of one call with room to spare."""

    max_rows: int = Field(default=1000, ge=1, le=4096)
    """Rows in one call: as many as a node answers well within the deadline; a node takes 4,096 a call."""

    max_waiting_rows: int = Field(default=20_000, ge=1)
    """Rows that may wait for nodes at once; beyond it callers get 429. A second of work on two cores."""

    drain_file: Path | None = None
    """A file that says, once it is there, that this process will soon end: callers are sent elsewhere."""

    url: str = "http://127.0.0.1:7400"
    """Address of the consensus service, for the command line and the page."""

    prometheus: str | None = Field(default=None, repr=False)
    """Address of a Prometheus that scrapes Concord, for the page's live figures. Without one the page reads
    the service's own `/metrics`, which know of one process and of nothing before the page looked."""

    prometheus_namespace: str | None = None
    """Only series with this label `namespace`, where one Prometheus scrapes several installations."""

    page_token: SecretStr | None = None
    """The token with which the web page acts for people who have signed in; it shows it nobody."""

    page_token_file: Path | None = None
    """A file that holds that token, such as a mounted Secret; read anew each time, so it may change."""

    page_people: Annotated[frozenset[str], NoDecode] = frozenset()
    """E-mail addresses of those who may act once they have signed in on the page, apart by commas. Empty by
    default: a provider that knows a whole company must not open the page's token to all of it."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Lines below this level are dropped. One line per request is INFO."""

    @field_validator("ledger")
    @classmethod
    def _names_a_configmap(cls, given: str | None) -> str | None:
        if given and _CONFIGMAP.fullmatch(given) is None:
            raise ValueError("say configmap:NAMESPACE/NAME or configmap:NAME, in lower case, each at most 63")
        return given or None

    @field_validator("deployment")
    @classmethod
    def _names_an_installation(cls, given: str | None) -> str | None:
        if given and _DEPLOYMENT.fullmatch(given) is None:
            raise ValueError(f"it is NAMESPACE/FULLNAME, such as concord/concord, not {given!r}")
        return given or None

    @field_validator("page_people", mode="before")
    @classmethod
    def _lists_addresses(cls, given: object) -> object:
        if not isinstance(given, str):
            return given
        people = frozenset(given.replace(",", " ").lower().split())
        odd = next((one for one in sorted(people) if _EMAIL.fullmatch(one) is None), None)
        if odd is not None:
            raise ValueError(f"{odd[:70]!r} is no e-mail address; say ada@example.org, alan@example.org")
        return people

    @field_validator("registry", "registry_page")
    @classmethod
    def _speaks_http(cls, given: str | None) -> str | None:
        return given.rstrip("/") if given and given.startswith(("http://", "https://")) else None

    @field_validator("prometheus")
    @classmethod
    def _is_an_address(cls, given: str | None) -> str | None:
        # What was given is not shown: it may hold a password.
        if given and _ADDRESS.fullmatch(given) is None:
            raise ValueError("it is http://HOST:PORT or https://HOST:PORT, with a path where there is one")
        return given.rstrip("/") if given else None

    @field_validator("prometheus_namespace")
    @classmethod
    def _names_a_namespace(cls, given: str | None) -> str | None:
        if given and re.fullmatch(_DNS, given) is None:
            raise ValueError(f"it is a namespace's name, such as concord, not {given!r}")
        return given or None

    @classmethod
    def read(cls) -> Self:
        """The environment's settings.

        Raises:
            ConfigurationError: A variable holds what it must not.
        """
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            name = f"CONCORD_{'_'.join(str(part) for part in first['loc']).upper()}"
            raise ConfigurationError(f"{name}: {first['msg']}.", field=name) from error

    @property
    def nodes_file(self) -> Path:
        """Path of the nodes file."""
        return self.nodes or self.home / "nodes.toml"

    @property
    def tokens_file(self) -> Path:
        """Path of the tokens' file."""
        return self.tokens or self.home / "tokens.toml"

    @property
    def page_secret(self) -> str | None:
        """The page's own token, as it is now: not for pages, logs or messages.

        Raises:
            ConfigurationError: Its file cannot be read.
        """
        if self.page_token_file is None:
            return (self.page_token.get_secret_value().strip() if self.page_token else "") or None
        try:
            return self.page_token_file.read_text("ascii").strip() or None
        except (OSError, UnicodeDecodeError) as error:
            why = "it is no token" if isinstance(error, UnicodeDecodeError) else error.strerror
            raise ConfigurationError(
                f"The file of the page's token {self.page_token_file} cannot be read ({why}).",
                field="CONCORD_PAGE_TOKEN_FILE",
            ) from error

    @property
    def versions_dir(self) -> Path:
        """Folder of the desired versions of a laptop's nodes."""
        return self.home / "versions"

    @property
    def ledger_dir(self) -> Path:
        """Folder of the ledger's head and segments."""
        return self.home / "ledger"

    @property
    def ledger_configmap(self) -> tuple[str | None, str] | None:
        """Namespace (None: one's own) and name of the head's ConfigMap; None where the ledger is files."""
        found = _CONFIGMAP.fullmatch(self.ledger or "")
        return (found["namespace"], found["name"]) if found else None

    @property
    def journal_url(self) -> str:
        """SQLAlchemy URL of the journal, its password included: not for logs or messages.

        Raises:
            ConfigurationError: There is a password and no user that it could belong to.
        """
        url = self.journal or f"sqlite:///{self.home / 'journal.sqlite'}"
        return _with_password(url, self.journal_password, "CONCORD_JOURNAL")

    @property
    def study_url(self) -> str:
        """SQLAlchemy URL of the benchmarks' studies, its password included: not for logs or messages.

        Raises:
            ConfigurationError: There is a password and no user that it could belong to.
        """
        url = self.study or f"sqlite:///{(self.home / 'study.sqlite').absolute()}"
        return _with_password(url, self.study_password, "CONCORD_STUDY")


def _with_password(url: str, password: SecretStr | None, variable: str) -> str:
    if password is None or not password.get_secret_value():
        return url
    found = _WITH_USER.fullmatch(url)
    if found is None:
        raise ConfigurationError(
            f"{variable}_PASSWORD needs a user in {variable}: mysql+pymysql://USER@HOST/DATABASE.",
            field=f"{variable}_PASSWORD",
        )
    return f"{found['scheme']}{found['user']}:{quote(password.get_secret_value(), safe='')}{found['rest']}"
