// The only home of maxima. Every queue, table, buffer, retry and message names its bound here, and
// relations between bounds are asserted beside the reason.
#pragma once

#include <cstddef>
#include <cstdint>

namespace aspen::limits {

// ---- membership
inline constexpr std::size_t members_max = 64;  // voters and learners of one configuration
inline constexpr std::size_t voters_max = 7;    // Init accepts one to seven
inline constexpr std::size_t member_addresses_max = 16;

// ---- requests (etcd's defaults: reference etcd-api 1.5)
inline constexpr std::size_t request_bytes_max = 1536 * 1024;
inline constexpr std::size_t txn_operations_max = 128;

// ---- entries and appends
// A request and its header: the origin, the time, field lengths.
inline constexpr std::size_t entry_bytes_max = request_bytes_max + 64 * 1024;
inline constexpr std::size_t append_bytes_max = 1024 * 1024;  // one append; one entry always fits
inline constexpr std::size_t append_entries_max = 4096;
inline constexpr std::size_t window_bytes_max = 8 * 1024 * 1024;  // in flight to one peer
inline constexpr std::size_t window_appends_max = 64;
inline constexpr std::size_t uncommitted_bytes_max = 64 * 1024 * 1024;
// Entries that the core keeps in memory behind the commit index, for followers that lag a little.
inline constexpr std::size_t tail_bytes_max = 16 * 1024 * 1024;
inline constexpr std::size_t reads_pending_max = 65'536;
inline constexpr std::size_t log_io_in_flight_max = 4;

// ---- links between nodes
// What a frame says about its payload; a handshake frame is nothing else.
inline constexpr std::size_t frame_meta_bytes_max = 4096;
inline constexpr std::size_t frame_payload_bytes_max = 2 * 1024 * 1024;
inline constexpr std::size_t cast_target_bytes_max = 64;  // an actor's registered name
inline constexpr std::size_t node_name_bytes_max = 255;
inline constexpr std::size_t address_bytes_max = 300;  // a host name, a colon and a port
inline constexpr std::size_t link_queue_bytes_max = 16 * 1024 * 1024;  // waiting for one peer
inline constexpr std::size_t link_read_bytes = 64 * 1024;              // one read of a stream
inline constexpr std::size_t link_reads_per_turn_max = 8;
// Streams accepted or dialled whose peer has not proved itself yet.
inline constexpr std::size_t links_pending_max = 64;
inline constexpr std::size_t cast_handlers_max = 256;
inline constexpr std::size_t resolver_requests_max = 1024;

static_assert(frame_payload_bytes_max >= entry_bytes_max + 64 * 1024, "any entry fits, forwarded");
static_assert(frame_payload_bytes_max >= append_bytes_max + 64 * 1024, "an append fits");
static_assert(link_queue_bytes_max >= window_bytes_max + 2 * frame_payload_bytes_max,
              "a full append window does not fill the queue");

// ---- the key-value store
// Each level of a transaction has at least one operation of the levels above it to nest in, and
// uses up one of txn_operations_max.
inline constexpr std::size_t txn_depth_max = txn_operations_max + 2;
// A batch of applied entries is closed when it has grown to this; one more command always fits.
inline constexpr std::size_t apply_batch_bytes_max = 16 * 1024 * 1024;
inline constexpr std::size_t apply_batch_responses_bytes_max = 16 * 1024 * 1024;
inline constexpr std::size_t change_bytes_max = 64 * 1024 * 1024;     // one command's writes
inline constexpr std::size_t response_bytes_max = 128 * 1024 * 1024;  // one command's answer
inline constexpr std::size_t clean_rows_max = 16'384;  // one step of physical deletion
// Keys fetched from the state store at once.
inline constexpr std::size_t read_batch_keys_max = 256;

static_assert(entry_bytes_max > request_bytes_max, "a request of the largest size must fit");
static_assert(window_bytes_max >= 2 * append_bytes_max, "two appends in flight keep a link busy");

}  // namespace aspen::limits
