#!/usr/bin/env python3
"""etcdctl through every node of a real cluster, against etcd's own answers.

  etcdctl_test.py                   aspen-node ($ASPEN_BIN) against transcripts/
  etcdctl_test.py --against-etcd    etcd itself: proves that the transcripts are etcd's
  etcdctl_test.py --record          etcd itself, and writes the transcripts
  etcdctl_test.py --perf            `check perf` instead, --load=s and m: minutes of a machine
                                    that does nothing else, so only with ASPEN_LONG=1

Every etcdctl there is takes part; --version 3.7 takes that one alone. Exit 77: it is missing.
"""
import argparse
import difflib
import json
import os
import re
import shutil
import subprocess
import sys

import cluster as clusters
import etcdctl
from etcdctl_cases import CASES

HERE = os.path.dirname(os.path.abspath(__file__))
failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print(f"FAILED: {what}", flush=True)


def current_revision(binary, endpoint):
    done = etcdctl.run(binary, endpoint, ["get", "it/none", "-w", "json"])
    return json.loads(done.stdout)["header"]["revision"]


def shown(arguments, stdin):
    line = "etcdctl " + " ".join(arg if arg else "''" for arg in arguments)
    if len(stdin) > 500:
        return f"{line} < {len(stdin)} bytes"
    return line + "".join(("\n< " + part).rstrip(" ") for part in stdin.splitlines())


def transcript(binary, cluster, node):
    """What all cases print through one node, in normal form."""
    endpoint = cluster.client[node]
    base = current_revision(binary, endpoint)
    normal = etcdctl.Normal(cluster, base)
    parts = []
    for arguments, stdin in CASES:
        real = [re.sub(r"\{r\+(\d+)\}", lambda m: str(base + int(m[1])), a) for a in arguments]
        done = etcdctl.run(binary, endpoint, real, stdin)
        stdout = normal(done.stdout)
        stderr = normal(done.stderr)
        # The usage of a command is the client's own affair.
        if "usage:" in (stdout + stderr).lower():
            stdout = ""
            stderr = re.sub(r"\n[^\n]*usage:.*", "", stderr, flags=re.S | re.I) + "\n"
        part = [f"$ {shown(arguments, stdin)}"]
        part += [stdout.rstrip("\n")] if stdout else []
        part += [f"! {line}" for line in stderr.splitlines() if line]
        part.append(f"= {done.returncode}")
        parts.append("\n".join(part) + "\n")
    return "\n".join(parts)


def transcript_file(version):
    return os.path.join(HERE, "transcripts", f"etcdctl-{version[0]}.{version[1]}.txt")


def compare(version, binary, cluster, node):
    with open(transcript_file(version)) as file:
        expected = file.read()
    actual = transcript(binary, cluster, node)
    if expected != actual:
        sys.stdout.writelines(difflib.unified_diff(
            expected.splitlines(True), actual.splitlines(True), "etcd", cluster.name(node), n=4))
    check(expected == actual, f"etcdctl {version} through {cluster.name(node)}: another transcript")


def check_members(version, binary, cluster, node):
    endpoint = cluster.client[node]
    done = etcdctl.run(binary, endpoint, ["member", "list", "-w", "json"])
    check(done.returncode == 0, f"member list: {done.stderr}")
    members = {m["name"]: m for m in json.loads(done.stdout)["members"]}
    for i in range(len(cluster)):
        member = members.get(cluster.name(i), {})
        check(member.get("clientURLs") == [f"http://{cluster.client[i]}"], f"clientURLs: {member}")
        check(member.get("peerURLs") == [f"http://{cluster.peer[i]}"], f"peerURLs: {member}")
    simple = etcdctl.run(binary, endpoint, ["member", "list"]).stdout
    line = r"[0-9a-f]+, started, n\d, http://127[^,]*, http://127[^,]*, false\n"
    check(re.fullmatch(f"({line}){{{len(cluster)}}}", simple), f"member list: {simple}")


def check_status(version, binary, cluster, node):
    arguments = ["endpoint", "status", "--cluster", "-w", "json"]
    done = etcdctl.run(binary, cluster.client[node], arguments)
    check(done.returncode == 0, f"endpoint status: {done.stderr}")
    rows = [row["Status"] for row in json.loads(done.stdout)]
    check(len(rows) == len(cluster), f"endpoint status --cluster: {rows}")
    check(len({row["leader"] for row in rows}) == 1, f"one leader: {rows}")
    for row in rows:
        check(tuple(map(int, row["version"].split("."))) >= (3, 6, 0), f"version: {row}")
        check(row["dbSize"] > 0, f"dbSize: {row}")
        check(row["raftIndex"] >= row["raftAppliedIndex"] > 0, f"indices: {row}")
        check(not row.get("errors"), f"errors: {row}")
    table = etcdctl.run(binary, cluster.endpoints(), ["endpoint", "status", "-w", "table"])
    body = [[cell.strip() for cell in line.split("|")[1:-1]]
            for line in table.stdout.replace("│", "|").splitlines() if line.startswith("|")]
    leads = body[0].index("IS LEADER")
    check([row[0] for row in body[1:]] == cluster.client, f"table: {table.stdout}")
    check([row[leads] for row in body[1:]].count("true") == 1, f"one leader: {table.stdout}")


def check_health(version, binary, cluster, node):
    for arguments in (["endpoint", "health"], ["endpoint", "health", "--cluster"]):
        done = etcdctl.run(binary, cluster.client[node], arguments)
        text = etcdctl.Normal(cluster, 0)(done.stdout + done.stderr)
        count = text.count(" is healthy: successfully committed proposal: took = *\n")
        check(done.returncode == 0, f"{arguments}: {text}")
        check(count == (len(cluster) if "--cluster" in arguments else 1), f"{arguments}: {text}")


def check_hashes(version, binary, cluster, node):
    arguments = ["endpoint", "hashkv", "--cluster", "-w", "json"]
    done = etcdctl.run(binary, cluster.client[node], arguments)
    check(done.returncode == 0, f"endpoint hashkv: {done.stderr}")
    hashes = [row["HashKV"] for row in json.loads(done.stdout)]
    check(len(hashes) == len(cluster), f"hashkv --cluster: {hashes}")
    check(len({row["hash"] for row in hashes}) == 1, f"members differ: {hashes}")
    revision = str(hashes[0]["header"]["revision"])
    at = etcdctl.run(binary, cluster.endpoints(), ["endpoint", "hashkv", "--rev", revision])
    found = re.findall(r", (\d+)(?:, \d+)?$", at.stdout, flags=re.M)
    same = at.returncode == 0 and len(found) == len(cluster)
    check(same, f"hashkv --rev: {at.stdout}{at.stderr}")


# What dashboards rely on; those of features that are not served yet are there too, at rest.
NODE_METRICS = """
raft_has_leader raft_is_leader raft_is_learner raft_term leader_changes_seen_total
proposals_committed_total proposals_applied_total proposals_failed_total proposals_pending
commit_index applied_index peer_round_trip_seconds_count peer_sent_failures_total
wal_fsync_seconds_count apply_seconds_count snapshot_save_seconds_count
snapshot_restore_seconds_count db_size_bytes db_in_use_bytes quota_bytes watch_streams
slow_reads_total grpc_server_started_total grpc_server_handled_total
grpc_server_handling_seconds_count
""".split()


def check_metrics(cluster):
    """Every node's page is whole, and Prometheus accepts it."""
    for i in range(len(cluster)):
        status, body = clusters.http_get(cluster.http[i], "/metrics")
        check(status == 200, f"/metrics of {cluster.name(i)}: {status}")
        for name in ("process_resident_memory_bytes", "aspen_raft_has_leader 1"):
            check(name in body, f"/metrics of {cluster.name(i)} has {name}")
        for name in NODE_METRICS:
            found = re.search(rf"^aspen_{name}(\{{.*\}})? \S+$", body, flags=re.M)
            check(found, f"/metrics of {cluster.name(i)} has aspen_{name}")
        if shutil.which("promtool"):
            done = subprocess.run(["promtool", "check", "metrics"], input=body, text=True,
                                  capture_output=True)
            check(done.returncode == 0, f"promtool: {done.stdout}{done.stderr}")


def check_perf(binary, cluster):
    for load in ("s", "m"):
        done = etcdctl.run(binary, cluster.endpoints(), ["check", "perf", f"--load={load}"],
                           limit_s=180)
        print(done.stdout[-600:], flush=True)
        check(done.returncode == 0 and "\nPASS" in done.stdout, f"check perf --load={load}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--against-etcd", action="store_true")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--perf", action="store_true")
    parser.add_argument("--version")
    options = parser.parse_args()
    tools = [(version, binary) for version, binary in etcdctl.find()
             if options.version in (None, f"{version[0]}.{version[1]}")]
    if not tools:
        print(f"etcdctl {options.version or ''} is missing: ASPEN_ETCDCTL, beside ASPEN_ETCD, or "
              "Debian package etcd-client")
        return 77
    if options.perf and not os.environ.get("ASPEN_LONG"):
        print("left out: check perf takes minutes; ASPEN_LONG=1 runs it, as .ci/run does")
        return 77
    etcd = options.against_etcd or options.record
    if etcd and not shutil.which(os.environ.get("ASPEN_ETCD", "etcd")):
        print("etcd is missing: ASPEN_ETCD, or etcd on PATH")
        return 77
    with clusters.EtcdCluster() if etcd else clusters.Cluster() as cluster:
        cluster.start_all()
        cluster.init()
        cluster.wait_ready()
        if options.perf:
            check_perf(tools[-1][1], cluster)
            tools = []
        for version, binary in tools:
            if options.record:
                os.makedirs(os.path.join(HERE, "transcripts"), exist_ok=True)
                with open(transcript_file(version), "w") as file:
                    file.write(transcript(binary, cluster, 0))
            for node in range(len(cluster)):
                if os.path.exists(transcript_file(version)):
                    compare(version, binary, cluster, node)
                else:
                    print(f"no transcript of etcdctl {version}: only the other checks run")
                for each in (check_members, check_status, check_health, check_hashes):
                    each(version, binary, cluster, node)
            print(f"etcdctl {version[0]}.{version[1]} ({binary}): done", flush=True)
        if not etcd:
            check_metrics(cluster)
    print(f"{len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
