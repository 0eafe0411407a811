#include "node/cli/commands.h"

#include "node/base/ids.h"

namespace aspen::cli {
namespace {

// The first key after all keys with this prefix, in etcd's terms: the prefix with its last byte
// that can be raised raised, or one zero byte, which means the end of the key space.
std::string prefix_end(std::string prefix) {
  while (!prefix.empty()) {
    const auto last = static_cast<unsigned char>(prefix.back());
    if (last < 0xff) {
      prefix.back() = static_cast<char>(last + 1);
      return prefix;
    }
    prefix.pop_back();
  }
  return std::string(1, '\0');
}

std::vector<std::string> without_scheme(
    const google::protobuf::RepeatedPtrField<std::string>& urls) {
  std::vector<std::string> addresses;
  for (const std::string& url : urls) {
    const std::size_t at = url.find("://");
    addresses.push_back(at == std::string::npos ? url : url.substr(at + 3));
  }
  return addresses;
}

// The empty prefix is every key; etcd writes its start as one zero byte.
std::string range_start(const std::string& key, Extent extent) {
  return key.empty() && extent == Extent::prefix ? std::string(1, '\0') : key;
}

}  // namespace

tl::expected<MemberArgument, std::string> parse_member(const std::string& text) {
  MemberArgument member;
  for (const std::string& part : client::split_endpoints(text)) {
    const std::size_t equals = part.find('=');
    const std::string key = part.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : part.substr(equals + 1);
    if (value.empty()) return tl::unexpected("'" + part + "' has no value");
    if (key == "name") {
      member.name = value;
    } else if (key == "peer") {
      member.peer = value;
    } else if (key == "client") {
      member.clients.push_back(value);
    } else {
      return tl::unexpected("'" + key + "' is not one of name, peer, client");
    }
  }
  std::string absent;
  if (member.clients.empty()) absent = "client= is missing";
  if (member.peer.empty()) absent = "peer= is missing";
  if (member.name.empty()) absent = "name= is missing";
  if (!absent.empty()) return tl::unexpected(absent);
  return member;
}

client::Outcome<Report> cluster_init(client::Client& client, const InitArguments& arguments) {
  aspen::v1::InitRequest request;
  if (arguments.cluster_id != 0) request.set_cluster_id(arguments.cluster_id);
  for (const MemberArgument& member : arguments.members) {
    auto& spec = *request.add_members();
    spec.set_name(member.name);
    spec.set_peer_address(member.peer);
    for (const auto& address : member.clients) spec.add_client_addresses(address);
  }
  const auto response = client.init(0, request);
  if (!response) return tl::unexpected(response.error());
  Report report;
  report.facts.emplace_back("cluster_id", to_hex(response->cluster_id()));
  report.list = "members";
  report.columns = {"name", "node_id", "peer_address", "client_addresses"};
  for (const auto& member : response->members()) {
    const auto& addresses = member.client_addresses();
    report.rows.push_back({member.name(), to_hex(member.node_id()), member.peer_address(),
                           std::vector<std::string>(addresses.begin(), addresses.end())});
  }
  return report;
}

client::Outcome<Report> member_list(client::Client& client) {
  const auto response = client.member_list();
  if (!response) return tl::unexpected(response.error());
  Report report;
  report.facts.emplace_back("cluster_id", to_hex(response->header().cluster_id()));
  report.list = "members";
  report.columns = {"name", "node_id", "peer_addresses", "client_addresses", "role"};
  for (const auto& member : response->members()) {
    report.rows.push_back({member.name(), to_hex(member.id()), without_scheme(member.peerurls()),
                           without_scheme(member.clienturls()),
                           std::string(member.islearner() ? "learner" : "voter")});
  }
  return report;
}

client::Outcome<Report> get(client::Client& client, const GetArguments& arguments) {
  etcdserverpb::RangeRequest request;
  request.set_key(range_start(arguments.key, arguments.extent));
  if (arguments.extent == Extent::prefix) request.set_range_end(prefix_end(arguments.key));
  request.set_limit(arguments.limit);
  request.set_revision(arguments.revision);
  request.set_keys_only(arguments.values == Values::keys_only);
  request.set_serializable(arguments.reading == Reading::serializable);
  const auto response = client.range(request);
  if (!response) return tl::unexpected(response.error());
  Report report;
  report.facts.emplace_back("revision", response->header().revision());
  report.facts.emplace_back("count", response->count());
  report.facts.emplace_back("more", response->more());
  report.list = "kvs";
  report.columns = {"key", "value", "version", "create_revision", "mod_revision"};
  for (const auto& kv : response->kvs()) {
    report.rows.push_back({Bytes{kv.key()}, Bytes{kv.value()}, std::int64_t{kv.version()},
                           std::int64_t{kv.create_revision()}, std::int64_t{kv.mod_revision()}});
  }
  return report;
}

client::Outcome<Report> put(client::Client& client, const std::string& key,
                            const std::string& value) {
  etcdserverpb::PutRequest request;
  request.set_key(key);
  request.set_value(value);
  const auto response = client.put(request);
  if (!response) return tl::unexpected(response.error());
  Report report;
  report.facts.emplace_back("revision", response->header().revision());
  return report;
}

client::Outcome<Report> del(client::Client& client, const std::string& key, Extent extent) {
  etcdserverpb::DeleteRangeRequest request;
  request.set_key(range_start(key, extent));
  if (extent == Extent::prefix) request.set_range_end(prefix_end(key));
  const auto response = client.delete_range(request);
  if (!response) return tl::unexpected(response.error());
  Report report;
  report.facts.emplace_back("revision", response->header().revision());
  report.facts.emplace_back("deleted", response->deleted());
  return report;
}

}  // namespace aspen::cli
