# /// script
# requires-python = ">=3.11,<3.13"
# dependencies = ["tritonclient[http]==2.73.0", "numpy<3"]
# ///
"""Triton's client, over HTTP and over HTTP with asyncio, with JSON and with binary tensors."""

import asyncio
import sys

import numpy as np
import tritonclient.http as sync
from tritonclient.http import aio
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

ADDRESS = sys.argv[1].removeprefix("http://")
FLOWER = {"sepal_length": 6.0, "sepal_width": 3.0, "petal_length": 5.0, "petal_width": 2.0}
NUMBERS = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]


def tried(what):
    print(what, flush=True)


def tensor(module, name, array, *, binary):
    made = module.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def flowers(module, *, binary, dtype="f8"):
    return [
        tensor(module, name, np.array([[value], [value]], dtype), binary=binary)
        for name, value in FLOWER.items()
    ]


def matrix(module, *, binary):
    return [tensor(module, "input-0", np.array([list(FLOWER.values())] * 2, "f4"), binary=binary)]


def loans(module, *, binary):
    age = np.array([40, 41], "i4")
    region = np.array(["Corse", "Côte d’Azur"], object)
    return [tensor(module, "age", age, binary=binary), tensor(module, "region", region, binary=binary)]


def asked(module, *names, binary):
    return [module.InferRequestedOutput(name, binary_data=binary) for name in names]


def check_flowers(result):
    assert result.as_numpy("label").tolist() in ([b"versicolor"] * 2, ["versicolor"] * 2)
    assert result.as_numpy("probabilities").shape == (2, 3)
    assert result.as_numpy("status").shape == (2,)


def cases(module):
    """What is asked, and how the answer is checked."""
    for binary in (True, False):
        form = "binary" if binary else "JSON"
        yield f"{form} tensors", ("iris", flowers(module, binary=binary)), {}, check_flowers
        yield f"{form}, one tensor", ("iris", matrix(module, binary=binary)), {}, check_flowers
        for coding in ("gzip", "deflate"):
            options = {"request_compression_algorithm": coding, "response_compression_algorithm": coding}
            yield f"{form}, {coding}", ("iris", flowers(module, binary=binary)), options, check_flowers
        options = {
            "outputs": asked(module, "value", binary=not binary),
            "model_version": "1",
            "request_id": "mine",
        }
        yield f"{form} texts, one output", ("loan_amount", loans(module, binary=binary)), options, check_loans
    for dtype in NUMBERS:
        yield (
            f"datatype {np_to_triton_dtype(np.dtype(dtype))}",
            (
                "iris",
                flowers(module, binary=True, dtype=dtype),
            ),
            {},
            check_flowers,
        )


def check_loans(result):
    assert result.as_numpy("value").tolist() == [12500.0, 12500.0]
    assert result.as_numpy("status") is None
    assert result.get_response()["id"] == "mine"


def ask_sync():
    with sync.InferenceServerClient(ADDRESS) as client:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("iris", "1")
        assert not client.is_model_ready("iris", "2")
        assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
        assert client.get_model_metadata("iris", "1")["versions"] == ["1"]
        tried("http: health and metadata")
        for what, arguments, options, check in cases(sync):
            check(client.infer(*arguments, **options))
            tried(f"http: {what}")
        check_flowers(client.async_infer("iris", flowers(sync, binary=True)).get_result())
        tried("http: async_infer")
        try:
            client.infer("iris", flowers(sync, binary=True)[:3])
        except InferenceServerException as error:
            message = error.message()
        assert "petal_width" in message
        tried("http: an error's message")


async def ask_aio():
    async with aio.InferenceServerClient(ADDRESS) as client:
        assert await client.is_server_live()
        assert await client.is_model_ready("iris", "1")
        assert (await client.get_model_metadata("iris"))["name"] == "iris"
        tried("aio: health and metadata")
        for what, arguments, options, check in cases(aio):
            check(await client.infer(*arguments, **options))
            tried(f"aio: {what}")


ask_sync()
asyncio.run(ask_aio())
