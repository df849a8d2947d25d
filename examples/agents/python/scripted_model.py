"""A model without a mind, on this machine: it calls one tool, once, and then says what came back.

It speaks the chat completions of OpenAI's API, as far as agents' frameworks ask for them, so that the examples run without a key and always do the same.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def start(tool, arguments):
    """Starts it; the answer is its base URL. `tool`: the end of the tool's name, since frameworks put a prefix before it."""
    handler = type("Handler", (_Handler,), {"tool": tool, "arguments": json.dumps(arguments)})
    listener = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{listener.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    tool = ""
    arguments = "{}"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        message = self._reply(asked)
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if "tool_calls" in message else "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        said = {"id": "scripted", "object": "chat.completion", "created": 0, "model": asked["model"], "choices": [choice], "usage": usage}
        body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _reply(self, asked):
        results = [message for message in asked["messages"] if message["role"] == "tool"]
        if results:
            return {"role": "assistant", "content": _text(results[-1]["content"])}
        names = [tool["function"]["name"] for tool in asked.get("tools", [])]
        name = next((name for name in names if name.endswith(self.tool)), None)
        if name is None:
            return {"role": "assistant", "content": f"There is no tool whose name ends with {self.tool}, only: {', '.join(names)}."}
        call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": self.arguments}}
        return {"role": "assistant", "content": None, "tool_calls": [call]}

    def log_message(self, *_):
        pass


def _text(content):
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)
