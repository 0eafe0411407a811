#!/usr/bin/env python3
"""aspenctl's verbs for members and leaders on a real cluster: it grows, hands over, loses a disk,
shrinks, and refuses what it cannot do. Texts and exit statuses are the contract."""
import json
import os
import sys

from cluster import Cluster, http_get, wait_until

failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print(f"FAILED: {what}", flush=True)


def expect(done, status, *texts):
    shown = f"{done.args[1:]}: {done.returncode}\n{done.stdout}{done.stderr}"
    check(done.returncode == status, f"status {status} from {shown}")
    for text in texts:
        check(text in done.stdout + done.stderr, f"'{text}' from {shown}")
    return done


def members(cluster, of=0):
    done = cluster.aspenctl("-o", "json", "member", "list", endpoints=cluster.client[of])
    return {m["name"]: m for m in json.loads(done.stdout)["members"]}


def roles(cluster, of=0):
    return {name: member["role"] for name, member in members(cluster, of).items()}


def add(cluster, node, *flags):
    return cluster.aspenctl("member", "add", "--member", cluster.member_argument(node), *flags)


def health(cluster, node):
    return http_get(cluster.http[node], "/readyz")


def refusals_of_one(cluster):
    expect(cluster.aspenctl("member", "remove", "n1"), 1, "the last voter cannot be removed")
    expect(cluster.aspenctl("member", "remove", "n9"), 1, "no member has the name or id 'n9'")
    expect(cluster.aspenctl("member", "promote", "n1"), 1, "only promote a learner")
    expect(cluster.aspenctl("cluster", "transfer-leader"), 1, "can take over")
    drained = cluster.aspenctl("node", "drain", "--data-dir", cluster.data_dir(0))
    expect(drained, 1, "can take over")
    expect(cluster.aspenctl("put", "a", "1"), 0)
    # Nobody runs at the address of n2 yet.
    expect(add(cluster, 1), 1, "no node answers at this peer address")
    check(roles(cluster) == {"n1": "voter"}, f"nothing was changed: {roles(cluster)}")


def grows(cluster):
    for node in range(1, 4):
        cluster.start(node)
        cluster.wait_live(node)
    expect(add(cluster, 1), 0, "n2 is a learner", "n2 votes")
    expect(add(cluster, 2), 0, "n3 votes")
    # The same again changes nothing.
    expect(add(cluster, 2), 0, "n3 is a member already and votes")
    expect(add(cluster, 3, "--learner"), 0, "n4 is a learner")
    expected = {"n1": "voter", "n2": "voter", "n3": "voter", "n4": "learner"}
    check(roles(cluster) == expected, f"roles: {roles(cluster)}")
    expect(cluster.aspenctl("member", "promote", "n4"), 0, "n4 votes")
    cluster.wait_ready(range(4))
    for node in range(4):
        expect(cluster.aspenctl("get", "a", endpoints=cluster.client[node]), 0, "1")


def a_lagging_learner_is_not_promoted(cluster):
    cluster.start(4)
    cluster.wait_live(4)
    expect(add(cluster, 4, "--learner"), 0)
    cluster.kill(4)
    done = cluster.aspenctl("member", "promote", "n5", "--wait", "2")
    expect(done, 1, "n5 has not caught up in time and stays a learner")
    expect(cluster.aspenctl("member", "remove", "n5"), 0, "n5 is no member any more")
    # Its address is taken by the node that missed its own end: an empty directory is asked for.
    cluster.start(4)
    cluster.wait_live(4)
    expect(add(cluster, 4), 1, "belongs to")


def init_is_refused(cluster):
    def init(node, *who):
        arguments = [word for i in who for word in ("--member", cluster.member_argument(i))]
        return cluster.aspenctl("cluster", "init", *arguments, endpoints=cluster.client[node])
    expect(init(0, 0, 1), 1, "belongs to a cluster with other members")
    expect(init(1, 1), 1, "belongs to a cluster with other members")


def leaders_move(cluster):
    leader = cluster.wait_leader()
    other = (leader + 1) % 4
    expect(cluster.aspenctl("cluster", "transfer-leader", cluster.name(other)), 0,
           cluster.name(other))
    check(cluster.leader() == other, f"{cluster.name(other)} leads: {cluster.status()}")
    expect(cluster.aspenctl("cluster", "transfer-leader", cluster.name(other)), 0)
    expect(cluster.aspenctl("cluster", "transfer-leader"), 0)
    wait_until(lambda: cluster.leader() not in (None, other), "another one leads")
    expect(cluster.aspenctl("cluster", "transfer-leader", "n9"), 1, "'n9'")


def a_node_is_drained(cluster):
    leader = cluster.wait_leader()
    data = cluster.data_dir(leader)
    check(os.stat(os.path.join(data, "control.sock")).st_mode & 0o777 == 0o600, "its owner's alone")
    expect(cluster.aspenctl("node", "drain", "--data-dir", data), 0, "drained")
    expect(cluster.aspenctl("node", "drain", "--data-dir", data), 0)
    wait_until(lambda: cluster.leader() not in (None, leader), "another one leads")
    done = cluster.aspenctl("put", "b", "1", endpoints=cluster.client[leader])
    expect(done, 1, "is drained")
    status, body = health(cluster, leader)
    check(status == 503 and "drained" in body, f"/readyz of a drained node: {status} {body}")
    expect(cluster.aspenctl("put", "b", "1"), 0)  # passes over it
    check(cluster.terminate(leader) == 0, "SIGTERM ends a drained node with 0")
    cluster.start(leader)
    cluster.wait_ready(range(4))
    expect(cluster.aspenctl("put", "b", "2", endpoints=cluster.client[leader]), 0)


def a_lost_disk_is_replaced(cluster):
    """The documented two commands."""
    lost = (cluster.wait_leader() + 1) % 4
    former = members(cluster)[cluster.name(lost)]["node_id"]
    cluster.kill(lost)
    cluster.wipe(lost)
    cluster.start(lost)
    cluster.wait_live(lost)
    expect(cluster.aspenctl("member", "remove", cluster.name(lost)), 0)
    expect(add(cluster, lost), 0, "votes")
    cluster.wait_ready(range(4))
    check(members(cluster)[cluster.name(lost)]["node_id"] != former, "a new id")
    expect(cluster.aspenctl("get", "b", endpoints=cluster.client[lost]), 0, "2")


def shrinks(cluster):
    # The leader last but one, so that it removes itself.
    leader = cluster.wait_leader()
    order = [i for i in range(4) if i != leader]
    left = order.pop()
    for node in [*order, leader]:
        expect(cluster.aspenctl("member", "remove", cluster.name(node)), 0, "no member any more")

        def removed(node=node):
            status, body = health(cluster, node)
            return status == 503 and "removed from the cluster" in body
        wait_until(removed, f"{cluster.name(node)} knows that it was removed")
    check(roles(cluster, left) == {cluster.name(left): "voter"}, f"{roles(cluster, left)}")
    expect(cluster.aspenctl("put", "c", "3", endpoints=cluster.client[left]), 0)
    done = cluster.aspenctl("put", "c", "4", endpoints=cluster.client[leader])
    expect(done, 1, "removed from the cluster")
    # Sealed for good.
    cluster.restart(leader)
    cluster.wait_live(leader)
    status, body = health(cluster, leader)
    check(status == 503 and "removed from the cluster" in body, f"after a restart: {body}")


def main():
    with Cluster(5, founders=1) as cluster:
        cluster.start_all()
        cluster.init()
        cluster.wait_ready()
        for step in (refusals_of_one, grows, a_lagging_learner_is_not_promoted, init_is_refused,
                     leaders_move, a_node_is_drained, a_lost_disk_is_replaced, shrinks):
            step(cluster)
            print(f"{step.__name__}: done", flush=True)
    print(f"{len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
