//! Subscriptions to the conference (conference-info section 7).

use std::time::Duration;

use bytes::Bytes;
use c3p::mime::{CONFERENCE_INFO, EVENT_CONFERENCE};
use sip_core::{Dialog, Method, Request, ResponseDraft};

use super::participant::Watch;
use super::{Conference, Cx, Effect, Incoming, Participant, PersonKey, Sent, user_key};
use crate::frontend::refusal::{Refusal, SIP_LAYER};

/// What the 2xx offers.
const SUPPORTED: &str =
    "ms-benotify, ms-piggyback-first-notify, com.microsoft.autoextend, ms-dialog-route-set-update";

impl Conference {
    /// A SUBSCRIBE outside of any dialog: a new subscription, or (sipe) the end of one.
    pub(super) fn on_subscribe(&mut self, incoming: &Incoming, cx: &mut Cx<'_>) -> Result<(), Refusal> {
        check_event(&incoming.request)?;
        let expires = wished_expiry(&incoming.request, cx)?;
        let person = self.subscriber(&incoming.request);
        if expires.is_zero() {
            // One client ends its subscription outside of the dialog: by (subscriber, conference), not by dialog.
            if let Some(person) = &person {
                self.end_watch(person, "timeout", None, cx);
                self.store_person(person);
            }
            let response = self.subscribe_answer(incoming, expires).to_tag(&cx.ids.token());
            self.respond(incoming, response);
            return Ok(());
        }
        let person = person.ok_or_else(|| Refusal::c3p(c3p::diagnostics::ids::C3P_AUTHORIZATION))?;
        let tag = cx.ids.token();
        let dialog = Dialog::uas(&incoming.request, &tag)
            .map_err(|_| Refusal::new(400, SIP_LAYER, "The request cannot begin a dialog"))?;
        self.index_dialog(dialog.id().clone(), person.clone());
        let autoextend = incoming.request.supports("com.microsoft.autoextend");
        let watch = Watch {
            dialog,
            flow: Some(incoming.flow),
            benotify: incoming.request.supports("ms-benotify"),
            expires_at: (!autoextend).then_some(cx.now + expires),
            needs_full: false,
        };
        if let Some(found) = self.people.get_mut(&person) {
            found.watch = Some(watch);
            found.resend_at = None;
        }
        self.first_document(incoming, &person, expires, Some(&tag), cx);
        if let Some(found) = self.people.get_mut(&person) {
            found.refresh_subscription_record(true);
        }
        self.store_person(&person);
        Ok(())
    }

    /// A SUBSCRIBE in a subscription's dialog: refresh, repair, or end.
    pub(super) fn on_resubscribe(
        &mut self,
        incoming: &Incoming,
        person: &PersonKey,
        cx: &mut Cx<'_>,
    ) -> Result<(), Refusal> {
        check_event(&incoming.request)?;
        let expires = wished_expiry(&incoming.request, cx)?;
        if let Some(found) = self.people.get_mut(person) {
            found.absent_until = None;
            found.resend_at = None;
            if let Some(watch) = &mut found.watch {
                watch.flow = Some(incoming.flow);
                watch.dialog.refresh_target(incoming.request.contact());
                if !incoming.request.record_route().is_empty() {
                    watch.dialog.replace_route_from_request(&incoming.request);
                }
                watch.expires_at = watch.expires_at.map(|_| cx.now + expires);
            }
        }
        if expires.is_zero() {
            let response = self.subscribe_answer(incoming, expires);
            self.respond(incoming, response);
            self.end_watch(person, "timeout", None, cx);
            self.store_person(person);
            return Ok(());
        }
        self.first_document(incoming, person, expires, None, cx);
        Ok(())
    }

    /// Answers a SUBSCRIBE, with the full document in the answer or in a NOTIFY behind it.
    fn first_document(
        &mut self,
        incoming: &Incoming,
        person: &PersonKey,
        expires: Duration,
        tag: Option<&str>,
        cx: &mut Cx<'_>,
    ) {
        let watchers = self.people.values().filter(|found| found.watch.is_some()).count();
        if self.publish.is_pending() && watchers <= cx.config.bounds.flush_watchers_max {
            // So that nobody holds two different documents of one version.
            let held = self.people.get_mut(person).and_then(|found| found.watch.take());
            self.publish_now(cx);
            if let Some(found) = self.people.get_mut(person) {
                found.watch = held;
            }
        }
        let body = self.document_for(person);
        let mut response = self.subscribe_answer(incoming, expires);
        if let Some(tag) = tag {
            response = response.to_tag(tag);
        }
        if !incoming.request.supports("ms-piggyback-first-notify") {
            self.respond(incoming, response);
            return self.notify(person, body, cx);
        }
        let mut cseq = 0;
        if let Some(watch) = self.people.get_mut(person).and_then(|found| found.watch.as_mut()) {
            watch.dialog.skip_local_cseq(1);
            watch.needs_full = false;
            cseq = watch.dialog.local_cseq();
        }
        if self.people.get(person).is_some_and(Participant::is_subscription_record_old) {
            self.stale.insert(person.clone());
        }
        let response = response
            .header("ms-piggyback-cseq", cseq.to_string())
            .header("Subscription-State", format!("active;expires={}", expires.as_secs()))
            .body(CONFERENCE_INFO, body);
        self.respond(incoming, response);
    }

    fn subscribe_answer(&self, incoming: &Incoming, expires: Duration) -> ResponseDraft {
        ResponseDraft::to(&incoming.request, 200)
            .header("Contact", self.contact())
            .header("Expires", expires.as_secs().to_string())
            .header("Event", EVENT_CONFERENCE)
            .header("Supported", SUPPORTED)
    }

    /// Which endpoint subscribes: only one that has an INVITE dialog may.
    fn subscriber(&self, request: &Request) -> Option<PersonKey> {
        let user = user_key(request.from().uri().as_str());
        let epid = request.from().param("epid");
        let contact = request.contact().map(|contact| contact.uri().to_string());
        let rank = |found: &Participant| {
            let same_device = epid.is_some() && found.record.epid.as_deref() == epid;
            let same_contact = contact.is_some() && found.record.gruu == contact;
            (same_device, same_contact, found.watch.is_none(), found.record.order)
        };
        let seats = self.of_user(&user).filter(|(_, found)| found.focus.is_some());
        seats.max_by_key(|(_, found)| rank(found)).map(|(key, _)| key.clone())
    }

    /// Sends a document, as the watcher wants it.
    pub(super) fn notify(&mut self, person: &PersonKey, body: Bytes, cx: &Cx<'_>) {
        let benotify =
            self.people.get(person).and_then(|found| found.watch.as_ref()).map(|watch| watch.benotify);
        match benotify {
            Some(true) => {
                let Some((draft, reach)) = self.notification(person, Method::Benotify, body, cx) else {
                    return;
                };
                self.emit(Effect::Oneway { draft, reach });
            }
            Some(false) => self.notify_surely(person, body, cx),
            None => {}
        }
    }

    /// Sends a document by NOTIFY.
    pub(super) fn notify_surely(&mut self, person: &PersonKey, body: Bytes, cx: &Cx<'_>) {
        let Some((draft, reach)) = self.notification(person, Method::Notify, body, cx) else { return };
        self.request(draft, reach, Sent::Notify { person: person.clone() });
    }

    fn notification(
        &mut self,
        person: &PersonKey,
        method: Method,
        body: Bytes,
        cx: &Cx<'_>,
    ) -> Option<(sip_core::RequestDraft, super::Reach)> {
        let contact = self.contact();
        let found = self.people.get_mut(person)?;
        let reach = found.watch_reach();
        if found.is_subscription_record_old() {
            self.stale.insert(person.clone());
        }
        let watch = found.watch.as_mut()?;
        watch.needs_full = false;
        let left =
            watch.expires_at.map_or(cx.config.timers.subscription, |at| at.saturating_duration_since(cx.now));
        let draft = watch
            .dialog
            .request(method)
            .header("Contact", contact.as_str())
            .header("Event", EVENT_CONFERENCE)
            .header("Subscription-State", format!("active;expires={}", left.as_secs()))
            .body(CONFERENCE_INFO, body);
        Some((draft, reach))
    }

    /// Ends a subscription with a last NOTIFY.
    pub(super) fn end_watch(
        &mut self,
        person: &PersonKey,
        reason: &'static str,
        document: Option<Bytes>,
        cx: &Cx<'_>,
    ) {
        let contact = self.contact();
        let Some(found) = self.people.get_mut(person) else { return };
        let effect = terminated(found, &contact, reason, document, cx);
        found.record.subscription = None;
        if let Some(effect) = effect {
            self.emit(effect);
        }
    }

    /// The last NOTIFY of somebody who has no seat any more.
    pub(super) fn last_notify(
        &mut self,
        found: &mut Participant,
        reason: &'static str,
        document: Option<Bytes>,
        cx: &Cx<'_>,
    ) -> Option<Effect> {
        terminated(found, &self.contact(), reason, document, cx)
    }
}

fn terminated(
    found: &mut Participant,
    contact: &str,
    reason: &'static str,
    document: Option<Bytes>,
    _cx: &Cx<'_>,
) -> Option<Effect> {
    let reach = found.watch_reach();
    let mut watch = found.watch.take()?;
    // NOTIFY, not BENOTIFY: it must arrive (section 7.3).
    let mut draft = watch
        .dialog
        .request(Method::Notify)
        .header("Contact", contact)
        .header("Event", EVENT_CONFERENCE)
        .header("Subscription-State", format!("terminated;reason={reason}"));
    if let Some(document) = document {
        draft = draft.body(CONFERENCE_INFO, document);
    }
    Some(Effect::Request { draft, reach, sent: Sent::Farewell })
}

fn check_event(request: &Request) -> Result<(), Refusal> {
    let package = request.headers().get("Event").and_then(|event| event.split(';').next()).map(str::trim);
    if !package.is_some_and(|package| package.eq_ignore_ascii_case(EVENT_CONFERENCE)) {
        let refusal = Refusal::new(489, SIP_LAYER, "Only the conference package is known here");
        return Err(refusal.with("Allow-Events", EVENT_CONFERENCE));
    }
    let mut accept = request.headers().get_all("Accept").peekable();
    let any = |line: &str| {
        line.split(',').any(|one| {
            let mime = one.split(';').next().unwrap_or_default().trim();
            mime.eq_ignore_ascii_case(CONFERENCE_INFO) || mime == "*/*" || mime == "application/*"
        })
    };
    if accept.peek().is_some() && !accept.any(any) {
        return Err(Refusal::new(406, SIP_LAYER, "The conference package has one document type")
            .with("Accept", CONFERENCE_INFO));
    }
    Ok(())
}

fn wished_expiry(request: &Request, cx: &Cx<'_>) -> Result<Duration, Refusal> {
    let most = cx.config.timers.subscription;
    match request.headers().get("Expires") {
        None => Ok(most),
        Some(text) => match text.trim().parse::<u32>() {
            Ok(seconds) => Ok(Duration::from_secs(u64::from(seconds)).min(most)),
            Err(_) => Err(Refusal::new(400, SIP_LAYER, "Expires cannot be read")),
        },
    }
}
