//! What the endpoint counts: every message it dropped has its reason here.

/// Counters of an [`Endpoint`](super::Endpoint) since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Requests received, retransmissions included.
    pub requests_received: u64,
    /// Responses received, retransmissions included.
    pub responses_received: u64,
    /// Requests sent, without retransmissions.
    pub requests_sent: u64,
    /// Responses sent, without retransmissions.
    pub responses_sent: u64,
    /// Messages sent again because a timer fired or the other end repeated itself.
    pub retransmissions_sent: u64,
    /// Received requests that were retransmissions.
    pub retransmissions_absorbed: u64,
    /// Responses dropped: no transaction of ours matches.
    pub stray_responses: u64,
    /// Malformed messages answered with an error.
    pub malformed_answered: u64,
    /// Malformed messages dropped: a response, an ACK, or nothing to answer to.
    pub malformed_dropped: u64,
    /// Requests answered 503: too many transactions.
    pub overload_rejected: u64,
    /// Requests answered 503: too many inputs waited.
    pub shed_backlog: u64,
    /// Requests answered 503: their flow brought too many a second.
    pub shed_flow_rate: u64,
    /// Requests answered 503: too many of their flow waited for an answer.
    pub shed_flow_pending: u64,
    /// Requests answered 503: their address brought too many a second.
    pub shed_address_rate: u64,
    /// Requests answered 503: too many of their address waited for an answer.
    pub shed_address_pending: u64,
    /// ACKs of such refusals, absorbed.
    pub refusal_acks: u64,
    /// Finished server transactions that ended before their timer: too many.
    pub finished_evicted: u64,
    /// Requests refused by the endpoint itself for what the user cannot do.
    pub incapable_refused: u64,
    /// Requests answered 482: they came on another way too.
    pub merged_refused: u64,
    /// CANCELs that matched no INVITE.
    pub stray_cancels: u64,
    /// Responses of the user that came too late or twice.
    pub late_answers: u64,
    /// Requests the user never answered.
    pub unanswered: u64,
    /// Responses that could not be sent: flow gone and no literal address in Via.
    pub unroutable_responses: u64,
    /// Requests without transaction that could not be sent.
    pub oneway_dropped: u64,
    /// Client transactions that timed out.
    pub timeouts: u64,
    /// Final responses to an INVITE that were never acknowledged.
    pub missing_acks: u64,
}
