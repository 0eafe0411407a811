// A server over a FakeService on a free loopback port, and a channel to it.
#pragma once

#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "node/adapter/grpc/grpc_server.h"
#include "tests/adapter/grpc/fake_service.h"
#include "tests/contract/counting_telemetry.h"

namespace aspen::adapter {

class ServerFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    auto started = GrpcServer::start(options, {service, clock, telemetry});
    ASSERT_TRUE(started) << started.error().what;
    server = std::move(*started);
    channel = ::grpc::CreateChannel(address(), ::grpc::InsecureChannelCredentials());
  }
  [[nodiscard]] std::string address() const {
    return "127.0.0.1:" + std::to_string(server->listening_ports().at(0));
  }

  // Before SetUp().
  GrpcServerOptions options{{"127.0.0.1:0"}, Reflection::off, "9.8.7"};
  SteadyClock clock;
  CountingTelemetry telemetry;
  FakeService service{clock};
  std::unique_ptr<GrpcServer> server;
  std::shared_ptr<::grpc::Channel> channel;
};

}  // namespace aspen::adapter
