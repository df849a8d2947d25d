"""An ASGI application for Hypercorn: every WebSocket gets back what it sends, those below /refused are refused."""


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        return await send({"type": "lifespan.shutdown.complete"})
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        return await send({"type": "http.response.body", "body": scope["http_version"].encode()})
    await receive()
    if scope["path"].startswith("/refused"):
        return await send({"type": "websocket.close", "code": 4003})
    # How it came is said in the answer.
    await send({"type": "websocket.accept", "headers": [(b"x-came-over", scope["http_version"].encode())]})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})
