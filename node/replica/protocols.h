// The protocols of a replica's actors.
#pragma once

#include "node/replica/messages.h"

namespace aspen::replica {

using RaftProtocol =
    actor::Protocol<Propose, Read, LocalRead, GetView, PeerMessage, PeerLinkChanged,
                    ForwardReceived, ForwardRefused, Initialised, IdentityDoubted, LogDone,
                    LogStalled, AppliedUpTo, LogRead, RaftTick, OpenAgain, Control, HandOver,
                    ControlReceived, ControlAnswered, AddressProbed, MemberFound, MemberPlaced,
                    SnapshotReceived, SnapshotEnded, SnapshotArrived, StateInstalled, TakeSnapshot,
                    Introduced>;
using LogOpenerProtocol = actor::Protocol<OpenLog>;
using LogWriterProtocol = actor::Protocol<WriteLog, PurgeLog, RetryWrite>;
using ApplierProtocol =
    actor::Protocol<ApplyCommitted, ExecuteReads, ApplierTick, ApplyMore, CleanStep, InstallState>;
using ReaderProtocol = actor::Protocol<ScanRead>;
using LogReaderProtocol = actor::Protocol<ReadLog>;
using SnapshotExporterProtocol = actor::Protocol<SendSnapshot, StopSending, TakeSnapshot,
                                                 SnapshotReceived, ExporterTick, DescribeMore>;
using SnapshotImporterProtocol =
    actor::Protocol<SnapshotReceived, PeerLinkChanged, ArrivalSettled, ImporterTick, CheckMore>;

}  // namespace aspen::replica
