#!/usr/bin/env python3
"""etcdctl member and move-leader on a real cluster, against etcd's own answers.

  etcdctl_members_test.py                   aspen-node ($ASPEN_BIN) against transcripts/
  etcdctl_members_test.py --against-etcd    etcd itself: proves that the transcripts are etcd's
  etcdctl_members_test.py --record          etcd itself, and writes the transcripts

Every etcdctl there is takes part; --version 3.7 takes that one alone. Exit 77: it is missing.
"""
import argparse
import difflib
import json
import os
import re
import shutil
import sys

import cluster as clusters
import etcdctl
from etcdctl_members_cases import CASES, Start, WhenInSync

HERE = os.path.dirname(os.path.abspath(__file__))
FOUNDERS = 3
NODES = 5
LAGS = "can only promote a learner member which is in sync with leader"


class Asker:
    """Puts ids and addresses into what is asked, and takes them out of the answers."""

    def __init__(self, binary, cluster):
        self.binary = binary
        self.cluster = cluster
        self.ids = {}  # of every member there ever was -> the number of its node
        self.now = {}  # number of the node -> id
        self.normal = etcdctl.Normal(cluster, 0)

    def ask(self, arguments):
        return etcdctl.run(self.binary, self.endpoints(), arguments)

    def endpoints(self):
        return ",".join(self.cluster.client[:FOUNDERS])

    def learn_ids(self):
        done = self.ask(["member", "list", "-w", "json"])
        self.now = {}
        for member in json.loads(done.stdout)["members"]:
            peer = member["peerURLs"][0].removeprefix("http://")
            node = self.cluster.peer.index(peer) + 1
            self.now[node] = member["ID"]
            self.ids[member["ID"]] = node

    def follower(self):
        done = self.ask(["endpoint", "status", "-w", "json"])
        rows = [row["Status"] for row in json.loads(done.stdout)]
        return next(row["header"]["member_id"] for row in rows
                    if row["header"]["member_id"] != row["leader"])

    def fill(self, argument):
        argument = re.sub(r"\{peer:(\d)\}", lambda m: self.cluster.peer[int(m[1]) - 1], argument)
        # The last one that stood there, also after its end.
        last = {node: id for id, node in self.ids.items()}
        argument = re.sub(r"\{id:(\d)\}", lambda m: f"{last[int(m[1])]:x}", argument)
        return argument.replace("{follower}", f"{self.follower():x}" if "{" in argument else "")

    def clear(self, arguments, text):
        text = self.normal(text)
        if arguments[0] == "move-leader":
            text = re.sub(r"\b[0-9a-f]{8,16}\b", "ID", text)
        for id, node in self.ids.items():
            text = re.sub(rf"\b({id}|0*{id:x})\b", f"ID{node}", text)
        text = re.sub(r"(in|to|from) cluster +[0-9a-f]+", r"\1 cluster *", text)
        text = re.sub(r"^Member +ID", "Member ID", text, flags=re.M)
        # Members come in the order of their ids.
        text = re.sub(r'(ETCD_INITIAL_CLUSTER=")(.*)"',
                      lambda m: m[1] + ",".join(sorted(m[2].split(","))) + '"', text)
        text = re.sub(r'"members":\[(.*?\})\]', lambda m: self._sorted_members(m[1]), text)
        if arguments[:2] == ["member", "list"]:
            return self._sorted_list(text)
        return text

    @staticmethod
    def _sorted_members(text):
        members = re.findall(r"\{.*?\}", text)
        members.sort(key=lambda m: m.split('"peerURLs"')[1])
        return '"members":[' + ",".join(members) + "]"

    @staticmethod
    def _sorted_list(text):
        if '"ID" : ' in text:  # -w fields: a block for each member
            head, *blocks = text.split('"ID" : ')
            # A fact of the table's end may be glued to the last block; there is none.
            return head + "".join('"ID" : ' + block for block in sorted(blocks))
        return "\n".join(sorted(text.splitlines()))


def step(asker, case):
    """Lines of the transcript."""
    cluster = asker.cluster
    if isinstance(case, Start):
        cluster.start(case.node - 1)
        def started():
            listed = json.loads(asker.ask(["member", "list", "-w", "json"]).stdout)["members"]
            return all(member.get("name") for member in listed)
        clusters.wait_until(started, f"n{case.node} is a started member")
        return f"# n{case.node} is started\n"
    asker.learn_ids()
    real = [asker.fill(argument) for argument in case]

    # etcd refuses changes until its members have been connected for a while, and takes no promotion
    # of a learner that lags.
    def asked():
        done = asker.ask(real)
        waits = "unhealthy cluster" in done.stderr
        waits |= isinstance(case, WhenInSync) and LAGS in done.stderr
        return None if waits else done
    done = clusters.wait_until(asked, f"etcdctl {real}")
    asker.learn_ids()
    stdout = asker.clear(case, done.stdout)
    stderr = asker.clear(case, done.stderr)
    part = [f"$ {' '.join(case)}"]
    part += [stdout.rstrip("\n")] if stdout else []
    part += [f"! {line}" for line in stderr.splitlines() if line]
    part.append(f"= {done.returncode}")
    return "\n".join(part) + "\n"


def transcript(binary, cluster):
    asker = Asker(binary, cluster)
    return "\n".join(step(asker, case) for case in CASES)


def run(version, binary, options):
    etcd = options.against_etcd or options.record
    kind = clusters.EtcdCluster if etcd else clusters.Cluster
    file = os.path.join(HERE, "transcripts", f"etcdctl-members-{version[0]}.{version[1]}.txt")
    with kind(NODES, founders=FOUNDERS) as cluster:
        cluster.start_all()
        cluster.init()
        cluster.wait_ready()
        actual = transcript(binary, cluster)
    if options.record:
        with open(file, "w") as out:
            out.write(actual)
        return True
    with open(file) as recorded:
        expected = recorded.read()
    sys.stdout.writelines(difflib.unified_diff(
        expected.splitlines(True), actual.splitlines(True), "etcd", "this cluster", n=4))
    return expected == actual


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--against-etcd", action="store_true")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--version")
    options = parser.parse_args()
    tools = [(version, binary) for version, binary in etcdctl.find()
             if options.version in (None, f"{version[0]}.{version[1]}")]
    if not tools:
        print(f"etcdctl {options.version or ''} is missing: ASPEN_ETCDCTL, beside ASPEN_ETCD, or "
              "Debian package etcd-client")
        return 77
    etcd = options.against_etcd or options.record
    if etcd and not shutil.which(os.environ.get("ASPEN_ETCD", "etcd")):
        print("etcd is missing: ASPEN_ETCD, or etcd on PATH")
        return 77
    good = True
    for version, binary in tools:
        same = run(version, binary, options)
        print(f"etcdctl {version[0]}.{version[1]} ({binary}): {'done' if same else 'FAILED'}",
              flush=True)
        good = good and same
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
