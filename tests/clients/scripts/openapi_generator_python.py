# /// script
# requires-python = ">=3.11,<3.13"
# dependencies = ["urllib3>=2.7,<3", "python-dateutil>=2.8.2", "pydantic>=2.11", "typing-extensions>=4.7.1"]
# ///
"""Calls the service through the client that openapi-generator made for Python, whose folder is given."""

import sys

sys.path.insert(0, sys.argv[2])

import concord_generated as generated

client = generated.ApiClient(generated.Configuration(host=sys.argv[1]))
row = generated.RowIris(sepal_length=6.0, sepal_width=2.7, petal_length=5.1, petal_width=1.6)
rows = generated.PredictIrisRequest(rows=[row])
verdict = generated.PredictApi(client).predict_iris(rows, recorded="true").verdicts[0]
print(f"predict: {verdict.label}, votes: {len(verdict.votes)}")

tensor = generated.InputTensor(name="x", shape=[2, 4], datatype="FP64", data=[6.0, 2.7, 5.1, 1.6] * 2)
answer = generated.OpenInferenceProtocolApi(client).infer_iris(generated.InferenceRequest(inputs=[tensor]))
print(f"infer: [{' '.join(answer.outputs[0].data)}]")

read = generated.ReadApi(client)
print(f"round: {read.list_rounds(task='iris', limit=1).rounds[0].id == verdict.id}")
print(f"task: {read.get_task('loan_amount').title}")
print(f"nodes: {len(read.list_nodes(task='iris').nodes)}")
print(f"block: {read.list_blocks(limit=1).blocks[0].height}")
print(f"history: {read.get_node_history('iris', 'knn').node}")
print(f"stakes: {len(read.get_stakes('iris').nodes)}")
