//! The subscription to the roster: SUBSCRIBE, its refreshes, notifications, and how it ends.

use c3p::info::EndpointStatus;
use sip_core::header::SubscriptionState;

use super::*;

/// How long a subscription is asked to last (RFC 4575 section 3: one hour).
const SUBSCRIPTION_S: u32 = 3600;
/// The gaps between a refused SUBSCRIBE and the next one while the Focus dialog lives, the last one repeated.
const AGAIN_GAPS_S: [u64; 6] = [2, 4, 8, 16, 30, 60];

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
            off_route: false,
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
        let granted = response.headers().get("Expires").and_then(|value| value.trim().parse().ok());
        let seconds: u32 = granted.unwrap_or(SUBSCRIPTION_S).max(1);
        sub.refresh_at = Some(now + Duration::from_secs(u64::from(seconds)) * 4 / 5);
        if !response.body().is_empty() {
            self.on_document(response.body(), ua, now);
        }
    }

    /// The subscription could not be made or refreshed: what that means depends on what we were doing.
    pub(super) fn on_subscribe_failed(&mut self, reply: Reply, ua: &mut UserAgent, now: Instant) {
        let (refresh, off_route) =
            self.subscription.as_ref().map_or((false, false), |sub| (sub.dialog.is_some(), sub.off_route));
        if self.attempt.is_some() {
            return self.give_up_attempt(reply, ua, now);
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
        match &mut self.subscription {
            Some(sub) if refresh => sub.off_route = true,
            Some(_) | None => self.subscription = None,
        }
        let Some(dialog) = &mut self.dialog else { return };
        if self.healing {
            // Not healed until a roster came: back to the loop.
            self.events.push_back(Input::HealFailed { error: WireFailure::Refused(reply) });
            dialog.heal(false, ua, now);
        } else if off_route {
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
        self.subscription = None;
        let reply = transport(&format!("the subscription was terminated: {reason}"))
            .with_diagnostics(request.headers().get("ms-diagnostics"));
        let ended = |reason| Input::EndedByFocus { reason, reply: reply.clone() };
        match reason {
            "deactivated" | "probation" => {
                self.told_with_others = true;
                let evidence = evidence(Detector::D9, now, &reply).with_retry_after(pause);
                self.front_end_lost(evidence, None);
            }
            "rejected" if self.in_lobby => self.events.push_back(ended(EndedReason::Denied)),
            "rejected" => self.events.push_back(ended(EndedReason::Ejected)),
            "noresource" | "invariant" => self.events.push_back(ended(EndedReason::Ended)),
            "giveup" => self.events.push_back(ended(EndedReason::LobbyTimeout)),
            _ if self.attempt.is_none() => self.subscribe(ua, now),
            _ => {}
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
                let fresh = full && std::mem::take(&mut sub.awaits_document);
                sub.bad_documents = 0;
                if fresh {
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
                if self.attempt.is_some() && !again {
                    self.give_up_attempt(transport(&format!("the roster is unreadable: {error}")), ua, now);
                } else if again {
                    self.refresh(false, ua, now);
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
