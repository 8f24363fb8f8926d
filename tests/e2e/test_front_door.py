"""The front door on a real cluster: TLS by a private authority, and predictions that take a token."""

import json
import ssl
from types import SimpleNamespace

import httpx
import pytest

from tests.authority import Authority
from tests.e2e.kind import CHART, IRIS_ROW, run, until

pytestmark = pytest.mark.e2e
SPACE = "concord-front"
OTHERS = ("film_rating", "loan_amount", "loan_default")
NAMES = ("concord-consensus", f"concord-consensus.{SPACE}", "localhost")
VALUES = (
    *("--set", ",".join(f"tasks.{task}.enabled=false" for task in OTHERS)),
    *("--set", "mlflow.enabled=false,consensus.tokens.existingSecret=concord-tokens"),
    *("--set", "consensus.tls.existingSecret=concord-tls,consensus.predict=token"),
    *("--set", "page.tokenSecret=concord-page,test.tokenSecret=concord-page"),
)
SYNCED_SECONDS = 120
"""How long a kubelet may take until a changed Secret is in a pod's folder."""


def serial(address, ca):
    """Serial number of the certificate that an address shows."""
    url = address.replace("http://127.0.0.1", "https://localhost") + "/livez"
    trusted = ssl.create_default_context(cafile=str(ca))
    with httpx.Client(verify=trusted) as client, client.stream("GET", url) as answer:
        stream = answer.extensions["network_stream"]
        return stream.get_extra_info("ssl_object").getpeercert()["serialNumber"]


class FrontDoor(SimpleNamespace):
    """The release under test: cluster, authority, folder, and tokens by name."""

    def secret(self, name, *options):
        """Makes a Secret, or changes it."""
        made = self.cluster.kubectl(
            *("-n", SPACE, "create", "secret", *options[:1], name, *options[1:]),
            *("--dry-run=client", "-o", "json"),
        )
        self.cluster.apply(json.loads(made))

    def certify(self, stem):
        """Gives the service a new certificate of the same authority."""
        certificate, key = self.authority.issue(*NAMES, stem=stem)
        # As cert-manager writes it; `create secret tls` takes no third file.
        self.secret(
            "concord-tls",
            *("generic", "--type=kubernetes.io/tls", f"--from-file=tls.crt={certificate}"),
            *(f"--from-file=tls.key={key}", f"--from-file=ca.crt={self.authority.ca}"),
        )

    def ask(self, url, token=None):
        """Status of a prediction, asked through a forwarded port."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        answer = httpx.post(
            f"{url.replace('http://127.0.0.1', 'https://localhost')}/v1/tasks/iris/predict",
            json={"rows": [IRIS_ROW]},
            headers=headers,
            verify=ssl.create_default_context(cafile=str(self.authority.ca)),
            timeout=15,
        )
        return answer.status_code


@pytest.fixture(scope="module")
def front(cluster, tmp_path_factory):
    folder = tmp_path_factory.mktemp("front")
    door = FrontDoor(cluster=cluster, folder=folder, authority=Authority(folder), tokens={})
    cluster.restricted(SPACE)
    file = folder / "tokens.toml"
    for name, rights in {
        "app": ("--predicts", "iris"),
        "leaver": ("--predicts", "iris"),
        "page": ("--predicts", "*", "--reads"),
    }.items():
        made = run("uv", "run", "concord", "tokens", "add", name, *rights, "--file", file)
        door.tokens[name] = made.split()[-1]
    door.secret("concord-tokens", "generic", f"--from-file=tokens.toml={file}")
    door.secret("concord-page", "generic", f"--from-literal=token={door.tokens['page']}")
    door.certify("first")
    cluster.helm("install", "concord", CHART, "-n", SPACE, "--wait", "--timeout", "5m", *VALUES)
    yield door
    cluster.helm("uninstall", "concord", "-n", SPACE, "--wait")
    cluster.kubectl("delete", "namespace", SPACE, "--wait=false")


@pytest.fixture
def url(front):
    with front.cluster.forward(SPACE, "concord-consensus", 3000) as url:
        yield url


def test_helm_test_passes_with_tls_and_a_token(front):
    front.cluster.helm("test", "concord", "-n", SPACE, "--timeout", "3m")


def test_a_pod_that_knows_the_authority_and_has_a_token_is_answered(front, load):
    ca = front.authority.ca.read_text("ascii")
    asked = {"callers": 2, "requests": 20, "ca": ca, "token": front.tokens["app"]}
    told = load(SPACE, "iris", **asked).result()
    assert (told["statuses"], told["lost"]) == ({"200": 20}, 0), told


def test_a_pod_without_a_token_is_refused(front, load):
    ca = front.authority.ca.read_text("ascii")
    assert load(SPACE, "iris", callers=1, requests=3, ca=ca).result()["statuses"] == {"401": 3}


def test_a_pod_that_does_not_know_the_authority_asks_nothing(front, load, tmp_path):
    stranger = Authority(tmp_path)
    told = load(SPACE, "iris", callers=1, seconds=2, ca=stranger.ca.read_text("ascii")).result()
    assert not told["statuses"]
    assert any("CERTIFICATE_VERIFY_FAILED" in reason for reason in told["reasons"]), told


def test_plain_http_is_not_answered(front, url):
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"{url}/livez", timeout=10)


def test_the_command_line_asks_with_the_authority_and_the_token(front, url):
    told = front.cluster.concord(
        SPACE,
        url.replace("http://127.0.0.1", "https://localhost"),
        *(
            "--ca",
            front.authority.ca,
            "predict",
            "iris",
            *(f"{k}={v}" for k, v in IRIS_ROW.items()),
            "--json",
        ),
        CONCORD_TOKEN=front.tokens["app"],
    )
    assert json.loads(told)["verdicts"][0]["status"] == "ok"


def test_a_certificate_is_changed_under_load_and_no_request_is_lost(front, load, url, say):
    ca = front.authority.ca
    before = serial(url, ca)
    order = {"ca": ca.read_text("ascii"), "token": front.tokens["app"], "pause": 0.01}
    kept = load(SPACE, "iris", callers=4, **order)
    fresh = load(SPACE, "iris", callers=2, fresh=True, **order)
    front.certify("second")
    after = until(lambda: (found := serial(url, ca)) != before and found, SYNCED_SECONDS, "the certificate")
    told = [pod.stop().result() for pod in (kept, fresh)]
    say(f"certificate {before[:8]} became {after[:8]}; answered {[one['answered'] for one in told]}, lost 0")
    assert [set(one["statuses"]) for one in told] == [{"200"}, {"200"}], told
    assert [one["lost"] for one in told] == [0, 0], told


def test_a_token_that_is_taken_away_is_refused_within_two_minutes(front, url, say):
    assert front.ask(url, front.tokens["leaver"]) == 200
    run("uv", "run", "concord", "tokens", "remove", "leaver", "--file", front.folder / "tokens.toml")
    front.secret("concord-tokens", "generic", f"--from-file=tokens.toml={front.folder / 'tokens.toml'}")
    until(lambda: front.ask(url, front.tokens["leaver"]) == 401, SYNCED_SECONDS, "the end of the token")
    assert front.ask(url, front.tokens["app"]) == 200
