"""Questions to a Prometheus over HTTP, and which of its answers are numbers."""

import math
import time

import httpx

SECONDS = 30


def query(url, expr):
    """What a query gives now: one entry a series, with its labels (`metric`) and its `value`."""
    return _asked(url, "query", {"query": expr})


def query_range(url, expr, seconds, step):
    """What a query gave over the last so many seconds: one entry a series, with its `values`."""
    now = time.time()
    return _asked(url, "query_range", {"query": expr, "start": now - seconds, "end": now, "step": step})


def numbers(series):
    """The numbers in an answer; what is not one (a rate of nothing by nothing) is none."""
    told = [float(text) for one in series for _, text in one.get("values", [one.get("value")])]
    return [value for value in told if not math.isnan(value)]


def _asked(url, what, parameters):
    # As a form: some queries are longer than an address may be.
    answer = httpx.post(f"{url}/api/v1/{what}", data=parameters, timeout=SECONDS)
    told = answer.json()
    assert told["status"] == "success", f"{told.get('error')}: {parameters['query']}"
    result = told["data"]
    if result["resultType"] == "scalar":
        return [{"metric": {}, "value": result["result"]}]
    return result["result"]
