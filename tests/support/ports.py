"""Ports of 127.0.0.1 for processes that tests start: the rule of tests/support/ports.h."""
import fcntl
import os
import socket
import tempfile

FIRST, END = 20_000, 32_768
_held = []  # descriptors of lock files, open until this process ends
_next = os.getpid() * 61 % (END - FIRST)


def _lock(port):
    directory = os.path.join(tempfile.gettempdir(), "aspen-test-ports")
    if not os.path.isdir(directory):
        os.makedirs(directory, exist_ok=True)
        os.chmod(directory, 0o1777)
    fd = os.open(os.path.join(directory, str(port)), os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return False
    _held.append(fd)
    return True


def _nobody_listens(port):
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count):
    """`count` ports, one after the other, that no other test gets while this process lives."""
    global _next
    run = []
    for _ in range(END - FIRST):
        port = FIRST + _next
        _next = (_next + 1) % (END - FIRST)
        if not _lock(port) or not _nobody_listens(port) or (run and port != run[-1] + 1):
            run = []
            continue
        run.append(port)
        if len(run) == count:
            return run
    raise RuntimeError(f"no {count} ports in a row are free")
