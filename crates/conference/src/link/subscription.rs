//! The subscription to the roster: SUBSCRIBE, its refreshes, notifications, and how it ends.

use c3p::info::EndpointStatus;
use sip_core::header::SubscriptionState;

use super::*;

/// How long a subscription is asked to last (RFC 4575 section 3: one hour).
const SUBSCRIPTION_S: u32 = 3600;
/// The gaps between a refused SUBSCRIBE and the next one while the Focus dialog lives, the last one repeated.
const AGAIN_GAPS_S: [u64; 6] = [2, 4, 8, 16, 30, 60];

/// A subscription that ends before it is that old is made anew after a pause.
const YOUNG: Duration = Duration::from_secs(5);
/// The longest pause before a rejoin that a server can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

impl FocusLink {
    pub(super) fn subscribe(&mut self, ua: &mut UserAgent, now: Instant) {
        let from = ua.new_from();
        let call_id = format!("sub-{}", ua.endpoint().new_token());
        let draft = RequestDraft::new(Method::Subscribe, self.uri.clone())
            .from(from.clone())
            .to(NameAddr::new(self.uri.clone()))
            .call_id(call_id.clone())
            .cseq(1);
        let draft = subscribe_headers(draft, &ua.contact(), SUBSCRIPTION_S);
        let request = ua.send(draft.clone(), Routing::Outbound, now);
        self.subscription = Some(Subscription {
            dialog: None,
            draft: Some(draft),
            call_id,
            from_tag: from.tag().unwrap_or_default().to_owned(),
            request: Some(request),
            refresh_at: None,
            awaits_document: true,
            bad_documents: 0,
            newest: None,
            overtaken: false,
            off_route: false,
            way_lost: false,
            document_by: None,
            made_at: now,
        });
    }

    pub(super) fn resubscribe(&mut self, off_route: bool, ua: &mut UserAgent, now: Instant) {
        let contact = ua.contact();
        let Some(sub) = &mut self.subscription else { return };
        let Some(dialog) = &mut sub.dialog else { return };
        let (draft, routing) = if off_route {
            (dialog.request_off_route(Method::Subscribe), Routing::Outbound)
        } else {
            (dialog.request(Method::Subscribe), Routing::Route)
        };
        sub.request = Some(ua.send(subscribe_headers(draft, &contact, SUBSCRIPTION_S), routing, now));
        sub.awaits_document = true;
        sub.refresh_at = None;
        sub.document_by = None;
        sub.off_route = off_route;
    }

    pub(super) fn on_subscribe_answer(&mut self, response: &Response, ua: &mut UserAgent, now: Instant) {
        let Some(sub) = &mut self.subscription else { return };
        sub.request = None;
        let status = response.status();
        if status >= 300 {
            return self.on_subscribe_failed(reply_of(response), ua, now);
        }
        match (&mut sub.dialog, sub.draft.take()) {
            (Some(dialog), _) => {
                dialog.refresh_target(response.contact());
                if sub.off_route {
                    dialog.replace_route_from_response(response);
                }
            }
            (None, Some(draft)) => match Dialog::uac(&draft, response) {
                Ok(dialog) => sub.dialog = Some(dialog),
                Err(_) => {
                    let reply = transport("the 2xx of the SUBSCRIBE makes no dialog");
                    return self.on_subscribe_failed(reply, ua, now);
                }
            },
            (None, None) => {}
        }
        self.subscribe_refused = 0;
        sub.way_lost = false;
        let granted = response.headers().get("Expires").and_then(|value| value.trim().parse().ok());
        let seconds: u32 = granted.unwrap_or(SUBSCRIPTION_S).max(1);
        sub.refresh_at = Some(now + Duration::from_secs(u64::from(seconds)) * 4 / 5);
        if !response.body().is_empty() {
            sub.awaits_document = true;
            self.on_document(response.body(), ua, now);
        } else if sub.awaits_document {
            sub.document_by = Some(now + self.times.first_answer);
        }
    }

    /// The SUBSCRIBE was accepted, but no document followed: nobody knows what the roster is.
    pub(super) fn on_document_missing(&mut self, ua: &mut UserAgent, now: Instant) {
        if let Some(sub) = &mut self.subscription {
            sub.document_by = None;
        }
        if self.healing {
            let (awaited, waited) = (Awaited::FirstDocument, self.times.first_answer);
            self.heal_again(WireFailure::Silent { awaited, waited }, ua, now);
        } else if self.attempt.is_none() {
            self.subscribe_later(now);
        }
    }

    /// Not healed until a roster came: back to the loop.
    fn heal_again(&mut self, error: WireFailure, ua: &mut UserAgent, now: Instant) {
        // Where the loop still runs nothing failed that it does not know of.
        let Some(dialog) = self.dialog.as_mut().filter(|dialog| !dialog.is_healing()) else { return };
        self.events.push_back(Input::HealFailed { error });
        dialog.heal(false, ua, now);
        self.drain_dialog(ua, now);
    }

    /// The subscription could not be made or refreshed: what that means depends on what we were doing.
    pub(super) fn on_subscribe_failed(&mut self, reply: Reply, ua: &mut UserAgent, now: Instant) {
        let (refresh, off_route) =
            self.subscription.as_ref().map_or((false, false), |sub| (sub.dialog.is_some(), sub.off_route));
        if self.attempt.is_some() {
            return self.give_up_attempt(WireFailure::Refused(reply), ua, now);
        }
        if refresh && reply.sip_status == Some(481) {
            // The subscription is lost; whether the Focus dialog is, too, a probe tells (D8).
            self.subscription = None;
            if off_route {
                self.subscribe(ua, now);
            } else {
                self.probe(Detector::D8, ua, now);
            }
            return;
        }
        let way_lost = is_way_lost(&reply);
        match &mut self.subscription {
            Some(sub) if refresh => sub.way_lost = way_lost,
            Some(_) | None => self.subscription = None,
        }
        let Some(dialog) = &mut self.dialog else { return };
        if self.healing {
            return self.heal_again(WireFailure::Refused(reply), ua, now);
        }
        if off_route && way_lost && self.subscribe_refused == 0 {
            self.repair_tried = false;
            let evidence = evidence(Detector::D6, now, &reply);
            self.events.push_back(Input::RouteLost { evidence, failed: None });
        } else {
            self.suspicion.get_or_insert((Detector::D6, now));
            dialog.probe(ua, now);
            self.subscribe_later(now);
        }
        self.drain_dialog(ua, now);
    }

    /// Without a new document nobody knows what was missed meanwhile: once more, at a pace that burdens nobody.
    fn subscribe_later(&mut self, now: Instant) {
        let refused = usize::try_from(self.subscribe_refused).unwrap_or(usize::MAX);
        let gap = AGAIN_GAPS_S[refused.min(AGAIN_GAPS_S.len() - 1)];
        self.subscribe_refused = self.subscribe_refused.saturating_add(1);
        self.subscribe_again = Some(now + Duration::from_secs(gap));
    }

    pub(super) fn on_notify(&mut self, request: &Request, ua: &mut UserAgent, now: Instant) {
        let Some(sub) = &mut self.subscription else { return };
        if let Some(dialog) = &mut sub.dialog
            && dialog.check_request(request).is_err()
        {
            return;
        }
        let state = request.header::<SubscriptionState>().ok().flatten();
        if let Some(over) = state.filter(SubscriptionState::is_terminated) {
            let reason = over.reason.as_deref().unwrap_or_default().to_ascii_lowercase();
            if !request.body().is_empty() && reason != "deactivated" && reason != "probation" {
                self.on_document(request.body(), ua, now);
            }
            let pause = over.retry_after.map(|seconds| Duration::from_secs(u64::from(seconds)));
            return self.on_subscription_over(&reason, pause, request, ua, now);
        }
        if !request.body().is_empty() {
            self.on_document(request.body(), ua, now);
        }
    }

    pub(super) fn on_subscription_over(
        &mut self,
        reason: &str,
        pause: Option<Duration>,
        request: &Request,
        ua: &mut UserAgent,
        now: Instant,
    ) {
        if self.ending.is_some() || self.ended {
            return;
        }
        let made_at = self.subscription.take().map(|sub| sub.made_at);
        let reply = transport(&format!("the subscription was terminated: {reason}"))
            .with_diagnostics(request.headers().get("ms-diagnostics"));
        let ended = |reason| Input::EndedByFocus { reason, reply: reply.clone() };
        match reason {
            "rejected" => {
                let kind = if self.in_lobby { EndedReason::Denied } else { EndedReason::Ejected };
                self.events.push_back(ended(kind));
            }
            "noresource" | "invariant" => self.events.push_back(ended(EndedReason::Ended)),
            "giveup" => self.events.push_back(ended(EndedReason::LobbyTimeout)),
            // The Focus went away while we came: the attempt is over.
            _ if self.attempt.is_some() => self.give_up_attempt(WireFailure::Refused(reply), ua, now),
            "deactivated" | "probation" => {
                self.told_with_others = true;
                let pause = pause.map(|pause| pause.min(RETRY_AFTER_MAX));
                let evidence = evidence(Detector::D9, now, &reply).with_retry_after(pause);
                self.front_end_lost(evidence, None);
            }
            // One that always ends at once is not worth a storm.
            _ if made_at.is_some_and(|at| now < at + YOUNG) => self.subscribe_later(now),
            _ => self.subscribe(ua, now),
        }
    }

    pub(super) fn on_document(&mut self, body: &Bytes, ua: &mut UserAgent, now: Instant) {
        match ConferenceInfo::parse(body, &c3p::Limits::default()) {
            Ok(info) => {
                let full = info.is_full();
                let own = info.user(&self.user).and_then(|user| user.focus_endpoint(&self.endpoint));
                match own.and_then(|own| own.status) {
                    Some(EndpointStatus::OnHold) => self.in_lobby = true,
                    Some(EndpointStatus::Connected) => self.in_lobby = false,
                    // The last document shows how we left, not where we were.
                    _ => {}
                }
                let Some(sub) = &mut self.subscription else { return };
                // Datagrams can arrive in another order: an older state in the same subscription is asked for once more.
                if full && sub.awaits_document && info.version < sub.newest && !sub.overtaken {
                    sub.overtaken = true;
                    let off_route = sub.off_route;
                    return self.refresh(off_route, ua, now);
                }
                sub.overtaken = false;
                sub.newest = if full { info.version } else { sub.newest.max(info.version) };
                let fresh = full && std::mem::take(&mut sub.awaits_document);
                sub.bad_documents = 0;
                if fresh {
                    sub.document_by = None;
                    self.rejoining = false;
                    self.healing = false;
                    self.attempt = None;
                }
                self.events.push_back(Input::Document { info: Arc::new(info), fresh });
            }
            Err(error) => {
                let Some(sub) = &mut self.subscription else { return };
                sub.bad_documents += 1;
                let again = sub.bad_documents <= 1;
                let failure = WireFailure::Protocol(transport(&format!("the roster is unreadable: {error}")));
                if again {
                    let off_route = sub.off_route;
                    self.refresh(off_route, ua, now);
                } else if self.attempt.is_some() {
                    self.give_up_attempt(failure, ua, now);
                } else if self.healing {
                    sub.bad_documents = 0;
                    self.heal_again(failure, ua, now);
                }
            }
        }
    }
}

pub(super) fn subscribe_headers(draft: RequestDraft, contact: &NameAddr, expires: u32) -> RequestDraft {
    draft
        .header("Contact", contact.to_string())
        .header("Event", "conference")
        .header("Accept", c3p::mime::CONFERENCE_INFO)
        .header("Supported", "com.microsoft.autoextend, ms-benotify, ms-piggyback-first-notify")
        .header("Supported", ROUTE_SET_UPDATE)
        .header("Proxy-Require", "ms-benotify")
        .header("Expires", expires.to_string())
}
