"""What the four examples share: the wallet, as an MCP server that an agent's framework starts, and a model.

The wallet is `farebox mcp serve`: it holds the budget, pays, and keeps every payment in its journal. An agent gets its tools and nothing else: none of them
can raise a limit, change the wallet or show a secret.
"""

import os
import pathlib
import shutil
import urllib.parse

import scripted_model

ROOT = pathlib.Path(__file__).resolve().parents[3]

# In a clone the command is run from its sources; with the package installed it is `npx farebox`.
FAREBOX = ["node", str(ROOT / "src/cli/bin.ts")] if (ROOT / "src/cli/bin.ts").exists() else ["npx", "farebox"]

URL = os.environ.get("PAID_URL", "http://127.0.0.1:8402/")

# What one call may cost, and what everything may cost until the wallet ends.
LIMITS = ["--max", os.environ.get("MAX", "20 sat"), "--max-all", os.environ.get("MAX_ALL", "200 sat")]

QUESTION = f"What does {URL} say? It may cost up to 20 sat."


def server():
    """How the wallet is started: a command and its arguments, which speak MCP over standard input and output."""
    command, *first = FAREBOX
    return {
        "command": shutil.which(command) or command,
        # What is bought here is on this machine: a host that the agent may ask although it is private.
        "args": [*first, "mcp", "serve", *LIMITS, "--allow-private", urllib.parse.urlsplit(URL).netloc],
        "env": dict(os.environ),
    }


def model():
    """The base URL, key and name of a model that speaks OpenAI's API: yours where OPENAI_API_KEY is set, and otherwise one that follows a script."""
    if os.environ.get("OPENAI_API_KEY"):
        return os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1"), os.environ["OPENAI_API_KEY"], os.environ.get("OPENAI_MODEL", "gpt-4.1-mini")
    return scripted_model.start("fetch", {"url": URL, "max": "20 sat"}), "none", "gpt-4.1-mini"
