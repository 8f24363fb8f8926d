"""The tree of errors that Concord raises.

    ConcordError                 500 internal
    ├── CallerError              400 bad_request        the caller's mistake; logged as INFO
    │   ├── InvalidInput         422 invalid_input      names the field, and the row where there are many
    │   ├── Unauthorized         401 unauthorized       no token, an unknown one, or one that has expired
    │   ├── Forbidden            403 forbidden          a token without the right, or a service without tokens
    │   ├── UnknownName          404 unknown_*          a task, node, round or block that does not exist
    │   ├── WrongMethod          405 method_not_allowed
    │   ├── Conflict             409 conflict
    │   ├── Expired              410 expired            a label that comes too late for its round
    │   ├── BodyTooLarge         413 too_large
    │   ├── WrongMediaType       415 unsupported_media_type
    │   ├── UnknownHost          421 unknown_host       a `Host` under which this service is not asked
    │   └── Overloaded           429 overloaded         carries `retry_after` in seconds
    │       └── RateLimited      429 rate_limited       one caller asks too much
    ├── NoQuorum                 503 no_quorum          too few usable answers in time
    ├── JournalUnavailable       503 journal_unavailable
    ├── LedgerError              500 ledger
    │   ├── LedgerBroken         500 ledger_broken      a stored byte or link differs from what was written
    │   ├── LedgerConflict       409 ledger_conflict    another writer replaced the head; read again
    │   └── LedgerUnavailable    503 ledger_unavailable its store cannot be reached
    ├── ServiceAway              503 service_away       a service of ours or the cluster's API is out of reach
    ├── NotAllowed               403 not_allowed        the cluster's API forbids it to this account
    ├── Refused                  …   as answered        a service answered with an error of its own
    ├── ConfigurationError       500 configuration      an invalid setting or file of the operator's
    └── TrainingError            500 training           a step of fit, convert, register or package
        └── DataError            422 bad_data           a data file; names column, row and remedy

A message is a sentence for the person who can act on it. `field` names the wrong value as the caller
knows it: a feature, a path inside the body, a setting. Of HTTP the tree knows only the status number;
`concord.http.application` turns errors into responses, in one handler.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class ConcordError(Exception):
    """Base class: an HTTP status, a stable code, a message and the field that it is about."""

    status: ClassVar[int] = 500
    code: str = "internal"

    def __init__(self, message: str, *, field: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        if code is not None:
            self.code = code


class CallerError(ConcordError):
    """A mistake that the caller can correct."""

    status = 400
    code = "bad_request"


class InvalidInput(CallerError):
    """A value that the schema does not admit."""

    status = 422
    code = "invalid_input"


class Unauthorized(CallerError):
    """The request has no token, an unknown one, or one that has expired."""

    status = 401
    code = "unauthorized"


class Forbidden(CallerError):
    """The token is known and has not the right."""

    status = 403
    code = "forbidden"


class UnknownName(CallerError):
    """A name of nothing that exists here."""

    status = 404
    code = "unknown_name"


class WrongMethod(CallerError):
    """A method that the path does not support."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, allowed: Sequence[str]) -> None:
        super().__init__(f"This path answers {', '.join(allowed)} only.")
        self.allowed = allowed


class Conflict(CallerError):
    """A request that contradicts the present state."""

    status = 409
    code = "conflict"


class Expired(CallerError):
    """A label for a round that was answered too long ago."""

    status = 410
    code = "expired"


class BodyTooLarge(CallerError):
    """A body over the limit; it is not read to its end."""

    status = 413
    code = "too_large"


class WrongMediaType(CallerError):
    """A body in a format that is not supported."""

    status = 415
    code = "unsupported_media_type"


class Overloaded(CallerError):
    """More rows are waiting than the service admits."""

    status = 429
    code = "overloaded"

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RateLimited(Overloaded):
    """One caller asks for more than its share.

    `policy` names the limit, `quota` is how much may be asked at once, `window` the seconds in which that
    comes back.
    """

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after: float, policy: str, quota: float, window: float) -> None:
        super().__init__(message, retry_after=retry_after)
        self.policy, self.quota, self.window = policy, quota, window


class UnknownHost(CallerError):
    """A request under a name that is none of the service's."""

    status = 421
    code = "unknown_host"


class NoQuorum(ConcordError):
    """Too few usable answers came in time, so there is no consensus."""

    status = 503
    code = "no_quorum"


class JournalUnavailable(ConcordError):
    """The journal cannot be written, and the answer may not go out without it."""

    status = 503
    code = "journal_unavailable"


class LedgerError(ConcordError):
    """The ledger cannot carry out an operation."""

    code = "ledger"


class LedgerBroken(LedgerError):
    """The stored bytes differ from what was written; nothing is appended until a person has looked."""

    code = "ledger_broken"


class LedgerConflict(LedgerError):
    """The head has moved since it was read."""

    status = 409
    code = "ledger_conflict"


class LedgerUnavailable(LedgerError):
    """The ledger's store cannot be reached; whether the last write was carried out is unknown."""

    status = 503
    code = "ledger_unavailable"


class ServiceAway(ConcordError):
    """A service cannot be reached, or another kind of service answers at its address."""

    status = 503
    code = "service_away"


class NotAllowed(ConcordError):
    """The cluster's API knows the account and forbids it the operation."""

    status = 403
    code = "not_allowed"


class Refused(ConcordError):
    """An error that a service answered with, as its client raises it.

    `answered` is its status, and `retry_after` in seconds where the service states it. `body` is the whole
    answer: a 503 below the quorum holds the verdicts, with what each node did.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str,
        field: str | None = None,
        retry_after: float | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, field=field, code=code)
        self.answered = status
        self.body = body or {}
        self.retry_after = retry_after


class ConfigurationError(ConcordError):
    """A setting or a file of the operator's is invalid."""

    code = "configuration"


class TrainingError(ConcordError):
    """A step of fitting, converting, registering or packaging failed."""

    code = "training"


class DataError(TrainingError):
    """A data file that no model can be trained on."""

    status = 422
    code = "bad_data"
