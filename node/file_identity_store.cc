#include "node/file_identity_store.h"

#include "node/adapter/posix/small_file.h"

namespace aspen {

namespace {
constexpr const char* identity_file = "/identity";
constexpr const char* plan_file = "/init-plan";
}  // namespace

Result<replica::Identity> FileIdentityStore::load_file(const char* name) {
  const Result<std::string> bytes = adapter::posix::read_small_file(files_, data_dir_ + name);
  if (!bytes) return tl::unexpected<Error>(bytes.error());
  return replica::decode_identity(*bytes);
}

Result<replica::Identity> FileIdentityStore::load() {
  return load_file(identity_file);
}
Result<replica::Identity> FileIdentityStore::load_plan() {
  return load_file(plan_file);
}
Result<void> FileIdentityStore::save(const replica::Identity& identity) {
  return adapter::posix::write_small_file(files_, data_dir_ + identity_file,
                                          replica::encode(identity));
}
Result<void> FileIdentityStore::save_plan(const replica::Identity& plan) {
  return adapter::posix::write_small_file(files_, data_dir_ + plan_file, replica::encode(plan));
}

}  // namespace aspen
