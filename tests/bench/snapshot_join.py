#!/usr/bin/env python3
"""A node joins a cluster that holds much, while clients write; prints a table of what that costs.

Three nodes are filled, a load is put on them and its rate counted, then a fourth joins as a learner
and gets the state as a snapshot. In the middle of the transfer it is killed and started again. When
it has caught up the rate is counted once more, as the first one suffers from what filling has left
to do; the higher of the two is what the rate during the transfer is compared with. The table tells
the rates, the growth of memory on both ends and what was sent twice. Exit 1 if a bound of the
project is missed. Needs $ASPEN_BIN, the folder of the built programs, and some 12 bytes of disk for
each byte of state.
"""
import argparse
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "interop"))
from cluster import Cluster, http_get, wait_until  # noqa: E402

MIB = 1 << 20
WINDOW_MIB = 8  # pieces asked for and not there yet when the receiver dies
RATE_SHARE_MIN = 0.70
RSS_GROWTH_MIB_MAX = 200
JOINER = 3


def metric(cluster, node, name):
    try:
        text = http_get(cluster.http[node], "/metrics")[1]
    except OSError:
        return 0.0
    for line in text.splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    return 0.0


def rss_mib(cluster, node):
    if not cluster.alive(node):
        return 0.0
    with open(f"/proc/{cluster.pid(node)}/status") as status:
        for line in status:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0


class Load:
    """Puts from many clients, until it is stopped."""

    def __init__(self, cluster, options):
        members = ",".join(cluster.client[:JOINER])
        self.process = subprocess.Popen(
            [os.path.join(cluster.binaries, "aspen-bench"), "load", "--endpoints", members,
             "--op", "put", "--clients", str(options.clients), "--seconds", "100000",
             "--value-bytes", str(options.value_bytes), "--keys", "20000"],
            stdout=subprocess.DEVNULL)

    def stop(self):
        self.process.kill()
        self.process.wait()


class Watch:
    """Rates and peaks between two moments."""

    def __init__(self, cluster, leader):
        self.cluster = cluster
        self.leader = leader
        self.begun = time.monotonic()
        self.first = self.committed()
        self.peaks = {}

    def committed(self):
        return metric(self.cluster, self.leader, "aspen_proposals_committed_total")

    def look(self):
        for node in (self.leader, JOINER):
            if self.cluster.processes[node] is not None:
                self.peaks[node] = max(self.peaks.get(node, 0), rss_mib(self.cluster, node))

    def rate(self):
        return (self.committed() - self.first) / (time.monotonic() - self.begun)

    def run_until(self, condition, limit_s):
        by = time.monotonic() + limit_s
        while not condition():
            if time.monotonic() > by:
                raise SystemExit("snapshot_join: it takes too long")
            self.look()
            time.sleep(0.1)


def fill(cluster, mib):
    value_bytes = 16 * 1024
    puts = mib * MIB // value_bytes
    command = [os.path.join(cluster.binaries, "aspen-bench"), "load", "--endpoints",
               ",".join(cluster.client[:JOINER]), "--op", "put", "--clients", "32",
               "--operations", str(puts), "--warmup", "0", "--value-bytes", str(value_bytes),
               "--keys", "10000000"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def join(cluster):
    """Adds the node; what aspenctl says is judged by what the cluster does."""
    return subprocess.Popen(
        [os.path.join(cluster.binaries, "aspenctl"), "--endpoints",
         ",".join(cluster.client[:JOINER]), "member", "add", "--learner", "--member",
         cluster.member_argument(JOINER)], stdout=subprocess.DEVNULL)


def caught_up(cluster, leader):
    there = metric(cluster, leader, "aspen_commit_index")
    here = metric(cluster, JOINER, "aspen_applied_index")
    return here > 0 and there - here < 5000


def transfer(cluster, leader, watch, limit_s):
    """Until the snapshot is installed; the joiner dies once in the middle of it."""
    received = "aspen_snapshot_received_bytes_total"
    half = 0.5 * metric(cluster, leader, "aspen_db_size_bytes")
    watch.run_until(lambda: metric(cluster, JOINER, received) >= half, limit_s)
    before = metric(cluster, JOINER, received)
    cluster.kill(JOINER)
    cluster.start(JOINER)
    watch.run_until(lambda: metric(cluster, JOINER, "aspen_snapshots_installed_total") >= 1,
                    limit_s)
    return before


def calm_rate(cluster, leader, seconds):
    watch = Watch(cluster, leader)
    watch.run_until(lambda: time.monotonic() - watch.begun > seconds, 10_000)
    return watch.rate()


def measure(cluster, options):
    cluster.start_all()
    cluster.init()
    leader = cluster.wait_leader()
    print(f"filling {options.mib} MiB", flush=True)
    fill(cluster, options.mib)
    load = Load(cluster, options)
    try:
        time.sleep(options.settle)
        calm = [calm_rate(cluster, leader, options.seconds)]
        print(f"{calm[0]:.0f} writes/s without a transfer", flush=True)
        cluster.start(JOINER)
        cluster.wait_live(JOINER)
        rss_before = {node: rss_mib(cluster, node) for node in (leader, JOINER)}
        command = join(cluster)
        busy = Watch(cluster, leader)
        before_cut = transfer(cluster, leader, busy, options.limit)
        seconds = time.monotonic() - busy.begun
        busy_rate = busy.rate()
        after = Watch(cluster, leader)
        after.run_until(lambda: caught_up(cluster, leader), options.limit)
        catch_up = time.monotonic() - after.begun
        command.wait()
        calm.append(calm_rate(cluster, leader, options.seconds))
    finally:
        load.stop()
    wait_until(lambda: cluster.ready(JOINER), "the joiner is ready")
    sent = metric(cluster, leader, "aspen_snapshot_sent_bytes_total")
    resumed = metric(cluster, JOINER, "aspen_snapshot_resumed_bytes_total")
    rest = metric(cluster, JOINER, "aspen_snapshot_received_bytes_total")
    size = resumed + rest
    rows = [
        ("state sent as a snapshot", f"{size / MIB:.0f} MiB", None),
        ("from add to installed", f"{seconds:.1f} s", None),
        ("then to caught up", f"{catch_up:.1f} s", None),
        ("writes before and after", " /s, ".join(f"{rate:.0f}" for rate in calm) + " /s", None),
        ("writes during transfer", f"{busy_rate:.0f} /s = {100 * busy_rate / max(calm):.0f} %",
         busy_rate >= RATE_SHARE_MIN * max(calm)),
        ("arrived before the cut", f"{before_cut / MIB:.0f} MiB", None),
        ("found after it, not sent again", f"{resumed / MIB:.0f} MiB", None),
        ("sent after it", f"{rest / MIB:.0f} MiB", None),
        ("sent in all beyond the size", f"{(sent - size) / MIB:.1f} MiB",
         sent - size <= 2 * WINDOW_MIB * MIB),
    ]
    for node, what in ((leader, "sender"), (JOINER, "receiver")):
        growth = busy.peaks[node] - rss_before[node]
        rows.append((f"memory of the {what}",
                     f"{rss_before[node]:.0f} + {growth:.0f} MiB", growth <= RSS_GROWTH_MIB_MAX))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mib", type=int, default=2048, help="state before the join")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--value-bytes", type=int, default=1024)
    parser.add_argument("--seconds", type=float, default=20, help="of the rate without a transfer")
    parser.add_argument("--settle", type=float, default=10, help="seconds of load before that")
    parser.add_argument("--limit", type=float, default=600, help="seconds that a step may take")
    parser.add_argument("--dir", help="where the nodes keep their data; removed unless given")
    options = parser.parse_args()
    with Cluster(JOINER + 1, dir=options.dir, founders=JOINER) as cluster:
        rows = measure(cluster, options)
    missed = False
    for name, value, held in rows:
        verdict = "" if held is None else ("  ok" if held else "  MISSED")
        missed = missed or held is False
        print(f"{name:32}{value}{verdict}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
