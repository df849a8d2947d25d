"""Services by their name, from Python: `services.call("sentiment_analyzer", text="BTC to the moon")`.

Everything that has to do with money is done by the command `farebox call`: the wallet, the limit, the journal, the choice among providers, and
that nobody is paid twice. This file starts it and reads what it prints. It needs Python 3.9 and nothing else.
"""
import json
import os
import shlex
import subprocess
import sys


class PaymentError(Exception):
    """The call ended without an answer. `code` says whether anything was paid: 3 and 4: no; 5: not known; 6: yes."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Services:
    """The services of a file, paid for with the wallet of `farebox`."""

    def __init__(self, file, max_price, command=None):
        self.file = file
        self.max_price = max_price
        self.command = shlex.split(command or os.environ.get("FAREBOX", "npx farebox"))

    def buy(self, service, **what):
        """Answer, provider and payment. Raises PaymentError."""
        arguments = ["call", service, "--services", self.file, "--max", self.max_price, "--data", json.dumps(what), "--json"]
        done = subprocess.run(self.command + arguments, capture_output=True, text=True)
        if done.returncode != 0:
            raise PaymentError(done.returncode, done.stderr.strip())
        return json.loads(done.stdout)

    def call(self, service, **what):
        """The answer alone."""
        return self.buy(service, **what)["answer"]


if __name__ == "__main__":
    services = Services(sys.argv[1] if len(sys.argv) > 1 else "examples/services/services.yaml", max_price="25 sat")
    try:
        bought = services.buy("sentiment_analyzer", text="BTC to the moon")
        print(f"{bought['answer']['sentiment']}, by {bought['provider']} for {int(bought['payment']['amountMsat']) // 1000} sat")
        print(services.call("sentiment_analyzer", text="BTC is down")["sentiment"])
    except PaymentError as error:
        print(f"no answer ({error.code}): {error}", file=sys.stderr)
        sys.exit(error.code)
