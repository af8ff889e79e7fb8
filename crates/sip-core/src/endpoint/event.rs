//! What the endpoint tells its transaction user.

use std::net::SocketAddr;
use std::time::Duration;

use super::flow::{CloseReason, FlowId, FlowInfo, UnreachableReason};
use crate::{Request, Response, TransportKind};

/// The name of a client transaction, unique in one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientTransactionId(pub(super) u64);

/// The name of a server transaction, unique in one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerTransactionId(pub(super) u64);

/// Why a client transaction ended without a final response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransactionError {
    /// No final response in time (timers B and F, or the limit on a ringing INVITE).
    #[error("no final response within {waited:?}")]
    Timeout {
        /// How long it waited.
        waited: Duration,
    },
    /// The address could not be reached.
    #[error("{addr} cannot be reached over {transport}: {reason}")]
    Unreachable {
        /// The transport tried.
        transport: TransportKind,
        /// The address.
        addr: SocketAddr,
        /// Why.
        reason: UnreachableReason,
    },
    /// The flow was not open, or closed before a final response came.
    #[error("the flow closed: {reason}")]
    FlowClosed {
        /// Why.
        reason: CloseReason,
    },
    /// The limit on transactions was reached; nothing was sent.
    #[error("too many transactions")]
    Overloaded,
}

/// Something the transaction user has to know.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A new request: any but ACK, BENOTIFY and CANCEL.
    Request {
        /// Its transaction, to be answered exactly once with a final response.
        tx: ServerTransactionId,
        /// The flow it came on.
        flow: FlowId,
        /// The request.
        request: Request,
    },
    /// A request that is never answered: the ACK of a 2xx, a BENOTIFY.
    Oneway {
        /// The flow it came on.
        flow: FlowId,
        /// The request.
        request: Request,
    },
    /// A CANCEL came for this INVITE and was answered; the user still has to answer the INVITE, with 487.
    Cancelled {
        /// The INVITE's transaction.
        tx: ServerTransactionId,
    },
    /// A response: provisional but 100, or final. A 2xx to an INVITE comes again when it is retransmitted.
    Response {
        /// Its transaction.
        tx: ClientTransactionId,
        /// The flow it came on.
        flow: FlowId,
        /// The response.
        response: Response,
    },
    /// A client transaction ended without a final response.
    Failed {
        /// The transaction.
        tx: ClientTransactionId,
        /// Why.
        error: TransactionError,
    },
    /// A 2xx of ours to an INVITE was never acknowledged: end the dialog.
    NoAck {
        /// The INVITE's transaction.
        tx: ServerTransactionId,
    },
    /// A flow was opened, by us or by the other end.
    FlowOpened {
        /// The flow.
        flow: FlowId,
        /// Its ends.
        info: FlowInfo,
    },
    /// A flow ended. Comes before the `Failed` of its transactions.
    FlowClosed {
        /// The flow.
        flow: FlowId,
        /// Its ends.
        info: FlowInfo,
        /// Why.
        reason: CloseReason,
    },
    /// An address cannot be reached. Comes before the `Failed` of its transactions.
    Unreachable {
        /// The transport tried.
        transport: TransportKind,
        /// The address.
        addr: SocketAddr,
        /// Why.
        reason: UnreachableReason,
    },
    /// A message was refused by the endpoint itself; `status` is `None` if it was dropped. For the log.
    Rejected {
        /// The flow it came on.
        flow: FlowId,
        /// What it was answered with.
        status: Option<u16>,
        /// What was wrong with it.
        reason: String,
    },
    /// The answer to a keep-alive came.
    Pong {
        /// On this flow.
        flow: FlowId,
    },
}
