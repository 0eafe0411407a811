#include "tests/contract/log_store_samples.h"

namespace aspen::contract {

std::vector<Entry> make_entries(LogId first, Index last, std::size_t payload_bytes) {
  std::vector<Entry> entries;
  for (Index at = first.index; at <= last; at = at + 1) {
    std::string payload = std::to_string(first.term.value) + "/" + std::to_string(at.value) + " ";
    while (payload.size() < payload_bytes) payload += payload;
    payload.resize(payload_bytes);
    entries.push_back({{first.term, at}, EntryKind::command, Bytes(payload)});
  }
  return entries;
}

Entry make_config(LogId id, std::string_view payload) {
  return {id, EntryKind::config, Bytes(payload)};
}

HardState make_hard_state(Term term, NodeId vote) {
  return {term, PeerId{vote, {vote.value * 3, vote.value * 5}}};
}

}  // namespace aspen::contract
