"""Who includes whom, from the #include lines."""
import posixpath

from . import source

# Library headers and where they may appear; tests may use what the module they mirror may.
ADAPTERS_ONLY = ("rocksdb/", "prometheus/", "cpprest/", "pplx/")
GRPC_ALSO = ("node/client", "node/cli", "tests/bench", "tests/interop", "tests/e2e")
PROTO_ALSO = GRPC_ALSO + ("node/wire",)


def read_layers(path):
    layers = {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        if ":" not in line:
            raise SystemExit(f"tidy: {path}:{number}: expected 'module: allowed modules'")
        module, allowed = line.split(":", 1)
        layers[module.strip()] = allowed.split()
    return layers


class Layers:
    def __init__(self, path):
        self.layers = read_layers(path)

    def check(self, file):
        module = source.module_of(file.path)
        for line, include in file.includes:
            target = include[1:-1]
            if include[0] == "<":
                yield from self.check_library(file, module, line, target)
            elif target.endswith(".pb.h"):
                if not self.may_use(module, PROTO_ALSO):
                    yield line, "layer", f"{module} may not include generated headers ({target})"
            else:
                yield from self.check_module(file, module, line, target)

    def check_library(self, file, module, line, target):
        if target.startswith(ADAPTERS_ONLY) and not self.may_use(module, ()):
            yield line, "library", f"<{target}> belongs under adapter"
        if target.startswith(("grpcpp/", "grpc/")) and not self.may_use(module, GRPC_ALSO):
            yield line, "library", f"<{target}> belongs under adapter, client and cli"
        if target.endswith(".pb.h"):
            yield line, "library", f"generated headers are quoted: \"{target}\""
        if target.startswith(("node/", "operator/", "tests/")):
            yield line, "library", f"own headers are quoted: \"{target}\""

    def may_use(self, module, also):
        if module == "tests/contract" or source.in_adapter(module) or module in also:
            return True
        return module.startswith("tests/") and source.mirrored(module) in also

    def check_module(self, file, module, line, target):
        if not target.startswith(("node/", "operator/", "tests/")):
            yield line, "layer", f"\"{target}\" does not start at the root of the checkout"
            return
        wanted = source.module_of(target)
        if wanted == module or file.path.startswith("cmake/"):
            return
        allowed = self.allowed(module)
        if allowed is None:
            yield line, "layer", f"tests/tidy/layers.txt does not know the module {module}"
            return
        stem = posixpath.splitext(target)[0]
        for item in allowed:
            if wanted == item or wanted.startswith(item + "/") or stem == item:
                return
        yield line, "layer", f"{module} may not include {wanted} ({target})"

    def allowed(self, module):
        """None if the module is not known."""
        listed = self.listed(module)
        if not module.startswith("tests/"):
            return listed
        # tests/X: the module, what it may include, what is listed for X besides, and the worlds,
        # suites and tools that tests share.
        mirrored = source.mirrored(module)
        inner = self.listed(mirrored)
        if inner is None:
            return listed
        return inner + (listed or []) + [mirrored, "tests/sim", "tests/contract", "tests/support"]

    def listed(self, module):
        """What the longest name in the table that the module begins with may include."""
        name = module
        while name not in self.layers:
            if "/" not in name:
                return None
            name = name.rsplit("/", 1)[0]
        return self.layers[name]
