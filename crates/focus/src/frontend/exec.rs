//! Carrying out what conferences want: answers, requests over the best known way, orders to MCUs.

use std::time::Instant;

use c3p::McuType;
use c3p::command::{AddUser, Code, Command, CommandResult, Document, Request as C3pRequest};
use c3p::info::User;
use sip_core::{RequestDraft, Target};

use super::FrontEndCore;
use super::core::{Asked, Wanted};
use super::ownership::Slot;
use crate::conference::{Effect, McuAnswer, McuOrder, Outcome, Reach};
use crate::interior::{self, Answer, Envelope};
use crate::proxy::{self, Plan, target_of};
use crate::registrar;
use crate::report::{ConferenceChange, NodeReport};
use crate::seal;
use crate::store::{StoreError, StoreOp, StoreValue};

impl FrontEndCore {
    /// Does what a conference wants, in its order.
    pub(super) fn carry_out(&mut self, name: &str, effects: Vec<Effect>, now: Instant) {
        for effect in effects {
            match effect {
                Effect::Respond { incoming, response } => self.endpoint.respond(incoming.tx, response, now),
                Effect::Request { draft, reach, sent } => {
                    let asked = Asked::Conference { name: name.to_owned(), sent };
                    self.send(draft, &reach, Some(asked), now);
                }
                Effect::Oneway { draft, reach } => self.send(draft, &reach, None, now),
                Effect::Mcu { mcu, address, instance, order } => {
                    let asked = Asked::Mcu { name: name.to_owned(), mcu, instance, order };
                    self.order_mcu(name, address, asked, now);
                }
                Effect::Call { tx, flow, request, address } => {
                    let target = Target::Address { transport: address.transport, addr: address.addr };
                    let mut plan = Plan::up(vec![target]).off_route();
                    if let Some(key) = self.pool_key() {
                        plan = plan.header(seal::SEAL, seal::of(key, &request));
                    }
                    let incoming = proxy::Incoming { flow, tx: Some(tx), request: &request };
                    self.proxy.forward(&mut self.endpoint, incoming, plan, now);
                }
                Effect::Report { change, participants } => self.report_conference(name, change, participants),
            }
        }
    }

    fn report_conference(&mut self, name: &str, change: ConferenceChange, participants: usize) {
        let Some(Slot::Owned(conference)) = self.slots.get(name) else { return };
        let head = conference.head();
        self.reports.push_back(NodeReport::Conference {
            uri: head.uri.clone(),
            owner: self.config.name.clone(),
            epoch: head.epoch,
            participants,
            change,
        });
    }

    /// Sends a request of our own: on the dialog's flow, else along its route set, else to where the GRUU is bound.
    fn send(&mut self, draft: RequestDraft, reach: &Reach, asked: Option<Asked>, now: Instant) {
        let flow = reach.flow.filter(|flow| self.endpoint.flow_info(*flow).is_some());
        if let Some(flow) = flow {
            return self.send_to(draft, Target::Flow(flow), asked, now);
        }
        let next = draft.next_hop_uri();
        if let Some(target) = target_of(&next).filter(|_| !self.proxy.is_own(&next)) {
            return self.send_to(draft, target, asked, now);
        }
        let gruu = reach.gruu.as_deref().and_then(|gruu| gruu.parse().ok());
        let at = registrar::key_of(&draft.uri).or_else(|| gruu.as_ref().and_then(registrar::key_of));
        match at {
            Some(at) => {
                let wanted = Wanted::Way { draft: Box::new(draft), asked: asked.map(Box::new) };
                self.want(StoreOp::Get(at), wanted);
            }
            None => self.unsent(asked, now),
        }
    }

    /// The binding for a request of ours was read.
    pub(super) fn on_way(
        &mut self,
        draft: RequestDraft,
        asked: Option<Asked>,
        result: Result<StoreValue, StoreError>,
        now: Instant,
    ) {
        let route = self.route_of(result, now);
        if route.is_empty() {
            return self.unsent(asked, now);
        }
        match self.proxy.resolve(&self.endpoint, &route, &draft.uri) {
            Ok(resolved) => self.send_to(draft.route(resolved.route), resolved.target, asked, now),
            Err(_) => self.unsent(asked, now),
        }
    }

    fn send_to(&mut self, draft: RequestDraft, target: Target, asked: Option<Asked>, now: Instant) {
        match asked {
            Some(asked) => {
                let tx = self.endpoint.send_request(draft, target, now);
                self.asked.insert(tx, asked);
            }
            None => self.endpoint.send_oneway(draft, target, now),
        }
    }

    fn unsent(&mut self, asked: Option<Asked>, now: Instant) {
        if let Some(asked) = asked {
            self.on_asked(asked, &Outcome::Lost, now);
        }
    }

    /// Sends an order to an MCU.
    fn order_mcu(&mut self, name: &str, address: sip_core::ListenAddr, asked: Asked, now: Instant) {
        let Asked::Mcu { mcu, instance, order, .. } = &asked else { return };
        let draft = self.interior_request(name, mcu, instance, order);
        match draft {
            Some(draft) => {
                let target = Target::Address { transport: address.transport, addr: address.addr };
                let draft = seal::put(self.pool_key(), draft);
                self.send_to(draft, target, Some(asked), now);
            }
            None => self.unsent(Some(asked), now),
        }
    }

    fn interior_request(
        &mut self,
        name: &str,
        mcu: &str,
        instance: &str,
        order: &McuOrder,
    ) -> Option<RequestDraft> {
        let sender = self.interior_address()?;
        // The conference may be over by now; its last orders still name it.
        let Some(Slot::Owned(conference)) = self.slots.get(name) else { return None };
        let head = conference.head();
        let uri = head.uri.clone();
        let mcu_uri = c3p::uri::mcu_uri(&uri, McuType::from_token(mcu)?)?;
        let command = match order {
            McuOrder::Activate => Command::ActivateConference {
                conference: uri.clone(),
                info: Box::new(conference.activation_info()),
            },
            McuOrder::Resync => Command::Resync { conference: uri.clone() },
            McuOrder::Admit { user, .. } => Command::AddUser(AddUser {
                conference: uri.clone(),
                user: conference.introduction(user).unwrap_or_else(|| User::new(user.as_str())),
            }),
            McuOrder::Remove { user, .. } => {
                Command::DeleteUser { conference: uri.clone(), user: user.clone() }
            }
            McuOrder::Lock { locked } => {
                Command::ModifyConferenceLock { conference: uri.clone(), locked: *locked }
            }
            McuOrder::Deactivate => Command::DeactivateConference { conference: uri.clone() },
        };
        let envelope = Envelope { epoch: head.epoch, instance: instance.to_owned(), sender };
        let id = self.pool.next_interior_id();
        let request = C3pRequest::new(id, uri.clone(), mcu_uri.clone(), command);
        let ids = self.endpoint.ids();
        interior::request(&envelope, &Document::Request(request), &uri, &mcu_uri, || ids.token()).ok()
    }
}

/// What an MCU's answer means.
pub(super) fn mcu_answer(outcome: &Outcome) -> McuAnswer {
    let Outcome::Response(response) = outcome else { return McuAnswer::Lost };
    match interior::parse_answer(response, &c3p::Limits::default()) {
        Answer::Done(response) => match (response.code, response.result) {
            (Code::Success, CommandResult::ActivateConference(info) | CommandResult::Resync(info)) => {
                McuAnswer::Done(info)
            }
            (Code::Success | Code::Pending, _) => McuAnswer::Done(None),
            (Code::Failure, _) => McuAnswer::Refused,
        },
        Answer::Taken => McuAnswer::Done(None),
        Answer::Refused { status: 408 | 503 | 504, .. } => McuAnswer::Lost,
        Answer::Refused { .. } => McuAnswer::Refused,
    }
}
