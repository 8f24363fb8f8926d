"""A consensus service that reports drift as a test tells it to."""

from dataclasses import asdict, dataclass, field, replace
from urllib.parse import parse_qs

from concord.errors import ConcordError
from concord.types.drift import Difference, DriftReport, ErrorDrift, NodeAnswers, Shares, Stretch
from tests.unit.frontend.fake_service import FakeService

LENGTHS = Shares([0.25] * 4, [0.05, 0.1, 0.15, 0.7], edges=[1.5, 3.0, 4.5], least=1.0, most=6.0)
PLACES = Shares([0.5, 0.5, 0.0], [0.48, 0.5, 0.02], choices=["sun", "shade"])


def difference(name="petal_length", status="steady", **changes):
    base = Difference(
        name=name,
        status=status,
        rows=400,
        psi=0.02,
        test="kolmogorov_smirnov",
        statistic=0.05,
        p_value=0.2,
        adjusted=0.6,
        significant=False,
        missing=0.0,
        missing_before=0.0,
        unseen=0.0,
        outside=0.0,
        exact=True,
        shares=LENGTHS,
    )
    return replace(base, **changes)


def drifted(name="petal_length", **changes):
    fields = {"psi": 0.8, "adjusted": 1e-12, "significant": True, **changes}
    return difference(name, "drifted", **fields)


def unknown(name="petal_length", rows=40):
    return difference(
        name,
        "too_few_rows",
        rows=rows,
        psi=None,
        test=None,
        statistic=None,
        p_value=None,
        adjusted=None,
        shares=None,
    )


GROWN = ErrorDrift(
    240,
    "drifted",
    0.31,
    0.04,
    "2026-11-20T08:30:00Z",
    course=[Stretch("2026-11-18T08:00:00Z", 120, 0.04), Stretch("2026-11-20T08:00:00Z", 120, 0.31)],
)


def report(**changes):
    features = [difference(), difference("petals"), difference("place", test="chi_squared", shares=PLACES)]
    base = DriftReport(
        task="flower",
        status="steady",
        rows=400,
        since="2026-11-15T07:00:00Z",
        until="2026-11-21T19:30:00Z",
        least_rows=100,
        level=0.01,
        profile="ab" * 32,
        profile_rows=120,
        profile_nodes=["forest", "knn"],
        features=features,
        answers=[
            NodeAnswers("forest", "3", difference("answer")),
            NodeAnswers("knn", "4", unknown("answer")),
        ],
        errors=ErrorDrift(0, "too_few_rows"),
    )
    return replace(base, **changes)


@dataclass
class DriftService(FakeService):
    """Attributes:
    report: What it reports, or why it does not.
    asked_for: The query of each report, with the token that came with it.
    """

    report: DriftReport | ConcordError = field(default_factory=report)
    asked_for: list[dict[str, str]] = field(default_factory=list)

    def get(self, path):
        place, _, query = path.partition("?")
        if not place.endswith("/drift"):
            return super().get(path)
        self.asked_for.append({name: values[0] for name, values in parse_qs(query).items()})
        content = self.report
        if isinstance(content, ConcordError):
            return content.status, {
                "error": {"code": content.code, "message": content.message, "field": content.field}
            }
        return 200, asdict(content)
