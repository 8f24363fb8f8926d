# /// script
# requires-python = ">=3.11,<3.13"
# dependencies = ["mlserver==1.7.1", "httpx<1"]
# ///
"""MLServer's codecs write requests and read answers: strings, NumPy arrays and data frames."""

import sys

import httpx
import numpy as np
import pandas as pd
from mlserver.codecs import NumpyCodec, NumpyRequestCodec, PandasCodec, StringCodec
from mlserver.codecs.base import find_input_codec
from mlserver.types import InferenceRequest, InferenceResponse, MetadataModelResponse

URL = sys.argv[1]
FLOWER = {"sepal_length": 6.0, "sepal_width": 3.0, "petal_length": 5.0, "petal_width": 2.0}


def infer(model, request, *, dump):
    document = request.model_dump_json().encode() if dump == "JSON" else None
    if document is None:
        response = httpx.post(f"{URL}/v2/models/{model}/infer", json=request.model_dump(), trust_env=False)
    else:
        headers = {"content-type": "application/json"}
        response = httpx.post(
            f"{URL}/v2/models/{model}/infer", content=document, headers=headers, trust_env=False
        )
    assert response.status_code == 200, response.text
    return InferenceResponse.model_validate_json(response.content)


def decode(answer):
    """Every output by the codec that it names."""
    return {
        output.name: find_input_codec(output.parameters.content_type).decode_output(output)
        for output in answer.outputs
    }


def check_flowers(answer):
    decoded = decode(answer)
    assert decoded["label"] == ["versicolor"] * 2
    assert decoded["status"] == ["ok"] * 2
    assert decoded["probabilities"].tolist() == [[0.0, 0.5, 0.5]] * 2


metadata = MetadataModelResponse.model_validate(httpx.get(f"{URL}/v2/models/iris", trust_env=False).json())
assert [tensor.parameters.content_type for tensor in metadata.outputs] == ["str", "np", "str"]
print("mlserver: metadata")

columns = [NumpyCodec.encode_input(name, np.array([value, value])) for name, value in FLOWER.items()]
for dump in ("JSON", "dict"):
    check_flowers(infer("iris", InferenceRequest(inputs=columns), dump=dump))
    print(f"mlserver: NumPy columns, {dump}")
matrix = NumpyRequestCodec.encode_request(np.array([list(FLOWER.values())] * 2))
check_flowers(infer("iris", matrix, dump="JSON"))
print("mlserver: NumPy matrix")
check_flowers(infer("iris", PandasCodec.encode_request(pd.DataFrame([FLOWER] * 2)), dump="JSON"))
print("mlserver: data frame")
texts = pd.Series(["Corse", "Côte d’Azur"], dtype=object)
frame = pd.DataFrame({"age": [40, 41], "region": texts})
answer = infer("loan_amount", PandasCodec.encode_request(frame, use_bytes=False), dump="JSON")
assert decode(answer)["value"].tolist() == [12500.0, 12500.0]
print("mlserver: data frame with texts")
request = InferenceRequest(
    inputs=[
        NumpyCodec.encode_input("age", np.array([40, 41])),
        StringCodec.encode_input("region", ["Corse", "Côte d’Azur"]),
    ]
)
assert decode(infer("loan_amount", request, dump="JSON"))["status"] == ["ok", "ok"]
print("mlserver: strings")
framed = PandasCodec.decode_response(infer("loan_amount", request, dump="JSON"))
assert list(framed.columns) == ["value", "status"]
print("mlserver: an answer as a data frame")
