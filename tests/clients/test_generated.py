"""Clients that others' generators make of the OpenAPI document can be built, and call the service."""

import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.clients

GENERATOR = "org.openapitools:openapi-generator-cli:7.25.0"
CALLS = Path(__file__).parent / "calls"
ANSWERS = [
    "predict: versicolor, votes: 4",
    "infer: [versicolor versicolor]",
    "round: True",
    "task: Loan amount",
    "nodes: 4",
    "block: ",
    "history: knn",
    "stakes: 4",
]
"""What each client prints; of the newest block's height only that there is one."""


def needs(*programs):
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} not on the PATH")


def run(*command, cwd, **options):
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=1200, check=False, **options
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    return done.stdout


def check_answers(lines):
    told = [line.replace(", versicolor", " versicolor").replace(": true", ": True") for line in lines]
    told = [line if not line.startswith("block: ") else "block: " for line in told if ": " in line]
    assert told == ANSWERS


@pytest.fixture(scope="session")
def generate(url, tmp_path_factory):
    """Runs openapi-generator for a language; returns the folder of what it made."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "openapi.json").write_bytes(httpx.get(f"{url}/openapi.json", trust_env=False).content)
    copy = ["dependency:copy", f"-Dartifact={GENERATOR}", f"-DoutputDirectory={folder}"]
    run("mvn", "-q", "-B", *copy, cwd=folder)
    jar = folder / f"openapi-generator-cli-{GENERATOR.rpartition(':')[2]}.jar"

    def generate(language, *options):
        command = ["java", "-Xmx1g", "-jar", jar, "generate", "-i", "openapi.json", "-g", language]
        run(*command, "-o", folder / language, *options, cwd=folder)
        return folder / language

    return generate


def test_openapi_python_client_makes_a_client_without_a_warning(run_client):
    check_answers(run_client("openapi_python_client"))


@needs("mvn", "java")
def test_openapi_generator_makes_a_client_for_python(generate, run_client):
    folder = generate("python", "--package-name", "concord_generated")
    check_answers(run_client("openapi_generator_python", str(folder)))


@needs("mvn", "java", "npm", "npx", "node")
def test_openapi_generator_makes_a_client_for_typescript(generate, url, tmp_path):
    shutil.copytree(CALLS / "typescript", tmp_path, dirs_exist_ok=True)
    shutil.copytree(generate("typescript-axios"), tmp_path / "generated")
    run("npm", "ci", "--silent", "--no-audit", "--no-fund", cwd=tmp_path)
    run("npx", "tsc", cwd=tmp_path)
    check_answers(run("node", "built/call.js", url, cwd=tmp_path).splitlines())


@needs("mvn", "java", "go")
def test_openapi_generator_makes_a_client_for_go(generate, url):
    options = ("--package-name", "concord", "--git-user-id", "example", "--git-repo-id", "concord")
    folder = generate("go", *options)
    (folder / "cmd").mkdir()
    shutil.copy(CALLS / "call.go", folder / "cmd" / "main.go")
    check_answers(run("go", "run", "./cmd", url, cwd=folder).splitlines())


@needs("mvn", "java")
def test_openapi_generator_makes_a_client_for_java(generate, url):
    folder = generate("java")
    shutil.copy(CALLS / "Call.java", folder / "src" / "main" / "java" / "Call.java")
    run(
        "mvn",
        "-q",
        "-B",
        "compile",
        "dependency:copy-dependencies",
        "-DoutputDirectory=target/jars",
        cwd=folder,
    )
    check_answers(run("java", "-cp", "target/classes:target/jars/*", "Call", url, cwd=folder).splitlines())
