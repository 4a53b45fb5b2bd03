"""Traces are made when a standard variable asks for them, and nothing is loaded when none does."""

import json
import subprocess
import sys
from collections.abc import Mapping

import pytest

from gateway.proxy.tracing.start import Unable, Wanted, wanted

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_SERVICE_NAME": "x", "OTEL_TRACES_SAMPLER": "always_on"},
        {"OTEL_TRACES_EXPORTER": "none", **ENDPOINT},
        {"OTEL_TRACES_EXPORTER": "", "OTEL_EXPORTER_OTLP_ENDPOINT": " "},
        {"OTEL_SDK_DISABLED": "True", "OTEL_TRACES_EXPORTER": "otlp", **ENDPOINT},
        {"OTEL_METRICS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://x"},
    ],
)
def test_nobody_is_traced_unasked(environment: Mapping[str, str]) -> None:
    """A name or a sampler alone asks for nothing; none and disabled win over an endpoint."""
    assert wanted(environment) is None


@pytest.mark.parametrize(
    ("environment", "exporters"),
    [
        (ENDPOINT, ("otlp",)),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x/v1/traces"}, ("otlp",)),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, ("otlp",)),
        (
            {"OTEL_TRACES_EXPORTER": "otlp, Console", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
            ("otlp", "console"),
        ),
        ({"OTEL_TRACES_EXPORTER": "console", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ("console",)),
    ],
)
def test_an_endpoint_or_an_exporter_asks_for_traces(environment: Mapping[str, str], exporters: tuple[str, ...]) -> None:
    """As the specification of the variables has it."""
    assert wanted(environment) == Wanted(exporters)


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "zipkin"),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "grpc"),
        ({**ENDPOINT, "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"}, "http/json"),
    ],
)
def test_what_is_not_spoken_here_is_told(environment: Mapping[str, str], named: str) -> None:
    """The reason names what was asked for."""
    found = wanted(environment)
    assert isinstance(found, Unable)
    assert named in found.because


def in_a_new_process(code: str, environment: Mapping[str, str]) -> list[str]:
    """The lines that some code writes, its log among them."""
    ran = subprocess.run(
        [sys.executable, "-c", code], env={**environment}, capture_output=True, text=True, timeout=60, check=True
    )
    return (ran.stderr + ran.stdout).splitlines()


START = """
import os, sys
from gateway.telemetry import configure_logging
from gateway.proxy.tracing.start import start_tracing
configure_logging()
{before}
print(start_tracing(os.environ), any(name.startswith("opentelemetry") for name in sys.modules))
"""


def test_without_a_variable_nothing_of_it_is_loaded() -> None:
    """Off is free: not even the import is paid."""
    assert in_a_new_process(START.format(before=""), {"OTEL_SERVICE_NAME": "x"}) == ["None False"]


def test_a_missing_extra_is_one_line_in_the_log() -> None:
    """The gateway starts, and says how to get what is missing."""
    log, said = in_a_new_process(START.format(before="sys.modules['opentelemetry'] = None"), ENDPOINT)
    assert said.startswith("None")
    line = json.loads(log)
    assert (line["event"], line["level"]) == ("tracing_off", "warning")
    assert "strangler-gateway[otel]" in line["because"]


def test_a_value_that_cannot_be_read_is_one_line_in_the_log() -> None:
    """A wrong variable does not keep a gateway from starting, and is not repeated: it may be a secret."""
    log, said = in_a_new_process(START.format(before=""), {**ENDPOINT, "OTEL_BSP_MAX_QUEUE_SIZE": "s3cret"})
    assert said.startswith("None")
    assert json.loads(log)["event"] == "tracing_off"
    assert "s3cret" not in log
