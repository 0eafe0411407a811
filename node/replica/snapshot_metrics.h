// The metrics of snapshots, sent and received.
#pragma once

#include "node/port/telemetry.h"

namespace aspen::replica {

struct SnapshotMetrics {
  explicit SnapshotMetrics(Telemetry& telemetry)
      : save_seconds(telemetry.histogram(
            {"aspen_snapshot_save_seconds", "Time of making a snapshot of the state.", {}},
            Buckets::disk_seconds)),
        restore_seconds(
            telemetry.histogram({"aspen_snapshot_restore_seconds",
                                 "Time of taking over a snapshot of a peer, from its offer on.",
                                 {}},
                                Buckets::disk_seconds)),
        sent_bytes(telemetry.counter(
            {"aspen_snapshot_sent_bytes_total", "Content of snapshots sent to peers.", {}})),
        received_bytes(telemetry.counter({"aspen_snapshot_received_bytes_total",
                                          "Content of snapshots received from peers.",
                                          {}})),
        resumed_bytes(telemetry.counter(
            {"aspen_snapshot_resumed_bytes_total",
             "Content of snapshots that was there already when a transfer began or went on.",
             {}})),
        sent(telemetry.counter({"aspen_snapshots_sent_total",
                                "Transfers of snapshots to peers that were taken over.",
                                {}})),
        send_failures(telemetry.counter({"aspen_snapshot_send_failures_total",
                                         "Transfers of snapshots to peers that ended otherwise.",
                                         {}})),
        installed(telemetry.counter({"aspen_snapshots_installed_total",
                                     "Snapshots of peers that this node has taken over.",
                                     {}})),
        receive_failures(
            telemetry.counter({"aspen_snapshot_receive_failures_total",
                               "Snapshots of peers that were not taken over for a reason of "
                               "this node.",
                               {}})),
        sending(telemetry.gauge(
            {"aspen_snapshot_transfers", "Transfers of snapshots to peers under way.", {}})) {}

  Histogram& save_seconds;
  Histogram& restore_seconds;
  Counter& sent_bytes;
  Counter& received_bytes;
  Counter& resumed_bytes;
  Counter& sent;
  Counter& send_failures;
  Counter& installed;
  Counter& receive_failures;
  Gauge& sending;
};

}  // namespace aspen::replica
