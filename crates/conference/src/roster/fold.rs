//! From endpoints to participants: one per Focus endpoint, with the modalities of the endpoints that belong to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use c3p::McuType;
use c3p::info::{Endpoint, EndpointStatus, Filter, SessionType, User};

use super::{McuParticipant, Participant};

/// A Focus endpoint; one without a modality (a document of a plain RFC 4575 server) counts as one.
pub(super) fn is_focus(endpoint: &Endpoint) -> bool {
    matches!(endpoint.session_type, Some(SessionType::Focus) | None)
}

/// Whether it attends: from `connected` (or the lobby) until it is gone.
fn attends(endpoint: &Endpoint) -> bool {
    match endpoint.status {
        Some(
            EndpointStatus::Connected
            | EndpointStatus::OnHold
            | EndpointStatus::MutedViaFocus
            | EndpointStatus::Disconnecting,
        )
        | None => true,
        Some(
            EndpointStatus::Pending
            | EndpointStatus::DialingOut
            | EndpointStatus::DialingIn
            | EndpointStatus::Alerting
            | EndpointStatus::Disconnected,
        ) => false,
    }
}

/// The participants of one user, sorted by endpoint entity.
pub(super) fn participants(user: &User, is_own: impl Fn(&str) -> bool) -> Vec<Arc<Participant>> {
    let (focus, mcu): (Vec<&Endpoint>, Vec<&Endpoint>) =
        user.endpoints.iter().filter(|endpoint| attends(endpoint)).partition(|endpoint| is_focus(endpoint));
    let mut entries: BTreeMap<&str, (bool, BTreeSet<McuType>)> = BTreeMap::new();
    for endpoint in &focus {
        let in_lobby = endpoint.status == Some(EndpointStatus::OnHold);
        entries.insert(&endpoint.entity, (in_lobby, BTreeSet::new()));
    }
    for endpoint in mcu {
        fold(endpoint, &focus, &mut entries);
    }
    entries
        .into_iter()
        .map(|(entity, (in_lobby, mcus))| {
            Arc::new(Participant {
                uri: user.entity.clone(),
                endpoint: entity.to_owned(),
                display_name: user.display_text.clone(),
                role: user.roles.first().cloned(),
                mcus: mcus.into_iter().collect(),
                in_lobby,
                is_self: is_own(entity),
            })
        })
        .collect()
}

/// The endpoints of one user in MCUs, sorted by endpoint entity and modality.
pub(super) fn modalities(user: &User, is_own: impl Fn(&str) -> bool) -> Vec<Arc<McuParticipant>> {
    let attending = || user.endpoints.iter().filter(|endpoint| attends(endpoint));
    let devices: Vec<&Endpoint> = attending().filter(|endpoint| is_focus(endpoint)).collect();
    let mut entries: BTreeMap<(&str, McuType), Arc<McuParticipant>> = BTreeMap::new();
    for endpoint in attending() {
        let Some(mcu) = endpoint.mcu_type() else { continue };
        let blocked = |media: &c3p::info::Media| media.ingress_filter == Some(Filter::Block);
        let participant = McuParticipant {
            mcu,
            uri: user.entity.clone(),
            endpoint: endpoint.entity.clone(),
            display_name: user.display_text.clone(),
            muted: endpoint.media.iter().any(blocked),
            is_self: belongs_to(endpoint, &devices, &is_own),
        };
        entries.insert((&endpoint.entity, mcu), Arc::new(participant));
    }
    entries.into_values().collect()
}

/// Whether an MCU endpoint is our own device's: by its identity, or because the user has no other device.
fn belongs_to(endpoint: &Endpoint, devices: &[&Endpoint], is_own: impl Fn(&str) -> bool) -> bool {
    match devices.iter().find(|device| is_same_device(endpoint, device)) {
        Some(device) => is_own(&device.entity),
        None => matches!(devices, [device] if is_own(&device.entity)),
    }
}

/// Adds an MCU endpoint to the Focus endpoint of the same device, else to all of the user, else as its own entry.
fn fold<'a>(
    endpoint: &'a Endpoint,
    focus: &[&'a Endpoint],
    entries: &mut BTreeMap<&'a str, (bool, BTreeSet<McuType>)>,
) {
    let modality = endpoint.mcu_type();
    if focus.is_empty() {
        entries.entry(&endpoint.entity).or_default().1.extend(modality);
        return;
    }
    let same_device = focus.iter().any(|candidate| is_same_device(endpoint, candidate));
    for candidate in focus {
        if (!same_device || is_same_device(endpoint, candidate))
            && let Some((_, mcus)) = entries.get_mut(candidate.entity.as_str())
        {
            mcus.extend(modality);
        }
    }
}

fn is_same_device(one: &Endpoint, other: &Endpoint) -> bool {
    let same = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
    same(&one.epid, &other.epid) || same(&one.endpoint_uri, &other.endpoint_uri)
}
