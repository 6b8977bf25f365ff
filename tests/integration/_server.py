"""What the server tests share: start `shoal serve` on a free port, ask it things, count checks."""
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHOAL = os.environ.get("SHOAL") or os.path.join(ROOT, "build", "release", "shoal")
failures = []


def check(name, ok, detail=""):
    print("ok" if ok else "FAIL", name, "" if ok else repr(detail)[:600], flush=True)
    if not ok:
        failures.append(name)


def finish():
    print(f"{len(failures)} failed")
    sys.exit(1 if failures else 0)


class Server:
    def __init__(self, *args, binary=SHOAL, env=None, wait_s=60):
        self.log = open(os.path.join(ROOT, "build", f"server-{os.getpid()}.log"), "ab")
        self.process = subprocess.Popen([binary, "serve", "--port", "0", *args], stdout=subprocess.PIPE, stderr=self.log,
                                        env={**os.environ, **(env or {})})
        line = self.process.stdout.readline().decode()
        if "listening on http://" not in line:
            raise SystemExit(f"shoal serve did not start: {line!r}, see {self.log.name}")
        self.port = int(line.split("://", 1)[1].split(" ", 1)[0].rsplit(":", 1)[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """SIGTERM by its own pid; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.log.close()
        return code

    def connect(self, timeout=60):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def ask(self, method, path, body=None, headers=None, raw=None):
        """(status, headers, parsed JSON or text)"""
        c = self.connect()
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        c.request(method, path, data, headers or {})
        r = c.getresponse()
        text = r.read()
        c.close()
        try:
            return r.status, r.headers, json.loads(text)
        except ValueError:
            return r.status, r.headers, text.decode(errors="replace")

    def stream(self, path, body):
        """The events of a stream, as text after 'data: '."""
        c = self.connect()
        c.request("POST", path, json.dumps({**body, "stream": True}))
        r = c.getresponse()
        text = r.read().decode()
        c.close()
        return r.status, [e[6:] for e in text.split("\n\n") if e.startswith("data: ")]

    def metric(self, name):
        for line in self.ask("GET", "/metrics")[2].splitlines():
            if line.startswith(name + "{") or line.startswith(name + " "):
                return float(line.rsplit(" ", 1)[1])
        return None

    def wait_idle(self, seconds=3):
        end = time.time() + seconds
        while time.time() < end:
            if self.metric("shoal_requests_active") == 0 and self.metric("shoal_requests_waiting") == 0:
                return True
            time.sleep(0.05)
        return False

    def raw(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)
