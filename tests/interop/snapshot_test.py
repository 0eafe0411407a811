#!/usr/bin/env python3
"""Snapshot files: saved by etcdctl and by aspenctl from a running cluster, verified, and restored
to a new cluster that grows again. Every etcdctl there is takes part; --version 3.7 takes that one
alone. Exit 77: it is missing. aspen-node and aspenctl are those in $ASPEN_BIN.
"""
import argparse
import json
import os
import shutil
import sys

import cluster as clusters
import etcdctl

KEYS = 300
EXIT_SKIPPED = 77


class Failed(Exception):
    pass


def expect(condition, what):
    if not condition:
        raise Failed(what)


def done(process):
    expect(process.returncode == 0, f"{process.args}: {process.stderr}")
    return process.stdout


def refused(process, *texts):
    """With exit status 1 and a message that says all of that."""
    expect(process.returncode == 1, f"{process.args} gave {process.returncode}")
    for text in texts:
        expect(text in process.stderr, f"{process.args}: '{text}' is not in: {process.stderr}")


def put(cluster, key, value):
    done(cluster.aspenctl("put", key, value))


def facts(process):
    return json.loads(done(process))


def damage(file, change):
    with open(file, "rb") as source:
        content = bytearray(source.read())
    path = f"{file}.damaged"
    with open(path, "wb") as target:
        target.write(change(content))
    return path


def flipped(at):
    def change(content):
        content[int(at * len(content))] ^= 1
        return content
    return change


def check_damaged(cluster, file):
    empty = os.path.join(cluster.dir, "never")
    for what, change in [("a flipped bit", flipped(0.5)), ("one at the end", flipped(1 - 1e-6)),
                         ("a cut", lambda content: content[:len(content) // 3]),
                         ("no snapshot", lambda content: b"x" * 4096)]:
        path = damage(file, change)
        refused(cluster.aspenctl("snapshot", "verify", path), "the file is damaged")
        refused(cluster.aspenctl("snapshot", "restore", path, "--data-dir", empty, "--member",
                                 cluster.member_argument(0)), "the file is damaged")
        shutil.rmtree(empty, ignore_errors=True)
        print(f"  refused: {what}")


def save_with_etcdctl(cluster, version, binary):
    file = os.path.join(cluster.dir, f"etcdctl-{version[0]}.{version[1]}.snap")
    # etcdctl checks the SHA-256 at the end itself.
    saved = etcdctl.run(binary, cluster.client[1], ["snapshot", "save", file])
    expect(saved.returncode == 0, f"etcdctl {version}: {saved.stderr}")
    expect("Snapshot saved at" in saved.stdout, saved.stdout)
    facts(cluster.aspenctl("-o", "json", "snapshot", "verify", file))
    print(f"  saved by etcdctl {version[0]}.{version[1]}")


def hashes(binary, endpoints):
    rows = json.loads(etcdctl.run(binary, endpoints, ["endpoint", "hashkv", "-w", "json"]).stdout)
    return {row["HashKV"]["hash"] for row in rows}


def restore(cluster, file, saved):
    """The first node alone, as a new cluster; then the second joins it."""
    for i in range(len(cluster)):
        cluster.kill(i)
        cluster.wipe(i)
    made = facts(cluster.aspenctl("-o", "json", "snapshot", "restore", file, "--data-dir",
                                  cluster.data_dir(0), "--member", cluster.member_argument(0)))
    expect(made["cluster_id"] != saved["cluster_id"], "a restored cluster is another one")
    expect(made["revision"] == saved["revision"], "revisions go on")
    refused(cluster.aspenctl("snapshot", "restore", file, "--data-dir", cluster.data_dir(0),
                             "--member", cluster.member_argument(0)), "is not empty")
    cluster.start(0)
    cluster.wait_ready([0])
    alone = cluster.client[0]
    got = facts(cluster.aspenctl("-o", "json", "get", "key7", endpoints=alone))
    expect(got["kvs"][0]["value"] == "value7" * 50, got)
    expect(facts(cluster.aspenctl("-o", "json", "get", "after", endpoints=alone))["count"] == 0,
           "what came after the snapshot is not in it")
    written = facts(cluster.aspenctl("-o", "json", "put", "again", "1", endpoints=alone))
    expect(written["revision"] == saved["revision"] + 1, written)
    print("  restored")
    cluster.restart(0)
    cluster.wait_ready([0])
    cluster.start(1)
    cluster.wait_live(1)
    done(cluster.aspenctl("member", "add", "--learner", "--member", cluster.member_argument(1),
                          endpoints=alone, limit_s=60))

    def joined():
        there = cluster.aspenctl("-o", "json", "get", "again", "--serializable",
                                 endpoints=cluster.client[1])
        return there.returncode == 0 and json.loads(there.stdout)["count"] == 1
    clusters.wait_until(joined, "the second node has what the first has")
    print("  grown again")


def run(found):
    with clusters.Cluster() as cluster:
        cluster.start_all()
        cluster.init()
        cluster.wait_leader()
        for i in range(KEYS):
            put(cluster, f"key{i}", f"value{i}" * 50)
        for version, binary in found:
            save_with_etcdctl(cluster, version, binary)
        file = os.path.join(cluster.dir, "aspenctl.snap")
        saved = facts(cluster.aspenctl("-o", "json", "snapshot", "save", file))
        expect(saved["state_bytes"] > 0 and saved["revision"] == KEYS + 1, saved)
        refused(cluster.aspenctl("snapshot", "save", file), "there is such a file")
        verified = facts(cluster.aspenctl("-o", "json", "snapshot", "verify", file))
        expect(verified == saved, verified)
        check_damaged(cluster, file)
        put(cluster, "after", "1")
        restore(cluster, file, saved)
        expect(len(hashes(found[0][1], ",".join(cluster.client[:2]))) == 1, "the hashes differ")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--version")
    options = parser.parse_args()
    found = [(version, path) for version, path in etcdctl.find()
             if options.version in (None, f"{version[0]}.{version[1]}")]
    if not found:
        print(f"skipped: no etcdctl {options.version or ''} on PATH, in $ASPEN_ETCDCTL or beside "
              "$ASPEN_ETCD")
        return EXIT_SKIPPED
    run(found)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failed, clusters.ClusterError) as error:
        print(f"snapshot_test: {error}")
        sys.exit(1)
