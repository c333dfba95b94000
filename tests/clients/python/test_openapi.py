"""Requests that schemathesis makes up from the service's own description: none may be a server error."""

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error

schema = schemathesis.pytest.from_fixture("description")


@pytest.fixture(scope="session")
def description(device):
    return schemathesis.openapi.from_url(device.url + "/openapi.json")


@schema.parametrize()
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,  # the same requests in every run: what fails here fails everywhere
    suppress_health_check=list(HealthCheck),
)
def test_no_made_up_request_is_a_server_error(case):
    case.call_and_validate(checks=[not_a_server_error], timeout=20)
