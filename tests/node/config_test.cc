#include "node/config.h"

#include <gtest/gtest.h>

#include <unistd.h>
#include <filesystem>
#include <fstream>

namespace aspen {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const std::vector<std::string> minimal{"--name=n1", "--data-dir=/tmp/x"};

CommandLine parse(std::vector<std::string> more, const std::vector<std::string>& environment = {}) {
  std::vector<std::string> arguments = minimal;
  arguments.insert(arguments.end(), more.begin(), more.end());
  return parse_command_line(arguments, environment);
}

// A configuration file that is gone at the end of the test.
class ConfigFile {
 public:
  explicit ConfigFile(const std::string& content)
      : path_(testing::TempDir() + "aspen-config-" + std::to_string(::getpid()) + ".toml") {
    std::ofstream(path_) << content;
  }
  ~ConfigFile() { std::filesystem::remove(path_); }
  [[nodiscard]] std::string flag() const { return "--config=" + path_; }

 private:
  std::string path_;
};

TEST(Config, TlsFilesAreTakenForBothPortsAndPlaintextIsTheDefault) {
  const CommandLine plain = parse({});
  ASSERT_TRUE(plain.config.has_value()) << plain.text;
  EXPECT_FALSE(plain.config->client_tls.on());
  EXPECT_FALSE(plain.config->peer_tls.on());
  const CommandLine line =
      parse({"--client-tls-cert=/c", "--client-tls-key=/k", "--peer-tls-cert=/pc",
             "--peer-tls-key=/pk", "--peer-tls-ca=/pa"});
  ASSERT_TRUE(line.config.has_value()) << line.text;
  EXPECT_TRUE(line.config->client_tls.on());
  EXPECT_EQ(line.config->client_tls.key, "/k");
  EXPECT_EQ(line.config->client_tls.ca, "");
  EXPECT_TRUE(line.config->peer_tls.on());
  EXPECT_EQ(line.config->peer_tls.ca, "/pa");
  EXPECT_FALSE(parse({"--peer-tls-cert=/pc", "--peer-tls-key=/pk"}).config.has_value());
}

TEST(Config, DefaultsAreThoseOfTheContract) {
  const CommandLine line = parse({});
  ASSERT_TRUE(line.config.has_value()) << line.text;
  EXPECT_EQ(line.config->listen_client, ":2379");
  EXPECT_EQ(line.config->listen_peer, ":2380");
  EXPECT_EQ(line.config->listen_http, ":2381");
  EXPECT_EQ(line.config->election_timeout, seconds(1));
  EXPECT_EQ(line.config->heartbeat_interval, milliseconds(100));
  EXPECT_EQ(line.config->segment_bytes, 64U << 20U);
}

TEST(Config, FlagBeatsEnvironmentBeatsFile) {
  const ConfigFile file(
      "election-timeout = \"2s\"\nlog-level = \"warn\"\nsegment-bytes = \"32MiB\"\n");
  const CommandLine line =
      parse({file.flag(), "--election-timeout=500ms"},
            {"ASPEN_ELECTION_TIMEOUT=3s", "ASPEN_LOG_LEVEL=error", "PATH=/bin"});
  ASSERT_TRUE(line.config.has_value()) << line.text;
  EXPECT_EQ(line.config->election_timeout, milliseconds(500));
  EXPECT_EQ(line.config->log_level, "error");
  EXPECT_EQ(line.config->segment_bytes, 32U << 20U);
}

// An empty variable is an absent one, as an unset value of a deployment's template is.
TEST(Config, EmptyVariablesAreAbsent) {
  const CommandLine line =
      parse_command_line({"--peer-secret-file=/s", "--name=n1", "--data-dir=/tmp/x"},
                         {"ASPEN_NAME=", "ASPEN_GRPC_REFLECTION=", "ASPEN_LOG_LEVEL="});
  ASSERT_TRUE(line.config.has_value()) << line.text;
  EXPECT_EQ(line.config->name, "n1");
  EXPECT_EQ(line.config->peer_secret_file, "/s");
  EXPECT_EQ(line.config->log_level, "info");
  EXPECT_FALSE(line.config->grpc_reflection);
}

// An empty value is the flag's, and never swallows the argument behind it.
TEST(Config, EmptyValuesOfFlagsAreTheirOwn) {
  const CommandLine line = parse({"--heartbeat-interval=", "--peer-secret-file=/s"});
  ASSERT_TRUE(line.config.has_value()) << line.text;
  EXPECT_EQ(line.config->peer_secret_file, "/s");
  EXPECT_EQ(line.config->heartbeat_interval, milliseconds(100));
  const CommandLine nameless =
      parse_command_line({"--name=", "--peer-secret-file=/s", "--data-dir=/tmp/x"}, {});
  EXPECT_FALSE(nameless.config.has_value());
  EXPECT_NE(nameless.text.find("--name: expected"), std::string::npos) << nameless.text;
}

TEST(Config, GrpcReflectionIsTrueOrFalse) {
  EXPECT_TRUE(parse({"--grpc-reflection"}).config->grpc_reflection);
  EXPECT_TRUE(parse({}, {"ASPEN_GRPC_REFLECTION=true"}).config->grpc_reflection);
  EXPECT_FALSE(parse({}, {"ASPEN_GRPC_REFLECTION=false"}).config->grpc_reflection);
  EXPECT_FALSE(
      parse({"--grpc-reflection=false"}, {"ASPEN_GRPC_REFLECTION=true"}).config->grpc_reflection);
  const CommandLine empty = parse({"--grpc-reflection="});
  EXPECT_FALSE(empty.config.has_value());
  EXPECT_NE(empty.text.find("true or false"), std::string::npos) << empty.text;
}

TEST(Config, UnknownKeysAreRefusedWithTheNearestKnownOne) {
  const CommandLine flag = parse({"--election-timout=1s"});
  EXPECT_FALSE(flag.config.has_value());
  EXPECT_EQ(flag.exit_status, 2);
  EXPECT_NE(flag.text.find("did you mean 'election-timeout'"), std::string::npos) << flag.text;

  const ConfigFile file("segment-byte = \"8MiB\"\n");
  const CommandLine key = parse({file.flag()});
  EXPECT_FALSE(key.config.has_value());
  EXPECT_EQ(key.exit_status, 2);
  EXPECT_NE(key.text.find("did you mean 'segment-bytes'"), std::string::npos) << key.text;
}

TEST(Config, BadValuesNameTheFlagAndWhatIsAccepted) {
  const struct {
    std::string flag;
    std::string says;
  } cases[] = {
      {"--election-timeout=5", "expected a duration"},
      {"--election-timeout=1ms", "from 100ms to 50s"},
      {"--heartbeat-interval=900ms", "a third of the election timeout"},
      {"--segment-bytes=64MB", "expected a size"},
      {"--segment-bytes=-1", "expected a size"},
      {"--segment-bytes=15MiB", "from 16MiB to 256MiB"},
      {"--segment-bytes=257MiB", "from 16MiB to 256MiB"},
      {"--memory-limit=1MiB", "at least 256MiB"},
      {"--listen-client=2379", "expected host:port"},
      {"--listen-peer=:99999", "expected host:port"},
      {"--log-format=xml", "text or json"},
      {"--log-level=loud", "debug, info, warn or error"},
      {"--client-tls-cert=/x", "expected both or neither"},
      {"--client-tls-key=/x", "expected both or neither"},
      {"--client-tls-ca=/x", "--client-tls-ca only with them"},
      {"--peer-tls-cert=/x", "expected all three or none"},
      {"--peer-tls-ca=/x", "expected all three or none"},
      {"--config=/does/not/exist", "cannot be read"},
      {"--name=", "--name"},
  };
  for (const auto& each : cases) {
    const CommandLine line = parse({each.flag});
    EXPECT_FALSE(line.config.has_value()) << each.flag;
    EXPECT_EQ(line.exit_status, 2) << each.flag;
    EXPECT_NE(line.text.find(each.says), std::string::npos) << each.flag << ": " << line.text;
  }
}

TEST(Config, TheFileIsAFileAndMeansWhatItSays) {
  const CommandLine folder = parse({"--config=" + testing::TempDir()});
  EXPECT_FALSE(folder.config.has_value());
  EXPECT_NE(folder.text.find("cannot be read"), std::string::npos) << folder.text;
  for (const char* wrong : {"\"ture\"", "\"yes\"", "1"}) {
    const ConfigFile file(std::string("grpc-reflection = ") + wrong + "\n");
    const CommandLine line = parse({file.flag()});
    EXPECT_FALSE(line.config.has_value()) << wrong;
    EXPECT_NE(line.text.find("true or false"), std::string::npos) << line.text;
  }
  const ConfigFile file("grpc-reflection = true\n");
  EXPECT_TRUE(parse({file.flag()}).config->grpc_reflection);
}

TEST(Config, AVariableThatLooksMistypedIsWarnedOf) {
  const CommandLine line = parse({}, {"ASPEN_ELECTION_TIMOUT=1s", "ASPEN_SERVICE_HOST=10.0.0.1",
                                      "ASPEN_ENDPOINTS=a:1", "ASPEN_NAME=n2", "PATH=/bin"});
  ASSERT_TRUE(line.config.has_value()) << line.text;
  ASSERT_EQ(line.warnings.size(), 1U);
  EXPECT_NE(line.warnings[0].find("ASPEN_ELECTION_TIMOUT"), std::string::npos);
  EXPECT_NE(line.warnings[0].find("ASPEN_ELECTION_TIMEOUT?"), std::string::npos);
}

TEST(Config, HelpAndVersionAreNoErrors) {
  const CommandLine help = parse_command_line({"--help"}, {});
  EXPECT_EQ(help.exit_status, 0);
  EXPECT_NE(help.text.find("--election-timeout"), std::string::npos);
  EXPECT_EQ(parse_command_line({"--version"}, {}).exit_status, 0);
}

TEST(Config, DurationsAndSizesHaveUnits) {
  EXPECT_EQ(parse_duration("500ms").value(), milliseconds(500));
  EXPECT_EQ(parse_duration("1.5s").value(), milliseconds(1500));
  EXPECT_EQ(parse_duration("2m").value(), std::chrono::minutes(2));
  EXPECT_FALSE(parse_duration("10").has_value());
  EXPECT_FALSE(parse_duration("ms").has_value());
  EXPECT_FALSE(parse_duration("-1s").has_value());
  EXPECT_EQ(parse_size("64MiB").value(), 64U << 20U);
  EXPECT_EQ(parse_size("65536").value(), 65'536U);
  EXPECT_EQ(parse_size("2GiB").value(), std::uint64_t{2} << 30U);
  EXPECT_FALSE(parse_size("1TB").has_value());
  EXPECT_FALSE(parse_size("nan").has_value());
}

}  // namespace
}  // namespace aspen
