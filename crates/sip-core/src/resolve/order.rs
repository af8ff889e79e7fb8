//! In which order records are used: NAPTR (RFC 3263 section 4.1, RFC 3403), SRV (RFC 2782).

use super::question::{DomainName, Naptr, Srv};
use crate::TransportKind;
use crate::ids::IdSource;

/// One way that NAPTR records offer: a transport, and the name of its SRV records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The transport.
    pub transport: TransportKind,
    /// Where the SRV records are.
    pub srv: DomainName,
}

/// The services that a client can use, in groups of equal order, each group by preference.
///
/// Kept are records with the flag `s`, a replacement and no regular expression, whose service is one of `SIP+D2U`, `SIP+D2T`
/// and `SIPS+D2T` for a transport in `speaks`; with `secure` (a `sips` URI) only the last. A `sip` URI may use `SIPS+D2T`
/// (RFC 3263 section 4.1).
#[must_use]
pub fn order_naptr(records: &[Naptr], secure: bool, speaks: &[TransportKind]) -> Vec<Vec<Service>> {
    let mut usable: Vec<(u16, u16, Service)> = Vec::new();
    for record in records {
        let Some(transport) = transport_of(&record.service) else { continue };
        let fits = speaks.contains(&transport) && (!secure || transport == TransportKind::Tls);
        let terminal = record.flags.eq_ignore_ascii_case("s") && record.regexp.is_empty();
        if let (true, true, Some(srv)) = (fits, terminal, &record.replacement) {
            usable.push((record.order, record.preference, Service { transport, srv: srv.clone() }));
        }
    }
    usable.sort_by_key(|(order, preference, _)| (*order, *preference));
    let mut groups: Vec<Vec<Service>> = Vec::new();
    let mut known: Vec<Service> = Vec::new();
    let mut last = None;
    for (order, _, service) in usable {
        if known.contains(&service) {
            continue;
        }
        known.push(service.clone());
        match groups.last_mut() {
            Some(group) if last == Some(order) => group.push(service),
            Some(_) | None => groups.push(vec![service]),
        }
        last = Some(order);
    }
    groups
}

fn transport_of(service: &str) -> Option<TransportKind> {
    let all =
        [("SIP+D2U", TransportKind::Udp), ("SIP+D2T", TransportKind::Tcp), ("SIPS+D2T", TransportKind::Tls)];
    all.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(service)).map(|(_, transport)| transport)
}

/// SRV records in the order in which they are tried: by priority, within a priority drawn by weight as RFC 2782 says.
///
/// Records with the target `.` or the port 0 are left out, and so are repetitions. Before anything is drawn the records are
/// shuffled, so that several without weight take turns.
///
/// # Examples
///
/// ```
/// use sip_core::SeededIds;
/// use sip_core::resolve::{DomainName, Srv, order_srv};
///
/// let target = |name| DomainName::parse(name).ok();
/// let records = [
///     Srv { priority: 20, weight: 0, port: 5060, target: target("spare.example.com") },
///     Srv { priority: 10, weight: 1, port: 5060, target: target("first.example.com") },
/// ];
/// let ordered = order_srv(&records, &mut SeededIds::new(1));
/// assert_eq!(ordered[0].target, target("first.example.com"));
/// ```
#[must_use]
pub fn order_srv(records: &[Srv], ids: &mut dyn IdSource) -> Vec<Srv> {
    let mut waiting: Vec<&Srv> = Vec::with_capacity(records.len());
    for record in records {
        if record.target.is_some() && record.port != 0 && !waiting.contains(&record) {
            waiting.push(record);
        }
    }
    for last in (1..waiting.len()).rev() {
        waiting.swap(last, ids.below(last as u64 + 1) as usize);
    }
    // Within a priority, those without weight stand first: they are drawn with a very small chance only.
    waiting.sort_by_key(|record| (record.priority, record.weight != 0));
    let mut ordered = Vec::with_capacity(waiting.len());
    while let Some(first) = waiting.first() {
        let group = waiting.iter().take_while(|record| record.priority == first.priority).count();
        let drawn = draw(&waiting[..group], ids);
        ordered.push(waiting.remove(drawn).clone());
    }
    ordered
}

/// The index of the record whose running sum of weights is the first that reaches a number between 0 and the sum.
fn draw(group: &[&Srv], ids: &mut dyn IdSource) -> usize {
    if group.len() < 2 {
        return 0;
    }
    let sum: u64 = group.iter().map(|record| u64::from(record.weight)).sum();
    let number = ids.below(sum + 1);
    let mut running = 0;
    let reaches = |record: &&Srv| {
        running += u64::from(record.weight);
        running >= number
    };
    group.iter().position(reaches).unwrap_or(0)
}
