"""uvicorn as the gateway uses it: addresses are never shared, WebSocket targets arrive as sent."""

import asyncio

import pytest

from gateway.proxy.server import bind
from tests.gateway.proxy.harness import gateway
from tests.gateway.proxy.test_websocket import echo


@pytest.mark.parametrize("second", ["127.0.0.1", "0.0.0.0"])
def test_two_planes_on_one_port_are_refused(second: str, free_port: int) -> None:
    """An address that is taken is an error, also when the other plane of the same process has it."""
    with bind(f"127.0.0.1:{free_port}"), pytest.raises(OSError, match="in use"):
        bind(f"{second}:{free_port}")


async def test_a_websockets_target_arrives_as_sent() -> None:
    """A lone question mark reaches the side also in a handshake."""
    async with echo() as (url, asked), gateway(url) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(
            b"GET /ws/a%2Fb/../? HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        async with asyncio.timeout(5):
            assert b" 101 " in await reader.readline()
        writer.close()
    assert asked[0].path == "/ws/a%2Fb/../?"
