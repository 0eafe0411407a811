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
inline constexpr std::size_t read_rounds_max = 16;
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

// Bulk messages, which give way to all else: they travel in parts, and of what was written so much
// at most has not arrived, so that nothing else waits behind more than that.
inline constexpr std::size_t link_bulk_part_bytes = 64 * 1024;
inline constexpr std::size_t link_bulk_credit_bytes = 512 * 1024;
inline constexpr std::size_t link_bulk_report_bytes = 128 * 1024;  // told about at once
inline constexpr std::size_t link_bulk_queue_bytes_max = 12 * 1024 * 1024;
static_assert(link_bulk_report_bytes + link_bulk_part_bytes <= link_bulk_credit_bytes);

// What heartbeats and errors may use beyond a full queue.
inline constexpr std::size_t link_control_bytes_max = 64 * 1024;
// A payload up to this is copied behind its head; a larger one is sent from where it lies.
inline constexpr std::size_t link_copy_bytes_max = 2048;
// A frame above this is received into memory of its own, which its payload then shares.
inline constexpr std::size_t link_large_frame_bytes = 8 * 1024;
inline constexpr std::size_t link_write_parts_max = 64;  // of one gathered write
inline constexpr std::size_t link_casts_max = 65'536;    // of one message to the NodeServer
inline constexpr std::size_t node_subscribers_max = 16;
inline constexpr std::size_t node_requests_max = 64;  // probes and assignments under way
// Peers that were refused and are kept in the table, for people to see.
inline constexpr std::size_t strangers_max = 16;
static_assert(link_large_frame_bytes <= link_read_bytes / 2, "a small frame fits after compaction");

// ---- the replica and its requests
inline constexpr std::size_t requests_pending_max = 65'536;  // writes and reads in flight, each
// Entries committed and not applied yet, beyond which proposals are refused.
inline constexpr std::uint64_t apply_backlog_entries_max = 200'000;
// Payloads handed to the applier; beyond that it reads entries from the log instead.
inline constexpr std::size_t apply_backlog_bytes_max = 64 * 1024 * 1024;
// Applied and not durable in the state store: what a restart has to apply again.
inline constexpr std::uint64_t unflushed_bytes_max = 64 * 1024 * 1024;
inline constexpr std::size_t replica_mailbox_max = 131'072;
// Payloads of proposals, and keys of reads, that wait in the replica's tables.
inline constexpr std::size_t proposals_bytes_max = 128 * 1024 * 1024;
inline constexpr std::size_t reads_bytes_max = 64 * 1024 * 1024;
// Batches applied in one turn; then messages have theirs.
inline constexpr std::size_t apply_batches_per_turn_max = 4;
// Messages that wait for the own disk; more are lost, as a network loses them.
inline constexpr std::size_t parked_messages_max = 4096;
// Compactions whose callers wait until the space is given back.
inline constexpr std::size_t physical_waits_max = 1024;
// Steps of a scan between two looks at its deadline.
inline constexpr std::size_t scan_steps_per_check = 256;
// Writes that wait for the log writer's mailbox.
inline constexpr std::size_t log_writes_waiting_max = 1U << 20U;
// Reads of the log under way for one follower.
inline constexpr std::size_t log_reads_per_peer_max = window_appends_max;
inline constexpr std::size_t log_line_bytes_max = 4096;
// A node whose actors published nothing for that long is not live.
inline constexpr std::int64_t health_silence_ms_max = 10'000;

// Changes of the membership and transfers of the leadership that wait for an answer.
inline constexpr std::size_t controls_pending_max = 64;

static_assert(replica_mailbox_max >= requests_pending_max, "a full table fits behind itself");
// ---- the consensus core
// Entries that one append asks the driver to read; small entries fill it, large ones cut it short.
inline constexpr std::size_t append_spec_entries_max = 1024;

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
inline constexpr std::size_t apply_batch_responses_bytes_max = 8 * 1024 * 1024;
// What one command's writes take in memory, all copies counted: some 75,000 deleted keys. Every
// member must refuse the same commands, so neither this nor the next depends on a node's own limit.
inline constexpr std::size_t change_bytes_max = 64 * 1024 * 1024;
inline constexpr std::size_t command_response_bytes_max = 32 * 1024 * 1024;  // its answer
inline constexpr std::size_t response_bytes_max = 64 * 1024 * 1024;          // a read's answer
inline constexpr std::size_t clean_rows_max = 16'384;  // one step of physical deletion
// Keys and values fetched from the state store at once.
inline constexpr std::size_t read_batch_keys_max = 256;
inline constexpr std::size_t read_batch_bytes_max = 4 * 1024 * 1024;
// Keys whose newest version the store remembers, and how long they may be: 16 MiB at most.
inline constexpr std::size_t meta_cache_slots_max = 65'536;
inline constexpr std::size_t meta_cache_key_bytes_max = 128;
// Block cache and write buffers of the state store.
inline constexpr std::size_t state_store_memory_bytes_min = 32 * 1024 * 1024;
inline constexpr std::size_t state_store_open_files_max = 256;
// The least that --memory-limit may be. 35 % of it are the state store's.
inline constexpr std::size_t memory_limit_bytes_min = 256 * 1024 * 1024;

static_assert(change_bytes_max >= 8 * entry_bytes_max, "what a request itself carries always fits");
static_assert(apply_batch_bytes_max + apply_batch_responses_bytes_max + change_bytes_max +
                      2 * command_response_bytes_max <=
                  memory_limit_bytes_min / 100 * 65,
              "the smallest node survives any command; an answer counts twice: found, and encoded");
static_assert(2 * response_bytes_max <= memory_limit_bytes_min / 100 * 65, "and any read");

// ---- durable files of our own
inline constexpr std::size_t small_file_bytes_max = 64 * 1024;  // an identity
inline constexpr std::uint64_t log_segment_bytes_default = 64 * 1024 * 1024;
inline constexpr std::uint64_t log_segment_bytes_min = 16 * 1024;  // tests; entries must fit
inline constexpr std::uint64_t log_segment_bytes_max = 256 * 1024 * 1024;
inline constexpr std::size_t log_segments_max = 65'536;
// One record of the log. A larger batch is split, and may then survive a crash in part.
inline constexpr std::size_t log_record_bytes_max = 4 * 1024 * 1024;
inline constexpr std::size_t log_read_bytes = 1024 * 1024;  // read at once, unless a record is more
inline constexpr std::size_t log_spares_ready = 2;  // one to go on with, one in reserve for votes
inline constexpr std::size_t log_spares_max = 8;    // more recycled segments are removed
// What entries leave free at the end of a segment while no spare is ready: votes and purge marks.
inline constexpr std::uint64_t log_margin_bytes = 512 * 1024;

static_assert(log_record_bytes_max >= entry_bytes_max + 64 * 1024, "any entry fits a record");
static_assert(log_segment_bytes_default >= 8 * log_record_bytes_max, "little is left at the end");

// ---- snapshots
inline constexpr std::size_t snapshot_chunk_bytes = 1024 * 1024;
inline constexpr std::size_t snapshot_window_chunks = 8;  // asked for and not answered
inline constexpr std::size_t snapshot_transfers_max = 2;  // at once, of a sender
inline constexpr std::size_t snapshot_clients_max = 16;   // who wait for one to be made
inline constexpr std::size_t snapshot_files_max = 16'384;
inline constexpr std::size_t snapshot_name_bytes_max = 255;
// About 800,000 chunks, or 800 GiB.
inline constexpr std::size_t snapshot_manifest_bytes_max = 16 * 1024 * 1024;
inline constexpr std::size_t snapshot_chunks_max = snapshot_manifest_bytes_max / 16;

static_assert(frame_payload_bytes_max >= snapshot_chunk_bytes + 64 * 1024, "a chunk fits");
static_assert(link_bulk_queue_bytes_max >= (snapshot_window_chunks + 2) * snapshot_chunk_bytes,
              "what a receiver has asked for fits");

// ---- protocol adapters
// A call beyond etcd's request limit but below this one gets etcd's refusal instead of gRPC's.
inline constexpr std::size_t grpc_message_bytes_max = request_bytes_max + 512 * 1024;
// What etcd's own envelope adds to a request before it compares it with the limit.
inline constexpr std::size_t etcd_envelope_bytes = 18;
inline constexpr int grpc_streams_per_connection_max = 65'536;
// Answers that gRPC holds until their clients have read them.
inline constexpr std::size_t answers_in_flight_bytes_max = response_bytes_max + 64 * 1024 * 1024;
// Up to this size an answer is not refused: slow readers of large ones must not stop a cluster.
inline constexpr std::size_t answer_small_bytes = 64 * 1024;
inline constexpr std::size_t health_watches_max = 256;
inline constexpr std::size_t node_watches_max = 256;
inline constexpr std::size_t ping_bytes_max = 1024;
// Each connection occupies a thread until it is answered or has sent no request in time.
inline constexpr std::size_t http_threads = 16;
inline constexpr int http_request_ms_max = 1000;
inline constexpr std::size_t http_queue_max = 20;  // connections accepted and waiting
inline constexpr std::size_t http_query_bytes_max = 1024;
inline constexpr std::size_t metric_series_max = 8192;

static_assert(entry_bytes_max > request_bytes_max, "a request of the largest size must fit");
static_assert(append_spec_entries_max <= append_entries_max, "an append holds what was read");
static_assert(window_bytes_max >= 2 * append_bytes_max, "two appends in flight keep a link busy");

// ---- actors
inline constexpr std::size_t workers_max = 64;
inline constexpr std::size_t actors_max = 1 << 20;  // of one system
inline constexpr std::size_t children_max = 1 << 16;
inline constexpr std::size_t actor_name_bytes_max = 64;
inline constexpr std::size_t actor_names_max = 4096;     // of one system
inline constexpr std::size_t actor_timers_max = 256;     // of one actor
inline constexpr std::size_t asks_pending_max = 65'536;  // of one actor
inline constexpr std::size_t message_bytes_max = 488;    // larger ones travel behind a unique_ptr
inline constexpr std::size_t mailbox_messages_default = 1024;
inline constexpr std::size_t mailbox_messages_max = 1 << 20;
inline constexpr std::size_t turn_messages_max = 64;  // then the next actor has its turn
// A message from another thread waits behind at most so many others of its mailbox before its
// priority counts.
inline constexpr std::size_t mailbox_drain_interval = 16;
inline constexpr std::size_t turns_between_polls_max = 32;
inline constexpr std::size_t restarts_in_window_max = 64;
// A simulated instant in which more turns are taken is a livelock.
inline constexpr std::size_t sim_turns_per_instant_max = 4'000'000;

static_assert(mailbox_drain_interval <= turn_messages_max, "each turn looks at least once");
static_assert(mailbox_messages_default <= mailbox_messages_max);

// ---- TLS
inline constexpr std::size_t certificate_file_bytes_max = 256 * 1024;  // a bundle of many CAs
inline constexpr std::size_t tls_chain_bytes_max = 64 * 1024;  // what the other side shows of its
// Encrypted and not taken by the stream below; one record more fits always.
inline constexpr std::size_t tls_pending_bytes_max = 128 * 1024;
// Refused streams that are kept until the other side has read why.
inline constexpr std::size_t tls_farewells_max = 16;
inline constexpr std::size_t tls_farewell_bytes_max = 64 * 1024;  // read from each of them
inline constexpr std::size_t grpc_log_lines_per_minute_max = 20;

}  // namespace aspen::limits
