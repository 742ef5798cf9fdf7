"""The command line as a program of which each call takes a fork instead of a second of imports.

A process that has imported it listens on a socket. The program `retrieval` on the path hands it its
arguments, folder, environment and standard streams, and ends with the exit code of the fork.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = """#!{python} -IS
import json, os, socket, sys
call = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({address!r})
    socket.send_fds(connection, [len(call).to_bytes(4, "big")], [0, 1, 2])
    connection.sendall(call)
    ended = connection.recv(1)
sys.exit(ended[0] if ended else 1)
"""


@contextmanager
def commands(folder: Path) -> Iterator[Path]:
    """A folder for the path in which the program `retrieval` is."""
    address = folder / "socket"
    program = folder / "retrieval"
    program.write_text(PROGRAM.format(python=sys.executable, address=str(address)))
    program.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(address))
        listener.listen()
        serving = [sys.executable, "-m", "tests.docs.commands", str(listener.fileno())]
        with subprocess.Popen(serving, pass_fds=[listener.fileno()]) as server:
            yield folder
            server.kill()


def serve(listener: socket.socket) -> None:
    """Answer each call in a fork, which ends as the command does."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            connection.sendall(bytes([answer(connection)]))
            os._exit(0)
        connection.close()


def answer(connection: socket.socket) -> int:
    """Run the command of a call; returns its exit code."""
    from retrieval.cli import main

    length, streams, _, _ = socket.recv_fds(connection, 4, 3)
    call = b""
    while len(call) < int.from_bytes(length, "big"):
        call += connection.recv(65536)
    arguments, folder, environment = json.loads(call)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["retrieval", *arguments]
    try:
        main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    import retrieval.cli  # noqa: F401

    serve(socket.socket(fileno=int(sys.argv[1])))
