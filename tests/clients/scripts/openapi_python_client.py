# /// script
# requires-python = ">=3.11,<3.13"
# dependencies = ["openapi-python-client==0.29.1", "httpx>=0.23,<1", "attrs>=22.2", "python-dateutil>=2.8"]
# ///
"""Generates a client with openapi-python-client into the present folder, and calls the service through it."""

import subprocess
import sys
from pathlib import Path

URL = sys.argv[1]
Path("config.yaml").write_text("post_hooks: []\npackage_name_override: concord_generated\n")
command = [Path(sys.executable).with_name("openapi-python-client"), "generate", "--config", "config.yaml"]
command += ["--url", f"{URL}/openapi.json", "--meta", "none", "--output-path", "concord_generated"]
command += ["--overwrite", "--fail-on-warning"]
subprocess.run(command, check=True)
sys.path.insert(0, ".")

from concord_generated import Client, models
from concord_generated.api.open_inference_protocol import infer_iris
from concord_generated.api.predict import predict_iris
from concord_generated.api.read import (
    get_node_history,
    get_stakes,
    get_task,
    list_blocks,
    list_nodes,
    list_rounds,
)

client = Client(base_url=URL)
row = models.RowIris(sepal_length=6.0, sepal_width=2.7, petal_length=5.1, petal_width=1.6)
predicted = predict_iris.sync(
    client=client,
    body=models.PredictIrisBody(rows=[row]),
    recorded=models.PredictIrisRecorded.TRUE,
)
verdict = predicted.verdicts[0]
print(f"predict: {verdict.label}, votes: {len(verdict.votes)}")

tensor = models.InputTensor(
    name="x", shape=[2, 4], datatype=models.InputTensorDatatype.FP64, data=[6.0, 2.7, 5.1, 1.6] * 2
)
answer = infer_iris.sync(client=client, body=models.InferenceRequest(inputs=[tensor]))
print(f"infer: [{' '.join(answer.outputs[0].data)}]")

print(f"round: {list_rounds.sync(client=client, task='iris', limit=1).rounds[0].id == verdict.id}")
print(f"task: {get_task.sync('loan_amount', client=client).title}")
print(f"nodes: {len(list_nodes.sync(client=client, task='iris').nodes)}")
print(f"block: {list_blocks.sync(client=client, limit=1).blocks[0].height}")
print(f"history: {get_node_history.sync('iris', 'knn', client=client).node}")
print(f"stakes: {len(get_stakes.sync('iris', client=client).nodes)}")
