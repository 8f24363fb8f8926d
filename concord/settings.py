"""Settings from the environment (`CONCORD_…`), and the nodes file, each read once.

A service's edge calls `Settings.read()` and passes values on; nothing below it reads the environment.
Kubernetes injects `<SERVICE>_PORT=tcp://…` into pods, so unknown `CONCORD_…` variables are ignored.
"""

import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import quote

from pydantic import (
    AfterValidator,
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
from concord.util.client_address import TrustedProxies
from concord.util.host_names import HostNames
from concord.util.sqlite_files import sqlite_url

_DNS = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_ADDRESS = r"https?://[^\s/?#]+(?:/[^\s?#]*)?"
_PATH = r"(?:/[\w.~-]+)*"
_PATH_FORM = "it is a path that begins with a slash and ends without one, such as /concord"
_CONFIGMAP = rf"configmap:(?:(?P<namespace>{_DNS})/)?(?P<name>{_DNS})"
_ADDRESS_FORM = "it is http://HOST:PORT or https://HOST:PORT, with a path where there is one"
_CONFIGMAP_FORM = "say configmap:NAMESPACE/NAME or configmap:NAME, in lower case, each at most 63"
_DEPLOYMENT_FORM = "it is NAMESPACE/FULLNAME, such as concord/concord"
_NAMESPACE_FORM = "it is a namespace's name, such as concord"
_EMAIL = re.compile(r"[^\s@,]+@[^\s@,]+")
_WITH_USER = re.compile(r"(?P<scheme>[\w+]+://)(?P<user>[^:@/]+)(?::[^@/]*)?(?P<rest>@.+)")

BelowQuorum = Literal["refuse", "abstain", "fallback"]
PolicyName = Literal["wager", "seed"]


def _form(pattern: str, form: str) -> AfterValidator:
    """Checks a setting's form; an empty one counts as absent. It is not shown, as it may hold a password."""

    def check(value: str | None) -> str | None:
        if value and re.fullmatch(pattern, value) is None:
            raise ValueError(form)
        return value.rstrip("/") if value else None

    return AfterValidator(check)


def _checked_hosts(value: str) -> str:
    HostNames.parse(value)
    return value


def _checked_proxies(value: str) -> str:
    TrustedProxies.parse(value)
    return value


class TaskSettings(BaseModel):
    """One task's settings: the section `[tasks.NAME]` of the nodes file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    nodes: dict[str, str]
    """Node name → base URL of the service that answers for it."""

    policy: PolicyName = "wager"
    """`wager` moves stake by labels only; `seed` is the workshop's rule, for classification."""

    score: Literal["hit", "brier"] = "hit"
    """What `wager` pays for in a classification: a right answer, or the probability given to it."""

    quorum: float = Field(default=0.5, gt=0, le=1)
    """Share of the active deposits whose nodes must answer. Half: one failed node of three is no outage."""

    deadline_ms: int = Field(default=1000, ge=10, le=4000)
    """Milliseconds after which a round is decided or refused. People notice a second."""

    grace_ms: int = Field(default=200, ge=0, le=4000)
    """Milliseconds to wait for the remaining nodes once the quorum is reached."""

    deposit: int = Field(default=1000, ge=10)
    """Initial stake of a new node's account."""

    below_quorum: BelowQuorum = "refuse"
    """`refuse`: 503; `abstain`: 200 without an answer; `fallback`: 200 with `fallback`."""

    fallback: str | float | None = None
    """The label or value that is answered below the quorum where `below_quorum` is `fallback`."""

    @model_validator(mode="after")
    def _check_fallback(self) -> Self:
        if (self.below_quorum == "fallback") != (self.fallback is not None):
            raise ValueError('below_quorum = "fallback" and a fallback go together')
        return self


class NodesFile(BaseModel):
    """The file that lists the tasks and the addresses of their nodes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tasks: dict[str, TaskSettings]

    @classmethod
    def load(cls, path: Path) -> "NodesFile":
        """Reads the file.

        Raises:
            ConfigurationError: It is missing, is no TOML, or has an invalid section.
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


class Settings(BaseSettings):
    """Settings of the consensus service and the command line."""

    model_config = SettingsConfigDict(
        env_prefix="CONCORD_", frozen=True, extra="ignore", validate_by_name=True, validate_by_alias=True
    )

    home: Path = Path(".concord")
    """Folder of all data on a laptop: ledger, journal, models, logs."""

    nodes: Path | None = None
    """The nodes file; `nodes.toml` in `home` by default."""

    ledger: Annotated[str | None, _form(_CONFIGMAP, _CONFIGMAP_FORM)] = None
    """`configmap:NAMESPACE/NAME`, or `configmap:NAME` in the namespace of the pod or the kubeconfig's
    context: the ConfigMap that holds the ledger's head. Files in `home` by default."""

    deployment: Annotated[str | None, _form(f"{_DNS}/{_DNS}", _DEPLOYMENT_FORM)] = None
    """`NAMESPACE/FULLNAME` of the installation in a cluster whose nodes' versions this service sets; on a
    laptop they are files in `home`."""

    registry: str | None = Field(default=None, repr=False, validation_alias="MLFLOW_TRACKING_URI")
    """Address of MLflow, the model registry, in MLflow's own variable. The service ignores addresses of files
    and databases, which only the training reads."""

    registry_user: str | None = Field(default=None, validation_alias="MLFLOW_TRACKING_USERNAME")
    registry_password: SecretStr | None = Field(default=None, validation_alias="MLFLOW_TRACKING_PASSWORD")
    registry_token: SecretStr | None = Field(default=None, validation_alias="MLFLOW_TRACKING_TOKEN")
    """Credentials for MLflow, in its own variables too; those in the address take precedence."""

    registry_page: str | None = Field(default=None, repr=False)
    """Address of MLflow's own page as browsers reach it, for links on the web page; `registry` by default. In
    a cluster the two differ."""

    journal: str | None = Field(default=None, repr=False)
    """SQLAlchemy URL of the journal; SQLite in `home` by default."""

    journal_password: SecretStr | None = None
    """The password of the journal's URL, apart from it because only the password belongs in a Secret."""

    study: str | None = Field(default=None, repr=False)
    """SQLAlchemy URL of the database that benchmarks share; SQLite in `home` by default."""

    study_password: SecretStr | None = None
    """The password of the study's URL, apart from it as the journal's is."""

    data_password: SecretStr | None = None
    """The password for the URL of a database of rows (`--data`, `concord data`), unless the URL has one: a
    command line is visible to everybody on the machine."""

    retention_days: int = Field(default=30, ge=0)
    """Days that the rows of rounds are kept. A month: what a retraining uses."""

    label_days: int = Field(default=90, ge=1)
    """Days after a round in which it can be labelled; one that no block has settled by then is removed.
    Three months: later labels concern models that are mostly no longer served."""

    tokens: Path | None = None
    """The tokens' file; `tokens.toml` in `home` by default. Without one, whatever needs a token is off."""

    predict_access: Literal["open", "token"] = Field(default="open", validation_alias="CONCORD_PREDICT")
    """Who may ask for predictions: everybody who reaches the service, or tokens that predict the task. Open,
    as a service on this machine's loopback is reached by those alone who have an account here."""

    read_access: Literal["open", "token"] | None = Field(default=None, validation_alias="CONCORD_READ")
    """Who reads rounds: everybody who reaches the service, or tokens that read. Unset, rounds are open until
    a token has the right to read them or to administer, so that an upgrade opens nobody's rounds."""

    rate_requests: float = Field(default=0, ge=0, le=1_000_000, allow_inf_nan=False)
    """Requests a second of one caller (a token, else an address) at each replica; 0: any number. Off by
    default: behind a proxy that is not trusted all callers share its address."""

    rate_rows: float = Field(default=0, ge=0, le=10_000_000, allow_inf_nan=False)
    """The same for rows of predictions and for labels."""

    rate_burst_seconds: float = Field(default=10, ge=0.1, le=3600, allow_inf_nan=False)
    """Seconds of its rate that a caller who was quiet may use at once. Ten: a page that opens asks a dozen
    things together."""

    trusted_proxies: Annotated[str, AfterValidator(_checked_proxies)] = ""
    """Addresses and networks of proxies, separated by commas, whose `X-Forwarded-For` is believed."""

    hosts: Annotated[str, AfterValidator(_checked_hosts)] = ""
    """Names, separated by commas, under which the service is asked, besides `localhost` and addresses;
    `*.NAME` for all below one, `*` for any. Other names in `Host` are refused, or a web page that has its own
    name lead here would read what a browser here may (DNS rebinding)."""

    token: SecretStr | None = None
    """The token that the command line sends; services do not use it."""

    root_path: Annotated[str, _form(_PATH, _PATH_FORM)] = ""
    """The path under which a reverse proxy offers this service, where the proxy hands it on: `/concord`."""

    max_body_bytes: int = Field(default=1 << 20, ge=1024)
    """A larger body gets 413. 1 MiB holds the 1,000 rows of one call with room to spare."""

    max_rows: int = Field(default=1000, ge=1, le=4096)
    """Rows in one call: as many as a node answers well within the deadline; a node takes 4,096 a call."""

    max_waiting_rows: int = Field(default=20_000, ge=1)
    """Rows that may be under way at once; beyond it callers get 429, and so does a task or a caller that has
    its share of them. A second of work on two cores."""

    drain_file: Path | None = None
    """A file whose existence means that this process will soon end, so its connections are closed."""

    url: str = "http://127.0.0.1:7400"
    """Address of the consensus service, for the command line and the page."""

    prometheus: Annotated[str | None, _form(_ADDRESS, _ADDRESS_FORM)] = Field(default=None, repr=False)
    """Address of a Prometheus that scrapes Concord, for the page's live figures. Without one the page reads
    the service's own `/metrics`, which cover one process and begin when the page is opened."""

    prometheus_namespace: Annotated[str | None, _form(_DNS, _NAMESPACE_FORM)] = None
    """The label `namespace` of the series to read, where one Prometheus scrapes several installations."""

    page_token: SecretStr | None = None
    """The token with which the web page acts for people who have signed in; it is never shown."""

    page_token_file: Path | None = None
    """A file with that token, such as a mounted Secret; read each time, so it may change."""

    page_visitor_token: SecretStr | None = None
    """The token that the web page shows for everybody else: what it may do, all may who open the page. For
    services whose predictions or rounds need a token, on pages that only the right people reach."""

    page_visitor_token_file: Path | None = None
    """A file with that token, likewise."""

    page_people: Annotated[frozenset[str], NoDecode] = frozenset()
    """E-mail addresses, separated by commas, of the people who may act once they have signed in on the page.
    Empty by default: an identity provider of a whole company must not open the page's token to all of it."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Lines below this level are dropped. One line per request is INFO."""

    @field_validator("page_people", mode="before")
    @classmethod
    def _split_addresses(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        people = frozenset(value.replace(",", " ").lower().split())
        invalid = next((address for address in sorted(people) if _EMAIL.fullmatch(address) is None), None)
        if invalid is not None:
            raise ValueError(f"{invalid[:70]!r} is no e-mail address; say ada@example.org, alan@example.org")
        return people

    @field_validator("registry", "registry_page")
    @classmethod
    def _keep_http_only(cls, url: str | None) -> str | None:
        return url.rstrip("/") if url and url.startswith(("http://", "https://")) else None

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
            name = "_".join(str(part) for part in first["loc"]).upper()
            name = name if name.startswith(("CONCORD_", "MLFLOW_")) else f"CONCORD_{name}"
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
        return _read_secret(self.page_token, self.page_token_file, "CONCORD_PAGE_TOKEN_FILE")

    @property
    def page_visitor_secret(self) -> str | None:
        """The token that the page shows for its visitors, as it is now: likewise.

        Raises:
            ConfigurationError: Its file cannot be read.
        """
        token, file = self.page_visitor_token, self.page_visitor_token_file
        return _read_secret(token, file, "CONCORD_PAGE_VISITOR_TOKEN_FILE")

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
        match = re.fullmatch(_CONFIGMAP, self.ledger or "")
        return (match["namespace"], match["name"]) if match else None

    @property
    def journal_url(self) -> str:
        """SQLAlchemy URL of the journal, its password included: not for logs or messages.

        Raises:
            ConfigurationError: There is a password and no user that it could belong to.
        """
        url = self.journal or sqlite_url(self.home / "journal.sqlite")
        return _with_password(url, self.journal_password, "CONCORD_JOURNAL")

    @property
    def study_url(self) -> str:
        """SQLAlchemy URL of the benchmarks' studies, its password included: not for logs or messages.

        Raises:
            ConfigurationError: There is a password and no user that it could belong to.
        """
        url = self.study or sqlite_url(self.home / "study.sqlite")
        return _with_password(url, self.study_password, "CONCORD_STUDY")


def _read_secret(token: SecretStr | None, file: Path | None, variable: str) -> str | None:
    if file is None:
        return (token.get_secret_value().strip() if token else "") or None
    try:
        return file.read_text("ascii").strip() or None
    except (OSError, UnicodeDecodeError) as error:
        why = "it is no token" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise ConfigurationError(
            f"The file of the page's token {file} cannot be read ({why}).", field=variable
        ) from error


def _with_password(url: str, password: SecretStr | None, variable: str) -> str:
    if password is None or not password.get_secret_value():
        return url
    parts = _WITH_USER.fullmatch(url)
    if parts is None:
        raise ConfigurationError(
            f"{variable}_PASSWORD needs a user in {variable}: mysql+pymysql://USER@HOST/DATABASE.",
            field=f"{variable}_PASSWORD",
        )
    return f"{parts['scheme']}{parts['user']}:{quote(password.get_secret_value(), safe='')}{parts['rest']}"
