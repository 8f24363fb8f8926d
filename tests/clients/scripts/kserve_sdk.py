# /// script
# requires-python = ">=3.11,<3.13"
# dependencies = ["kserve==0.21.0"]
# ///
"""KServe's InferenceRESTClient, with JSON and with binary tensors."""

import asyncio
import sys

import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

URL = sys.argv[1]
FLOWER = {"sepal_length": 6.0, "sepal_width": 3.0, "petal_length": 5.0, "petal_width": 2.0}


def tensor(name, array, datatype, *, binary):
    made = InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def flowers(datatype, dtype, *, binary):
    return [
        tensor(name, np.array([[value], [value]], dtype), datatype, binary=binary)
        for name, value in FLOWER.items()
    ]


def request(model, inputs, **options):
    return InferRequest(model_name=model, infer_inputs=inputs, **options)


def check_flowers(answer):
    outputs = {output.name: output for output in answer.outputs}
    assert outputs["label"].as_numpy().tolist() in ([b"versicolor"] * 2, ["versicolor"] * 2)
    assert outputs["probabilities"].as_numpy().shape == (2, 3)
    assert answer.model_name == "iris"


async def main():
    async with InferenceRESTClient(RESTConfig(protocol="v2", retries=1)) as client:
        assert await client.is_server_live(URL)
        assert await client.is_server_ready(URL)
        assert await client.is_model_ready(URL, "iris")
        print("kserve: health")
        for binary in (False, True):
            form = "binary" if binary else "JSON"
            for datatype, dtype in (("FP64", "f8"), ("FP32", "f4"), ("INT32", "i4")):
                asked = request("iris", flowers(datatype, dtype, binary=binary))
                check_flowers(await client.infer(URL, asked, model_name="iris"))
                print(f"kserve: {form} tensors, {datatype}")
            matrix = tensor("input-0", np.array([list(FLOWER.values())] * 2, "f4"), "FP32", binary=binary)
            check_flowers(await client.infer(URL, request("iris", [matrix]), model_name="iris"))
            print(f"kserve: {form}, one tensor")
            loans = [
                tensor("age", np.array([40, 41], "i8"), "INT64", binary=binary),
                tensor("region", np.array(["Corse", "Côte d’Azur"], object), "BYTES", binary=binary),
            ]
            outputs = [RequestedOutput("value", {"binary_data": binary})]
            answer = await client.infer(
                URL, request("loan_amount", loans, request_outputs=outputs), model_name="loan_amount"
            )
            assert [output.name for output in answer.outputs] == ["value"]
            assert answer.outputs[0].as_numpy().tolist() == [12500.0, 12500.0]
            print(f"kserve: {form} texts, one output")
        asked = request("iris", flowers("FP32", "f4", binary=True), parameters={"binary_data_output": True})
        check_flowers(await client.infer(URL, asked, model_name="iris"))
        print("kserve: binary outputs")


asyncio.run(main())
