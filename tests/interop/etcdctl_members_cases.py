"""What etcdctl is asked about members, in order: arguments, or a step between two of them. {id:N}
is the id of the member at the peer address of node N, {peer:N} that address, {follower} the id of a
voter that does not lead. The transcripts/ hold etcd's own answers."""


class Start:
    """A node is started, and waited for until it is a started member."""

    def __init__(self, node):
        self.node = node


class WhenInSync(list):
    """Asked again while the learner lags."""


def add(node, *flags):
    return ["member", "add", f"n{node}", f"--peer-urls=http://{{peer:{node}}}", *flags]


def update(member, node, *flags):
    return ["member", "update", f"{{id:{member}}}", f"--peer-urls=http://{{peer:{node}}}", *flags]


CASES = [
    ["member", "list"],
    ["member", "list", "-w", "json"],
    # a voter whose node never runs
    add(4),
    ["member", "list"],
    ["member", "list", "-w", "fields"],
    ["member", "add", "n9", "--peer-urls=http://{peer:1}"],
    ["member", "add", "n9", "--peer-urls=127.0.0.1:1"],
    ["member", "add", "n9", "--peer-urls=http://127.0.0.1"],
    ["member", "promote", "{id:1}"],
    update(4, 5),
    ["member", "list"],
    update(5, 1),
    update(5, 4, "-w", "json"),
    ["member", "update", "1234", "--peer-urls=http://{peer:5}"],
    ["member", "update", "nothex", "--peer-urls=http://{peer:5}"],
    ["member", "promote", "1234"],
    ["member", "remove", "1234"],
    ["member", "remove", "nothex"],
    ["member", "remove", "{id:4}"],
    ["member", "remove", "{id:4}"],
    ["member", "update", "{id:4}", "--peer-urls=http://{peer:5}"],
    ["member", "list"],
    # a learner, before and after its node runs
    add(4, "--learner"),
    ["member", "list"],
    ["member", "promote", "{id:4}"],
    ["member", "remove", "{id:4}", "-w", "json"],
    add(5, "--learner", "-w", "json"),
    Start(5),
    ["member", "list"],
    ["move-leader", "{id:5}"],
    WhenInSync(["member", "promote", "{id:5}"]),
    ["member", "promote", "{id:5}"],
    ["member", "list", "-w", "json"],
    ["put", "members/a", "1"],
    ["move-leader", "1234"],
    ["move-leader", "nothex"],
    ["move-leader", "{follower}"],
    ["move-leader", "{follower}"],
    ["member", "remove", "{id:5}"],
    ["member", "list"],
    ["get", "members/a"],
]
