// Sockets that listen at one address: several if a host name stands for several.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "node/adapter/tcp/tcp_transport.h"

namespace aspen::adapter::tcp {

class TcpListener final : public Listener {
 public:
  // Possible errors: those of Transport::listen.
  [[nodiscard]] static Result<std::unique_ptr<Listener>> open(TcpTransport& transport,
                                                              const HostPort& address,
                                                              ListenerSink& sink);
  ~TcpListener() override;
  [[nodiscard]] std::string address() const override { return address_; }

 private:
  class Socket;
  TcpListener();
  std::vector<std::unique_ptr<Socket>> sockets_;
  std::string address_;
};

}  // namespace aspen::adapter::tcp
