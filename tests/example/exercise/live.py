"""What only an ASGI server can serve: a WebSocket, which comes to Django's handler never."""

import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

from django.conf import settings

PATH = "/exercise/live/"

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def serve(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Greet with the release and the process, and answer each text with them and the text; other paths are refused."""
    if scope["path"] != PATH:
        await send({"type": "websocket.close"})
        return
    while True:
        message = await receive()
        if message["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
            await say(send)
        elif message["type"] == "websocket.receive":
            await say(send, text=message.get("text"))
        else:
            return


async def say(send: Send, **details: object) -> None:
    """Send the release, the process and the details."""
    text = json.dumps({"release": settings.RELEASE, "pid": os.getpid(), **details})
    await send({"type": "websocket.send", "text": text})
