"""What the OpenAPI document says is what is answered; schemathesis looks for the difference."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.service.stack import IRIS


def test_every_task_has_a_path_with_its_own_columns(module_stack):
    document = module_stack.http.get("/openapi.json").json()
    row = document["components"]["schemas"]["row_iris"]
    assert "/v1/tasks/iris/predict" in document["paths"]
    assert list(row["properties"]) == [feature.name for feature in IRIS.features]


def test_the_page_for_people_loads_nothing_from_elsewhere(module_stack):
    page = module_stack.http.get("/docs").text
    assert "/v1/tasks/iris/predict" in page
    assert "http://" not in page
    assert "<script" not in page


@pytest.mark.slow
def test_schemathesis_finds_nothing_on_either_api(module_stack, tmp_path):
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"{module_stack.url}/openapi.json",
        "--max-examples=40",
        "--phases=examples,coverage,fuzzing",
        "--generation-deterministic",
        "--no-color",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
