//! What peers and the network said, in the words of the machine.

use super::*;

/// The row of the decision table for a fault that a request of the Focus dialog met.
pub(crate) fn detector(fault: Fault) -> Detector {
    match fault {
        Fault::FlowFailed => Detector::D1,
        Fault::WaitForFarEnd => Detector::D2,
        Fault::RegistrationLost => Detector::D3,
        Fault::FlowFailedAgain => Detector::D5,
        Fault::Unreachable | Fault::FlowLost | Fault::Silent => Detector::D6,
        Fault::Status(404 | 410 | 480 | 604) => Detector::D18,
        Fault::Status(_) => Detector::D6,
    }
}

pub(super) fn first_diagnostics_id(value: &str) -> Option<u32> {
    value.parse::<c3p::diagnostics::Diagnostics>().ok().map(|diagnostics| diagnostics.id)
}

/// Something below SIP, or a lie of the peer's, in words.
pub(super) fn transport(text: &str) -> Reply {
    Reply::transport(text)
}

pub(super) fn reply_of(response: &Response) -> Reply {
    let c3p = cccp::Response::parse(response.body(), &c3p::Limits::default()).ok();
    Reply::status(response.status())
        .with_diagnostics(response.headers().get("ms-diagnostics"))
        .with_c3p_reason(c3p.and_then(|c3p| c3p.reason).map(|reason| reason.to_string()))
}

pub(super) fn fault_reply(fault: Fault) -> Reply {
    match fault.status() {
        Some(status) => Reply::status(status),
        None => Reply::transport(fault.to_string()),
    }
}

/// Whether an answer, or the lack of one, says that the way is broken and not that the Focus refused.
pub(super) fn is_way_lost(reply: &Reply) -> bool {
    matches!(reply.sip_status, None | Some(404 | 408 | 410 | 430 | 480 | 503 | 504 | 604))
}

/// The failure of a request of an attempt to join that has no answer.
pub(super) fn unanswered(error: SendError, awaited: Awaited, times: &LinkTimes) -> WireFailure {
    match error {
        SendError::Timeout => WireFailure::Silent { awaited, waited: times.first_answer },
        SendError::Unreachable | SendError::FlowLost | SendError::NotSent | SendError::Impostor => {
            WireFailure::Refused(transport(&error.to_string()))
        }
    }
}

pub(super) fn evidence(detected_by: Detector, first_sign: Instant, reply: &Reply) -> Evidence {
    Evidence::new(detected_by, first_sign)
        .with_status(reply.sip_status)
        .with_diagnostics(reply.diagnostics.clone())
}

pub(super) fn refused(op: OperationId, reply: Reply) -> Input {
    Input::CommandAnswered { op, outcome: CommandOutcome::Failure(reply) }
}

pub(super) fn outcome(answer: cccp::Response) -> CommandOutcome {
    match answer.code {
        cccp::Code::Pending => CommandOutcome::Pending,
        cccp::Code::Failure => {
            let reason = answer.reason.map_or_else(|| "otherFailure".to_owned(), |reason| reason.to_string());
            CommandOutcome::Failure(Reply::c3p(reason))
        }
        cccp::Code::Success => CommandOutcome::Success(match answer.result {
            cccp::CommandResult::SetLobbyAccess(results) => OperationValue::People(
                results
                    .into_iter()
                    .map(|one| PersonOutcome { user: one.user, failure: one.failure.map(|r| r.to_string()) })
                    .collect(),
            ),
            cccp::CommandResult::GetConference(Some(info)) => OperationValue::Roster(info),
            _ => OperationValue::Done,
        }),
    }
}
