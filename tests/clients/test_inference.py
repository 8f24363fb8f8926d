"""Clients of the Open Inference Protocol are answered as their users call them (docs/protocols.md)."""

import pytest

pytestmark = pytest.mark.clients


def test_tritons_client_is_answered_over_both_of_its_transports(run_client):
    tried = run_client("triton")
    for transport in ("http", "aio"):
        for form in ("binary", "JSON"):
            assert f"{transport}: {form} tensors" in tried
            assert f"{transport}: {form}, one tensor" in tried
            assert f"{transport}: {form}, gzip" in tried
            assert f"{transport}: {form}, deflate" in tried
        assert sum(line.startswith(f"{transport}: datatype") for line in tried) == 12


def test_kserves_client_is_answered(run_client):
    tried = run_client("kserve_sdk")
    for form in ("binary", "JSON"):
        assert f"kserve: {form} tensors, FP32" in tried
        assert f"kserve: {form} texts, one output" in tried
    assert "kserve: binary outputs" in tried


def test_mlservers_codecs_write_requests_and_read_answers(run_client):
    tried = run_client("mlserver_codecs")
    assert "mlserver: NumPy matrix" in tried
    assert "mlserver: data frame with texts" in tried
    assert "mlserver: an answer as a data frame" in tried
