#!/usr/bin/env python3
"""aspenctl against a real cluster: before Init, Init, its refusals, the show's verbs, a dead node.

Exit statuses are the contract: 0 done, 1 refused, 2 usage, 3 outcome unknown.
"""
import json
import sys

from cluster import Cluster, free_ports, http_get

failures = []


def check(condition, what):
    if not condition:
        failures.append(what)
        print(f"FAILED: {what}", flush=True)


def expect(done, status, text=""):
    shown = f"{done.args[1:]}: {done.returncode}\n{done.stdout}{done.stderr}"
    check(done.returncode == status, f"status {status} from {shown}")
    check(text in done.stdout + done.stderr, f"'{text}' from {shown}")
    return done


def before_init(cluster):
    for i in range(len(cluster)):
        cluster.wait_live(i)
        status, body = http_get(cluster.http[i], "/readyz")
        check(status == 503 and "failed: " in body, f"/readyz before Init: {status} {body}")
    expect(cluster.aspenctl("put", "a", "1"), 1, "aspenctl cluster init")
    expect(cluster.aspenctl("cluster", "status"), 0, "not initialised")


def refusals_of_init(cluster):
    member = f"name=n1,peer={cluster.peer[0]},client={cluster.client[0]}"
    expect(cluster.aspenctl("cluster", "init"), 2, "--member")
    expect(cluster.aspenctl("cluster", "init", "--member", "name=n1"), 2, "peer= is missing")
    expect(cluster.aspenctl("cluster", "init", "--member", member + ",x=y"), 2, "'x'")
    # A member that nobody can reach: nothing takes effect.
    nobody = f"name=n9,peer=127.0.0.1:{free_ports(1)[0]},client=127.0.0.1:1"
    done = cluster.aspenctl("--timeout", "20", "cluster", "init", "--member", member,
                            "--member", nobody, endpoints=cluster.client[0])
    expect(done, 1)
    expect(cluster.aspenctl("cluster", "status"), 0, "not initialised")


def init(cluster):
    made = cluster.init(cluster_id=0xABCDEF)
    check(made["cluster_id"] == "0000000000abcdef", f"cluster id: {made}")
    check([m["name"] for m in made["members"]] and len(made["members"]) == len(cluster),
          f"members: {made}")
    cluster.wait_ready()
    # The same again succeeds, another one does not.
    check(cluster.init(cluster_id=0xABCDEF) == made, "the same Init again")
    other = f"name=n7,peer={cluster.peer[0]},client={cluster.client[0]}"
    done = cluster.aspenctl("cluster", "init", "--member", other, endpoints=cluster.client[0])
    expect(done, 1)


def status_and_members(cluster):
    status = cluster.status()
    rows = status["members"]
    check([row["role"] for row in rows].count("leader") == 1, f"one leader: {status}")
    check(all(row["condition"] == "ready" and row["reachable"] for row in rows), f"{status}")
    check(status["leader"] == cluster.name(cluster.leader()), f"leader's name: {status}")
    members = json.loads(cluster.aspenctl("-o", "json", "member", "list").stdout)["members"]
    check({m["node_id"] for m in members} == {row["node_id"] for row in rows}, f"ids: {members}")
    # One endpoint is enough to see all members.
    one = cluster.aspenctl("cluster", "status", endpoints=cluster.client[0])
    check(all(address in one.stdout for address in cluster.client), f"all members: {one.stdout}")


def verbs(cluster):
    for i in range(len(cluster)):
        expect(cluster.aspenctl("put", f"k{i}", f"v{i}", endpoints=cluster.client[i]), 0)
    done = expect(cluster.aspenctl("-o", "json", "get", "k", "--prefix"), 0)
    answer = json.loads(done.stdout)
    check([kv["value"] for kv in answer["kvs"]] == ["v0", "v1", "v2"], f"get: {answer}")
    expect(cluster.aspenctl("get", "k1"), 0, "v1")
    expect(cluster.aspenctl("get", "k1", "--rev", "1000"), 1, "future revision")
    expect(cluster.aspenctl("put", "", "x"), 1, "key is not provided")
    expect(cluster.aspenctl("del", "k", "--prefix"), 0, "deleted: 3")
    expect(cluster.aspenctl("nonsense"), 2)
    expect(cluster.aspenctl("-o", "xml", "get", "k"), 2)


def a_dead_node(cluster):
    dead = (cluster.leader() + 1) % len(cluster)
    cluster.kill(dead)
    rows = {row["endpoint"]: row for row in cluster.status()["members"]}
    row = rows[cluster.client[dead]]
    check(not row["reachable"] and "unreachable" in row["condition"], f"the dead node: {row}")
    check(row["name"] == cluster.name(dead), f"its name is still known: {row}")
    expect(cluster.aspenctl("put", "a", "1"), 0)  # passes over the dead endpoint
    expect(cluster.aspenctl("put", "a", "1", endpoints=cluster.client[dead]), 1, "cannot connect")
    cluster.start(dead)
    cluster.wait_ready()


def sigterm(cluster):
    for i in range(len(cluster)):
        status = cluster.terminate(i)
        check(status == 0, f"SIGTERM ends {cluster.name(i)} with 0, not {status}")


def main():
    with Cluster() as cluster:
        cluster.start_all()
        for step in (before_init, refusals_of_init, init, status_and_members, verbs, a_dead_node,
                     sigterm):
            step(cluster)
            print(f"{step.__name__}: done", flush=True)
    print(f"{len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
