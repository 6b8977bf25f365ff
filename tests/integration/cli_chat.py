#!/usr/bin/env python3
"""`shoal chat` as somebody at a terminal has it: a pseudo terminal is typed into and read from.

Prints `ok`, `skip` or `FAIL` and a name for each check. Exit codes: 0 all well, 1 a check failed, 77 no program or model.
"""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import tempfile
import termios
import time

import _cli_lib as cli_lib
from _cli_lib import SHOAL, environment

T = cli_lib.Tally()
MINNOW = cli_lib.find_minnow()
WORK = tempfile.TemporaryDirectory(prefix="shoal-chat-")
PROMPT = "> "
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|[\x07\r]|.\x08")


class Terminal:
    """The program on a terminal of its own. `text` is what it wrote, without escape sequences."""

    def __init__(self, *args, rows=24, columns=200, env=None):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            # The parent sets the size before it lets the program start.
            sys.stdin.readline()
            os.execve(SHOAL, [SHOAL, "chat", MINNOW, *args], environment(**(env or {})))
        self.resize(rows, columns, tell=False)
        self.raw = b""
        self.mark = 0
        self.code = None
        self.before = termios.tcgetattr(self.fd)
        os.write(self.fd, b"\n")

    def resize(self, rows, columns, tell=True):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        if tell:  # the kernel has sent SIGWINCH: let the redrawn line pass
            while self.read_once(0.5):
                pass

    def type(self, text):
        os.write(self.fd, text.encode() if isinstance(text, str) else text)

    def enter(self, text):
        """Type a line and wait until the next prompt has come."""
        self.mark = len(self.raw)
        self.type(text + "\r")
        return self.until_prompt()

    @staticmethod
    def plain(raw):
        return ESCAPES.sub("", raw.decode("utf-8", "replace"))

    def new(self):
        return self.plain(self.raw[self.mark:])

    def read_once(self, timeout):
        if not select.select([self.fd], [], [], timeout)[0]:
            return False
        try:
            piece = os.read(self.fd, 65536)
        except OSError:
            piece = b""
        self.raw += piece
        return bool(piece)

    def until(self, done, seconds=30):
        """Read until done(new text) or the time is over; the text, or None."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if done(self.new()):
                return self.new()
            if not self.read_once(0.2) and self.has_ended():
                break
        return self.new() if done(self.new()) else None

    def until_prompt(self, seconds=30):
        text = self.until(lambda t: t.endswith("\n" + PROMPT), seconds)
        return text if self.until_raw() else None

    def start(self):
        text = self.until(lambda t: t.endswith(PROMPT))
        return text if self.until_raw() else None

    def until_raw(self, seconds=5):
        """libedit writes the prompt first and takes the terminal over then: keys count from there on."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not termios.tcgetattr(self.fd)[3] & termios.ICANON:
                return True
            time.sleep(0.01)
        return False

    def has_ended(self):
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is not None

    def wait(self, seconds=10):
        end = time.monotonic() + seconds
        while not self.has_ended() and time.monotonic() < end:
            self.read_once(0.1)
        return self.code

    def close(self):
        if not self.has_ended():
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)


def test_talk():
    t = Terminal("-s", "1", "-n", "24")
    T.check("a greeting and a prompt", t.start() and "/help lists commands" in t.new(), t.new())
    first = t.enter("Hello, who are you?")
    T.check("an answer", first and len(first.split("\n")) >= 3 and len(first.split("\n")[1]) > 8, first)
    T.check("/stats", "answer" in (t.enter("/stats") or "") and "tokens" in t.new(), t.new())
    T.check("/help", "/retry" in (t.enter("/help") or "") and "Ctrl-C stops" in t.new(), t.new())
    T.check("/set shows", "temperature" in (t.enter("/set") or ""), t.new())
    t.enter("/set temperature 0")
    T.check("/set sets", "temperature 0 " in (t.enter("/set") or ""), t.new())
    for line, word in (("/set warmth 3", "no setting 'warmth'"), ("/set top-p 7", "from 0 to 1"), ("/set top-k many", "many"),
                       ("/nonsense", "unknown command /nonsense"), ("/save", "no file name"), ("/load", "no file name"),
                       ("/load /no/such/file", "/no/such/file"), ("/save /no/such/folder/x", "/no/such/folder")):
        T.check(line, word in (t.enter(line) or ""), t.new())
    saved = os.path.join(WORK.name, "talk.json")
    t.enter("/save " + saved)
    roles = [m["role"] for m in json.load(open(saved, encoding="utf-8"))["messages"]]
    T.check("/save", roles == ["user", "assistant"], roles)
    again = t.enter("/retry")
    t.enter("/save " + saved)
    messages = json.load(open(saved, encoding="utf-8"))["messages"]
    T.check("/retry: another answer in the old one's place", again and [m["role"] for m in messages] == roles, messages)
    t.enter("/system You are a captain.")
    t.enter("/save " + saved)
    messages = json.load(open(saved, encoding="utf-8"))["messages"]
    T.check("/system: begins anew", [m["role"] for m in messages] == ["system"], messages)
    T.check("/retry: nothing to answer", "no answer to try again" in (t.enter("/retry") or ""), t.new())
    t.enter("/clear")
    t.type("/bye\r")
    T.check("/bye", t.wait() == 0, t.code)
    t.close()
    t = Terminal("-s", "1", "-n", "8", "--load", saved)
    t.start()
    t.enter("/system")
    t.enter("/load " + saved)
    t.enter("/save " + saved + "2")
    T.check("/load brings all back", json.load(open(saved, encoding="utf-8")) == json.load(open(saved + "2", encoding="utf-8")))
    t.type("\x04")
    T.check("Ctrl-D leaves", t.wait() == 0, t.code)
    t.close()


def last_user(t, name):
    path = os.path.join(WORK.name, name)
    t.enter("/save " + path)
    end = time.monotonic() + 10
    while not os.path.exists(path) and time.monotonic() < end:
        t.read_once(0.1)
    users = [m["content"] for m in json.load(open(path, encoding="utf-8"))["messages"] if m["role"] == "user"]
    return users[-1] if users else None


def test_lines():
    t = Terminal("-s", "1", "-n", "6")
    t.start()
    t.mark = len(t.raw)
    t.type("one \\\r")
    T.check("a backslash asks for more", t.until(lambda x: x.endswith("... ")) is not None and t.until_raw(), t.new())
    t.enter("two")
    T.check("lines are joined", last_user(t, "a") == "one \ntwo", last_user(t, "a"))
    for text in ("Märchen über Füchse", "你好，狐狸", "a 🦊 and e\u0301"):
        t.enter(text)
        T.check(f"typed: {text}", last_user(t, "u") == text, last_user(t, "u"))
    t.enter("abcä\x7f\x7fd")
    T.check("backspace takes a whole character", last_user(t, "b") == "abd", last_user(t, "b"))
    t.enter("狐狸\x7f!")
    T.check("backspace takes a wide character", last_user(t, "w") == "狐!", last_user(t, "w"))
    t.enter("world\x01hello \x05.")
    T.check("Ctrl-A, Ctrl-E", last_user(t, "e") == "hello world.", last_user(t, "e"))
    t.enter("say this again")
    t.enter("something else")
    t.enter("\x1b[A\x1b[A")
    T.check("the arrow brings a line back", last_user(t, "h") == "say this again", last_user(t, "h"))
    t.mark = len(t.raw)
    t.type("half a thought")
    t.until(lambda x: "half a thought" in x)
    t.type("\x03")
    T.check("Ctrl-C drops the line", t.until_prompt() is not None and not t.has_ended(), t.new())
    before = last_user(t, "c")
    T.check("what was dropped is not said", before != "half a thought", before)
    t.mark = len(t.raw)
    t.type("one \\\r")
    t.until(lambda x: x.endswith("... "))
    t.until_raw()
    t.type("\x03")
    T.check("Ctrl-C drops the lines before it too", t.until_prompt() is not None, t.new())
    t.enter("fresh")
    T.check("and the next one stands alone", last_user(t, "d") == "fresh", last_user(t, "d"))
    os.kill(t.pid, signal.SIGINT)
    time.sleep(0.3)
    t.enter("still here")
    T.check("a SIGINT at the prompt ends nothing", last_user(t, "s") == "still here", t.code)
    t.resize(24, 40)
    t.enter("a line that is longer than forty columns, so that it wraps at the new width")
    t.resize(24, 200)
    T.check("a resize", last_user(t, "r").startswith("a line that is longer") and last_user(t, "r").endswith("width"))
    t.type("\x04")
    T.check("the history is kept", t.wait() == 0 and os.path.exists(os.path.join(environment()["SHOAL_HOME"], "chat_history")))
    mode = os.stat(os.path.join(environment()["SHOAL_HOME"], "chat_history")).st_mode & 0o777
    T.check("the history is private", mode & 0o077 == 0, oct(mode))
    t.close()
    t = Terminal("-s", "1", "-n", "6")
    t.start()
    t.mark = len(t.raw)
    t.type("\x12still h")
    T.check("the history comes back in the next chat", t.until(lambda x: "still here" in x) is not None, t.new())
    t.type("\r")
    t.until_prompt()
    t.type("\x04")
    t.wait()
    t.close()


def test_interrupt():
    """Slowed down to the plain kernels on one thread, so that there is time to press a key."""
    t = Terminal("-s", "3", "--cpu", "ref", "--threads", "1", "-t", "1.5")
    t.start()
    for round_ in (1, 2):
        t.mark = len(t.raw)
        t.type("Tell me a very long story about the sea and the fox and the old captain.\r")
        T.check(f"the answer streams ({round_})", t.until(lambda x: x.split("\n", 1)[1:] not in ([], [""])) is not None,
                t.new())
        os.kill(t.pid, signal.SIGSTOP)  # else the answer may be complete before the key is read
        begin = time.monotonic()
        t.type("\x03")
        os.kill(t.pid, signal.SIGCONT)
        text = t.until_prompt(10)
        T.check(f"Ctrl-C stops only the answer ({round_})", text is not None and not t.has_ended() and
                time.monotonic() - begin < 5, t.new())
        T.check(f"the cut is shown ({round_})", text is not None and (" ..." in text), text)
    T.check("/stats after it", "answer" in (t.enter("/stats") or ""), t.new())
    t.type("\x04")
    T.check("leaves as usual", t.wait() == 0, t.code)
    t.close()


def test_terminal_restored():
    for name, leave in (("/bye", lambda t: t.type("/bye\r")), ("Ctrl-D", lambda t: t.type("\x04")),
                        ("SIGTERM", lambda t: os.kill(t.pid, signal.SIGTERM))):
        t = Terminal("-n", "4")
        t.start()
        during = termios.tcgetattr(t.fd)
        leave(t)
        code = t.wait()
        after = termios.tcgetattr(t.fd)
        T.check(f"the terminal is as it was: {name}", during[3] != t.before[3] and after[:4] == t.before[:4] and
                code in (0, -signal.SIGTERM), (code, t.before[:4], after[:4]))
        t.close()


def main():
    cli_lib.need(SHOAL, "the program")
    cli_lib.need(MINNOW, "the model minnow")
    for part in (test_talk, test_lines, test_interrupt, test_terminal_restored):
        part()
    WORK.cleanup()
    T.finish()


if __name__ == "__main__":
    main()
