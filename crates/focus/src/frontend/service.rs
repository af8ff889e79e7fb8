//! SERVICE: the Focus Factory for clients, notifications from MCUs; and what the store answers.

use std::time::Instant;

use c3p::command::{Document, Request as C3pRequest, Response as C3pResponse};
use c3p::diagnostics::ids;
use c3p::{McuType, Reason};
use sip_core::{Method, ResponseDraft};

use super::FrontEndCore;
use super::core::Wanted;
use super::dispatch::method_not_allowed;
use super::ownership::{Held, Kind, Slot};
use super::refusal::Refusal;
use crate::conference::{Cx, Incoming, check_sender, read_c3p, user_key};
use crate::factory::{self, Fault, Order};
use crate::interior;
use crate::record::{ConferenceHead, Record, key};
use crate::report::{ConferenceChange, NodeReport};
use crate::seal;
use crate::store::{Expect, StoreError, StoreOp, StoreValue, Txn};

impl FrontEndCore {
    /// A request to the Factory of an organizer.
    pub(super) fn on_factory(&mut self, incoming: &Incoming, now: Instant) -> Result<(), Refusal> {
        if *incoming.request.method() != Method::Service {
            return Err(method_not_allowed());
        }
        let (request, order) = self.read_factory(incoming, now)?;
        match order {
            Ok(Order::Add { name, head }) => self.store_new(incoming, request, &name, head),
            Ok(Order::Get { name }) => {
                let wanted =
                    Wanted::Shown { incoming: Box::new(incoming.clone()), request: Box::new(request) };
                self.want(StoreOp::Get(key::head(&name)), wanted);
            }
            Ok(Order::Delete { name }) => {
                let until = now + self.config.timers.hold_request;
                let kind = Kind::Delete(Box::new(request));
                self.bring_to(&name, Held { incoming: incoming.clone(), kind, until }, now);
            }
            Err(Fault::Failure(reason)) => self.answer_failure(incoming, &request, reason, now),
            Err(Fault::Unauthorized) => return Err(Refusal::c3p(ids::C3P_AUTHORIZATION)),
            Err(Fault::NotImplemented) => return Err(Refusal::c3p(ids::C3P_NOT_IMPLEMENTED)),
        }
        Ok(())
    }

    fn read_factory(
        &mut self,
        incoming: &Incoming,
        now: Instant,
    ) -> Result<(C3pRequest, Result<Order, Fault>), Refusal> {
        let wall = self.wall(now);
        let cx = Cx { now, wall, ids: self.endpoint.ids(), config: &self.config, nodes: &self.nodes };
        let Document::Request(request) = read_c3p(&incoming.request, &cx)? else {
            return Err(Refusal::c3p(ids::C3P_NOT_PARSABLE));
        };
        check_sender(&incoming.request, &request)?;
        let target = incoming.request.uri().to_string();
        if !c3p::uri::same(&request.to, &target) {
            return Err(Refusal::c3p(ids::C3P_TO));
        }
        let organizer = c3p::uri::organizer(&target).unwrap_or_default().to_owned();
        let sender = incoming.request.from().uri().to_string();
        let order = self.factory_order(&request, &sender, &organizer, now);
        Ok((request, order))
    }

    /// For a deletion that came back from somebody who could not be reached.
    pub(super) fn delete_kind(&mut self, incoming: &Incoming, now: Instant) -> Option<(String, Kind)> {
        match self.read_factory(incoming, now).ok()? {
            (request, Ok(Order::Delete { name })) => Some((name, Kind::Delete(Box::new(request)))),
            (_, Ok(Order::Add { .. } | Order::Get { .. }) | Err(_)) => None,
        }
    }

    fn store_new(&mut self, incoming: &Incoming, request: C3pRequest, name: &str, head: Box<ConferenceHead>) {
        let at = key::head(name);
        let txn = Txn::new().guard(at.clone(), Expect::Absent).put(at, head.encode());
        let wanted =
            Wanted::Created { incoming: Box::new(incoming.clone()), request: Box::new(request), head };
        self.want(StoreOp::Commit(txn), wanted);
    }

    fn on_created(
        &mut self,
        incoming: &Incoming,
        request: &C3pRequest,
        head: &ConferenceHead,
        result: Result<StoreValue, StoreError>,
        now: Instant,
    ) {
        match result {
            Ok(_) => {
                self.answer_c3p(incoming, &factory::added(request, head), now);
                self.reports.push_back(NodeReport::Conference {
                    uri: head.uri.clone(),
                    owner: self.config.name.clone(),
                    epoch: head.epoch,
                    participants: 0,
                    change: ConferenceChange::Created,
                });
            }
            Err(StoreError::Conflict) => {
                self.answer_failure(incoming, request, Reason::ConferenceExists, now)
            }
            Err(_) => self.refuse(incoming, &store_unavailable(), now),
        }
    }

    fn on_shown(
        &mut self,
        incoming: &Incoming,
        request: &C3pRequest,
        result: Result<StoreValue, StoreError>,
        now: Instant,
    ) {
        let Ok(StoreValue::Entries(entries)) = result else {
            return self.refuse(incoming, &store_unavailable(), now);
        };
        match entries.first().and_then(|entry| ConferenceHead::decode(&entry.value).ok()) {
            Some(head) => self.answer_c3p(incoming, &factory::shown(request, &head), now),
            None => self.answer_failure(incoming, request, Reason::ConferenceDoesntExist, now),
        }
    }

    /// 200 with a C3P failure, as the Factory answers.
    pub(super) fn answer_failure(
        &mut self,
        incoming: &Incoming,
        request: &C3pRequest,
        reason: Reason,
        now: Instant,
    ) {
        tracing::info!(%reason, "the factory refused");
        self.answer_c3p(incoming, &C3pResponse::failure(request, reason), now);
    }

    fn answer_c3p(&mut self, incoming: &Incoming, response: &C3pResponse, now: Instant) {
        let tag = self.endpoint.new_token();
        let draft =
            ResponseDraft::to(&incoming.request, 200).to_tag(&tag).body(c3p::mime::C3P, response.write());
        self.endpoint.respond(incoming.tx, draft, now);
    }

    // ----- MCUs -----

    /// A notification of an MCU about its part of a conference.
    pub(super) fn on_interior(&mut self, incoming: &Incoming, now: Instant) {
        let draft = match self.take_notification(incoming, now) {
            Ok(draft) => draft,
            Err(refusal) => refusal.answer(&incoming.request, &self.config.name),
        };
        let draft = match incoming.request.to().tag() {
            Some(_) => draft,
            None => draft.to_tag(&self.endpoint.new_token()),
        };
        self.endpoint.respond(incoming.tx, draft, now);
    }

    fn take_notification(
        &mut self,
        incoming: &Incoming,
        now: Instant,
    ) -> Result<ResponseDraft, interior::Refusal> {
        let (envelope, document) = interior::parse(&incoming.request, &c3p::Limits::default())?;
        let notify = match document {
            Document::Notify(notify) => notify,
            Document::Request(_) => return Err(interior::Refusal::NotImplemented),
            Document::Response(_) => return Err(interior::Refusal::Malformed),
        };
        let unknown = interior::Refusal::UnknownConference;
        if self.pool_key().is_some_and(|key| !seal::is_good(key, &incoming.request)) {
            return Err(unknown);
        }
        // The instance is known to every participant; from elsewhere than an MCU's host it proves nothing.
        let host = self.endpoint.flow_info(incoming.flow).map(|info| info.remote.ip());
        if !host.is_some_and(|host| self.nodes.is_mcu_host(host)) {
            return Err(unknown);
        }
        let (conference, mcu) = c3p::uri::conference_of_mcu(&notify.from).ok_or(unknown)?;
        let name = conference_name(&conference).ok_or(unknown)?;
        let Some(Slot::Owned(owned)) = self.slots.get(&name) else { return Err(unknown) };
        let epoch = owned.head().epoch;
        if envelope.epoch > epoch {
            return Err(unknown);
        }
        let mut known = false;
        let word = McuType::as_str(mcu);
        self.with_conference(&name, now, |conference, cx| {
            known = conference.on_mcu_notify(word, &envelope.instance, &notify.info, cx);
        });
        if known {
            Ok(interior::acknowledge(&incoming.request, epoch, &envelope.instance))
        } else {
            Err(unknown)
        }
    }

    // ----- the store -----

    /// The store answered.
    pub(super) fn on_store(&mut self, wanted: Wanted, result: Result<StoreValue, StoreError>, now: Instant) {
        match wanted {
            Wanted::Beat => self.on_beat(result, now),
            Wanted::OwnRecord => self.on_own_record(result, now),
            Wanted::Nodes => self.on_nodes(result, now),
            Wanted::Sweep => self.on_sweep(result, now),
            Wanted::Expired { name, revision } => self.on_expired(&name, revision, result),
            Wanted::Bindings => self.on_bindings(result, now),
            Wanted::Heads => self.on_heads(result, now),
            Wanted::Told { name } => self.on_told(&name, result),
            Wanted::Head { name } => self.on_head(&name, result, now),
            Wanted::Claim { name, head, took_over } => self.on_claim(name, head, took_over, result, now),
            Wanted::Members { name, head, revision, took_over } => {
                self.on_members(name, head, revision, took_over, result, now);
            }
            Wanted::Write { name } => self.on_write(&name, result, now),
            Wanted::WriteConflict { name } => self.on_write_conflict(&name, result, now),
            Wanted::Check { name } => self.on_check(&name, result, now),
            Wanted::Verify { name, held } => self.on_verify(&name, *held, result, now),
            Wanted::Created { incoming, request, head } => {
                self.on_created(&incoming, &request, &head, result, now);
            }
            Wanted::Shown { incoming, request } => self.on_shown(&incoming, &request, result, now),
            Wanted::Bound { incoming, answer } => match result {
                Ok(_) => self.endpoint.respond(incoming.tx, *answer, now),
                Err(_) => self.refuse(&incoming, &store_unavailable(), now),
            },
            Wanted::Way { draft, asked } => self.on_way(*draft, asked.map(|asked| *asked), result, now),
            Wanted::Through { incoming } => self.on_through(&incoming, result, now),
            Wanted::Nothing => {}
        }
    }
}

/// The name in keys of the conference with this address.
fn conference_name(uri: &str) -> Option<String> {
    let organizer = c3p::uri::organizer(uri)?;
    Some(key::conference(&user_key(organizer), c3p::uri::conference_id(uri)?))
}

fn store_unavailable() -> Refusal {
    Refusal::new(503, ids::SERVICE_UNAVAILABLE, "The store is not available").with("Retry-After", "10")
}
