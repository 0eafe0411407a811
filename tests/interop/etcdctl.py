"""etcdctl as the tests use it: which ones there are, how to run one, and its output in a form that
is the same on every cluster."""
import os
import re
import shutil
import subprocess


def version_of(binary):
    """(3, 4) for etcdctl 3.4.x, None if it cannot be run."""
    try:
        done = subprocess.run([binary, "version"], capture_output=True, text=True, timeout=20,
                              env={**os.environ, "ETCDCTL_API": "3"})
    except OSError:
        return None
    found = re.search(r"etcdctl version: (\d+)\.(\d+)", done.stdout)
    return (int(found[1]), int(found[2])) if found else None


def find():
    """Every etcdctl there is, one for each version: [(version, path)]. $ASPEN_ETCDCTL, beside
    $ASPEN_ETCD, and PATH."""
    candidates = [os.environ["ASPEN_ETCDCTL"]] if os.environ.get("ASPEN_ETCDCTL") else []
    etcd = shutil.which(os.environ.get("ASPEN_ETCD") or "etcd")
    if etcd:
        candidates.append(os.path.join(os.path.dirname(etcd), "etcdctl"))
    for folder in os.environ["PATH"].split(os.pathsep):
        path = shutil.which("etcdctl", path=folder)
        if path:
            candidates.append(path)
    by_version = {}
    for path in candidates:
        version = version_of(path)
        if version is not None:
            by_version.setdefault(version, path)
    return sorted(by_version.items())


def run(binary, endpoints, arguments, stdin="", limit_s=60):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ETCDCTL_")}
    environment["ETCDCTL_API"] = "3"
    return subprocess.run([binary, "--endpoints", endpoints, *arguments], input=stdin,
                          capture_output=True, text=True, timeout=limit_s, env=environment)


class Normal:
    """Replaces what differs between clusters: ids, terms, ports and durations by names, revisions
    by their distance from `base`."""

    def __init__(self, cluster, base):
        self.addresses = {}
        for i in range(len(cluster)):
            self.addresses[cluster.client[i]] = f"CLIENT{i + 1}"
            self.addresses[cluster.peer[i]] = f"PEER{i + 1}"
        self.base = base

    def __call__(self, text):
        for address, name in self.addresses.items():
            text = text.replace(address, name)
        text = re.sub(r'"(cluster_id|member_id|raft_term)":\d+', r'"\1":*', text)
        text = re.sub(r'"(ClusterID|MemberID|RaftTerm)" : \d+', r'"\1" : *', text)
        text = re.sub(r'"(revision|create_revision|mod_revision)":(\d+)', self._revision, text)
        text = re.sub(r'"(Revision|CreateRevision|ModRevision)" : (\d+)', self._revision, text)
        text = re.sub(r"(compacted revision) (\d+)",
                      lambda m: f"{m[1]} r{int(m[2]) - self.base:+d}", text)
        text = re.sub(r"took = [0-9.]+[mµn]?s", "took = *", text)
        # A log line of the client holds times and addresses; its error is what counts.
        text = re.sub(r'^\{"level".*?"error":"(.*?)"\}$', r"client log: \1", text, flags=re.M)
        text = re.sub(r'^\{"level".*\}\n', "", text, flags=re.M)
        return text

    def _revision(self, match):
        return match[0].replace(match[2], f"r{int(match[2]) - self.base:+d}")
