"""LangChain's OpenAI classes, as its documentation uses them."""

import openai
import pytest
from device import EMBEDDING_MODEL
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel


@pytest.fixture(scope="module")
def model(device):
    return ChatOpenAI(base_url=device.base_url, api_key="not-required", model="thox-coder", max_retries=0)


@tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"sunny in {city}"


def test_invoke_and_stream_agree(model):
    reply = model.invoke("Hello!")
    assert reply.content
    assert reply.usage_metadata["total_tokens"] > 0
    assert "".join(chunk.content for chunk in model.stream("Hello!")) == reply.content


def test_tools(model):
    reply = model.bind_tools([get_weather]).invoke("What is the weather in Paris?")
    [call] = reply.tool_calls
    assert call["name"] == "get_weather"
    assert get_weather.invoke(call["args"]).startswith("sunny in ")


def test_structured_output(model):
    class City(BaseModel):
        name: str
        inhabitants: int

    city = model.with_structured_output(City, method="json_schema").invoke("A city?")
    assert isinstance(city, City)


def test_embeddings(device):
    # Ollama takes no token numbers, which LangChain sends unless told otherwise.
    embeddings = OpenAIEmbeddings(
        base_url=device.base_url,
        api_key="not-required",
        model=EMBEDDING_MODEL,
        check_embedding_ctx_length=False,
    )
    first, second = embeddings.embed_documents(["one", "two"])
    assert len(first) == len(second) > 0
    assert first != second
    assert embeddings.embed_query("one") == pytest.approx(first, abs=1e-6)


def test_errors_are_the_sdk_s(device):
    model = ChatOpenAI(base_url=device.base_url, api_key="x", model="no-such-model", max_retries=0)
    with pytest.raises(openai.NotFoundError):
        model.invoke("Hello!")
