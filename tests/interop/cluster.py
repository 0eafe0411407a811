"""Clusters of real processes for tests: start, wait, kill, restart, stop.

`Cluster` runs aspen-node, `EtcdCluster` etcd, with one interface, so that a test's expectations
can be proved against etcd itself. Processes listen on loopback ports of their own, keep their data
under a folder, die with the test, and are ended by their pid. Nothing sleeps in place of a
condition: waits poll.
"""
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from ports import free_ports  # noqa: E402

START_WAIT_S = 60
POLL_S = 0.02


class ClusterError(Exception):
    pass


def wait_until(condition, what, limit_s=START_WAIT_S):
    """The first true value of condition(); fails with `what` and the last exception."""
    by = time.monotonic() + limit_s
    last = None
    while True:
        try:
            value = condition()
            if value:
                return value
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            last = error
        if time.monotonic() > by:
            raise ClusterError(f"waited {limit_s} s: {what}" + (f" ({last})" if last else ""))
        time.sleep(POLL_S)


def http_get(address, path, timeout_s=2):
    """(status, body) of a plain HTTP page; OSError if nobody answers."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=timeout_s) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def _die_with_parent():
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


class _Processes:
    """What both kinds share. Nodes are numbered from 0; those behind the first `founders` (all of
    them unless told) are not started by start_all() and not members from the beginning."""

    def __init__(self, nodes, dir, founders=None):
        self.founders = nodes if founders is None else founders
        self.own_dir = dir is None
        self.dir = dir or tempfile.mkdtemp(prefix="aspen-cluster-")
        ports = free_ports(3 * nodes)
        self.client = [f"127.0.0.1:{p}" for p in ports[:nodes]]
        self.peer = [f"127.0.0.1:{p}" for p in ports[nodes : 2 * nodes]]
        self.http = [f"127.0.0.1:{p}" for p in ports[2 * nodes :]]
        self.processes = [None] * nodes
        for i in range(nodes):
            os.makedirs(self.data_dir(i), mode=0o700, exist_ok=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop_all()

    def __len__(self):
        return len(self.processes)

    def name(self, i):
        return f"n{i + 1}"

    def data_dir(self, i):
        return os.path.join(self.dir, self.name(i), "data")

    def log_file(self, i):
        return os.path.join(self.dir, self.name(i), "log")

    def log(self, i):
        with open(self.log_file(i), errors="replace") as file:
            return file.read()

    def endpoints(self):
        return ",".join(self.client)

    def pid(self, i):
        return self.processes[i].pid

    def alive(self, i):
        return self.processes[i] is not None and self.processes[i].poll() is None

    def start(self, i):
        assert not self.alive(i)
        with open(self.log_file(i), "ab") as log:
            self.processes[i] = subprocess.Popen(
                self.command(i), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=_die_with_parent)

    def start_all(self):
        for i in range(self.founders):
            self.start(i)

    def kill(self, i):
        """As kill -9; returns when the process is gone."""
        self.processes[i].kill()
        self.processes[i].wait()

    def terminate(self, i, limit_s=15):
        """SIGTERM; the exit status."""
        self.processes[i].terminate()
        return self.processes[i].wait(timeout=limit_s)

    def restart(self, i):
        if self.alive(i):
            self.kill(i)
        self.start(i)

    def stop_all(self):
        for process in self.processes:
            if process is not None and process.poll() is None:
                process.terminate()
        for process in self.processes:
            if process is None:
                continue
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self.own_dir and not os.environ.get("ASPEN_KEEP"):
            shutil.rmtree(self.dir, ignore_errors=True)

    def must_live(self, i):
        if not self.alive(i):
            raise ClusterError(f"{self.name(i)} ended, its log:\n{self.log(i)[-4000:]}")


class Cluster(_Processes):
    """aspen-node. `binaries` is the folder of aspen-node and aspenctl (default: $ASPEN_BIN)."""

    def __init__(self, nodes=3, dir=None, binaries=None, flags=(), founders=None):
        super().__init__(nodes, dir, founders)
        self.binaries = binaries or os.environ["ASPEN_BIN"]
        self.flags = list(flags)
        self.secret = os.path.join(self.dir, "secret")
        if not os.path.exists(self.secret):
            with open(os.open(self.secret, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
                file.write("a secret of a test's cluster\n")

    def command(self, i):
        return [os.path.join(self.binaries, "aspen-node"), "--name", self.name(i),
                "--data-dir", self.data_dir(i), "--listen-client", self.client[i],
                "--advertise-client", self.client[i],
                "--listen-peer", self.peer[i], "--listen-http", self.http[i],
                "--peer-secret-file", self.secret] + self.flags

    def aspenctl(self, *arguments, endpoints=None, limit_s=30):
        """The finished process of an aspenctl command, with text output."""
        command = [os.path.join(self.binaries, "aspenctl"),
                   "--endpoints", endpoints or self.endpoints(), *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=limit_s)

    def init_arguments(self):
        members = []
        for i in range(self.founders):
            members += ["--member", self.member_argument(i)]
        return ["cluster", "init", *members]

    def member_argument(self, i):
        return f"name={self.name(i)},peer={self.peer[i]},client={self.client[i]}"

    def wipe(self, i):
        """The disk of a node that does not run is lost."""
        assert not self.alive(i)
        shutil.rmtree(self.data_dir(i))
        os.makedirs(self.data_dir(i), mode=0o700)

    def init(self, cluster_id=None):
        """Makes the nodes a cluster; returns what aspenctl printed as JSON."""
        for i in range(self.founders):
            self.wait_live(i)
        extra = [] if cluster_id is None else ["--cluster-id", str(cluster_id)]

        def made():
            done = self.aspenctl("-o", "json", "--timeout", "20", *self.init_arguments(), *extra,
                                 endpoints=self.client[0])
            # On a slow machine a member may be late; a node says when to ask again.
            if done.returncode != 0 and "the same Init again goes on" not in done.stderr:
                raise ClusterError(f"init failed: {done.stderr}")
            return json.loads(done.stdout) if done.returncode == 0 else None

        return wait_until(made, "the nodes are a cluster")

    def wait_live(self, i):
        def live():
            self.must_live(i)
            return http_get(self.http[i], "/livez")[0] == 200
        wait_until(live, f"{self.name(i)} is live")

    def ready(self, i):
        self.must_live(i)
        return http_get(self.http[i], "/readyz")[0] == 200

    def wait_ready(self, which=None, limit_s=START_WAIT_S):
        for i in range(self.founders) if which is None else which:
            wait_until(lambda i=i: self.ready(i), f"{self.name(i)} is ready", limit_s)

    def status(self):
        """`aspenctl cluster status` as JSON; empty if no node answers."""
        done = self.aspenctl("-o", "json", "--timeout", "2", "cluster", "status")
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def leader(self):
        """The number of the node that says that it leads, in the highest term; None if none."""
        rows = [row for row in self.status().get("members", []) if row["role"] == "leader"]
        if not rows:
            return None
        return self.client.index(max(rows, key=lambda row: row["term"])["endpoint"])

    def wait_leader(self, limit_s=START_WAIT_S):
        wait_until(lambda: self.leader() is not None, "a leader is known", limit_s)
        return self.leader()


class EtcdCluster(_Processes):
    """etcd (default: $ASPEN_ETCD, or etcd on PATH). init() only waits: etcd knows its members."""

    def __init__(self, nodes=3, dir=None, binary=None, founders=None):
        super().__init__(nodes, dir, founders)
        self.binary = binary or os.environ.get("ASPEN_ETCD", "etcd")

    def command(self, i):
        known = [k for k in range(len(self)) if k < self.founders or k == i]
        members = ",".join(f"{self.name(k)}=http://{self.peer[k]}" for k in known)
        return [self.binary, "--name", self.name(i), "--data-dir", self.data_dir(i),
                "--listen-client-urls", f"http://{self.client[i]}",
                "--advertise-client-urls", f"http://{self.client[i]}",
                "--listen-peer-urls", f"http://{self.peer[i]}",
                "--initial-advertise-peer-urls", f"http://{self.peer[i]}",
                "--listen-metrics-urls", f"http://{self.http[i]}",
                "--initial-cluster", members,
                "--initial-cluster-state", "new" if i < self.founders else "existing",
                "--log-level", "warn"]

    def init(self):
        self.wait_ready()

    def wait_ready(self, which=None, limit_s=START_WAIT_S):
        for i in range(self.founders) if which is None else which:
            def ready(i=i):
                self.must_live(i)
                return http_get(self.http[i], "/readyz")[0] == 200
            wait_until(ready, f"{self.name(i)} is ready", limit_s)
