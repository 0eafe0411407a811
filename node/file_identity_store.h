// The identity and the plan of an Init as two small files of the data directory.
#pragma once

#include <string>

#include "node/port/file_system.h"
#include "node/replica/identity.h"

namespace aspen {

class FileIdentityStore final : public replica::IdentityStore {
 public:
  FileIdentityStore(FileSystem& files, std::string data_dir)
      : files_(files), data_dir_(std::move(data_dir)) {}

  [[nodiscard]] Result<replica::Identity> load() override;
  [[nodiscard]] Result<void> save(const replica::Identity& identity) override;
  [[nodiscard]] Result<replica::Identity> load_plan() override;
  [[nodiscard]] Result<void> save_plan(const replica::Identity& plan) override;

 private:
  [[nodiscard]] Result<replica::Identity> load_file(const char* name);

  FileSystem& files_;
  std::string data_dir_;
};

}  // namespace aspen
