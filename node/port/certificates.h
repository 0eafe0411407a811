// The certificate, key and CA bundle of one use, such as the client port, as they are now: renewed
// files come into use without a restart.
//
// Owner: the assembly; it outlives its users. Any thread; nothing here blocks.
#pragma once

#include <functional>
#include <memory>
#include <string>

namespace aspen {

// In PEM, checked: they fit together.
struct Certificates {
  std::string chain;  // the own certificate, then those between it and its CA
  std::string key;
  std::string ca;  // whose certificates the other side may have; empty: it is not asked for one
};

class CertificateSource {
 public:
  virtual ~CertificateSource() = default;
  // Never null; another object after each renewal.
  [[nodiscard]] virtual std::shared_ptr<const Certificates> current() const = 0;
  // `renewed` is called on a thread of the source after each renewal; a new one replaces the old
  // one, which is not called any more when this returns. It must not call this itself.
  virtual void set_listener(std::function<void()> renewed) = 0;
};

}  // namespace aspen
