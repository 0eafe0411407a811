"""What etcdctl is asked, in order: (arguments, stdin). The keys start with it/; {r+N} is the
revision that many changes after the first. The transcripts/ hold etcd's own answers."""

VALUES = [("it/b", "beta"), ("it/a", "alpha"), ("it/c", "gamma"), ("it/d", "alpha")]


def txn(compares, success, failure):
    return "\n".join([*compares, "", *success, "", *failure, "", ""])


def many(count):
    return [f"put it/t{i} x" for i in range(count)]


CASES = [
    # r+1..r+4: puts; r+5: b again, so that orders by version, creation and change differ
    *[(["put", key, value], "") for key, value in VALUES],
    (["put", "it/b", "beta2", "--prev-kv"], ""),
    (["put", "it/in"], "from stdin"),  # r+6
    (["put", "it/new", "x", "--prev-kv", "-w", "json"], ""),  # r+7
    (["put", "it/new", "--ignore-value", "-w", "json"], ""),  # r+8
    (["put", "it/new", "y", "--ignore-lease", "-w", "json"], ""),  # r+9
    (["put", "it/absent", "--ignore-value"], ""),
    (["put", "it/absent", "x", "--ignore-lease"], ""),
    (["put", "it/new", "x", "--lease", "123abc"], ""),
    (["put", "", "x"], ""),
    (["put"], ""),
    (["get", "it/a"], ""),
    (["get", "it/absent"], ""),
    (["get", "it/a", "--print-value-only"], ""),
    (["get", "it/a", "--keys-only"], ""),
    (["get", "it/a", "--hex"], ""),
    (["get", "it/a", "-w", "json"], ""),
    (["get", "it/b", "-w", "fields"], ""),
    (["get", "it/a", "--count-only", "-w", "json"], ""),
    (["get", "it/a", "--consistency", "s"], ""),
    (["get", ""], ""),
    (["get", "it/a", "it/c"], ""),
    (["get", "it/c", "it/a"], ""),
    (["get", "it/", "--prefix"], ""),
    (["get", "it/", "--prefix", "--keys-only"], ""),
    (["get", "it/", "--prefix", "--print-value-only"], ""),
    (["get", "it/", "--prefix", "--count-only", "-w", "fields"], ""),
    (["get", "it/", "--prefix", "--limit", "2"], ""),
    (["get", "it/", "--prefix", "--limit", "2", "-w", "json"], ""),
    (["get", "it/", "--prefix", "--limit", "100", "-w", "json"], ""),
    (["get", "it/c", "--from-key", "--limit", "2"], ""),
    *[(["get", "it/", "--prefix", "--sort-by", target, "--order", order, "--limit", "5"], "")
      for target in ("CREATE", "KEY", "MODIFY", "VERSION") for order in ("ASCEND", "DESCEND")],
    (["get", "it/a", "it/d", "--sort-by", "VALUE"], ""),
    (["get", "it/a", "it/d", "--sort-by", "VALUE", "--order", "DESCEND"], ""),
    (["get", "it/", "--prefix", "--sort-by", "NONSENSE"], ""),
    (["get", "it/b", "--rev", "{r+1}", "-w", "json"], ""),
    (["get", "it/b", "--rev", "{r+4}"], ""),
    (["get", "it/b", "--rev", "{r+5}"], ""),
    (["get", "it/", "--prefix", "--rev", "{r+2}"], ""),
    (["get", "it/a", "--rev", "{r+1000}"], ""),
    # transactions: r+10, r+11
    (["txn"], txn(['value("it/a") = "alpha"'], ["put it/a alpha2", "get it/a"], ["get it/b"])),
    (["txn"], txn(['value("it/a") = "alpha"'], ["put it/a alpha3"], ["get it/b", "get it/a"])),
    (["txn", "-w", "json"],
     txn(['mod("it/absent") = "0"', 'create("it/absent") = "0"', 'version("it/absent") = "0"',
          'version("it/b") > "1"', 'version("it/b") < "3"'],
         ["put it/t1 x", "del it/new --prev-kv", "get it/new", "get it/t1"], [])),
    (["txn", "-w", "json"], txn(['mod("it/a") != "1"'], ["get it/ --prefix --keys-only"], [])),
    (["txn"], txn([], [], [])),
    (["txn"], txn([], ["put it/x 1", "put it/x 2"], [])),
    (["txn"], txn([], ["put it/x 1", "del it/ --prefix"], [])),
    (["txn"], txn([], ["put it/x 1"], ["put it/y 1", "put it/y 2"])),
    (["txn"], txn([], many(129), [])),
    (["txn"], txn([], ["get it/a --rev 1000000"], [])),
    (["get", "it/x"], ""),
    # limits
    (["put", "it/large"], "x" * (1536 * 1024)),
    (["put", "it/large"], "x" * (1536 * 1024 + 4096)),
    # deletion: r+12..r+14
    (["del", "it/d"], ""),
    (["del", "it/d"], ""),
    (["del", "it/c", "--prev-kv"], ""),
    (["del", "it/t", "--prefix", "-w", "json"], ""),
    (["del", "it/a", "it/b", "--prev-kv", "-w", "json"], ""),  # r+15
    (["del", ""], ""),
    (["get", "it/", "--prefix"], ""),
    # history
    (["get", "it/", "--prefix", "--rev", "{r+9}", "--keys-only"], ""),
    (["compaction", "{r+9}"], ""),
    (["compaction", "{r+9}"], ""),
    (["compaction", "{r+1000}"], ""),
    (["compaction", "nonsense"], ""),
    (["get", "it/b", "--rev", "{r+8}"], ""),
    (["get", "it/b", "--rev", "{r+9}"], ""),
    (["compaction", "--physical", "{r+12}"], ""),
    (["get", "it/b", "--rev", "{r+9}"], ""),
    (["get", "it/", "--prefix", "-w", "json"], ""),
    (["del", "it/", "--prefix"], ""),
]
