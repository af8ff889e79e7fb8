//! The documents that are read: a conference of any size, and one change of it.
//!
//! A user takes 1.3 kB: two endpoints, the focus and audio-video with its streams, each with a GRUU and an epid. What varies
//! between people in a conference varies here, too: roles, states, methods, ways in.

use std::fmt::Write as _;

const NAMESPACES: &str = "xmlns=\"urn:ietf:params:xml:ns:conference-info\" \
    xmlns:msci=\"http://schemas.microsoft.com/rtc/2005/08/confinfoextensions\" \
    xmlns:msci2=\"http://schemas.microsoft.com/rtc/2008/12/confinfoextensions\" \
    xmlns:cis=\"urn:ietf:params:xml:ns:conference-info-separator\"";

/// A full document with so many users.
pub fn full(users: u32) -> String {
    let mut text = head("full", 18, users);
    for number in 0..users {
        user(&mut text, number, 0);
    }
    text + "</users></conference-info>"
}

/// A partial document in which one of them has other values.
pub fn partial(number: u32, version: u32) -> String {
    let mut text = head("partial", version, 1);
    user(&mut text, number, version);
    text + "</users></conference-info>"
}

fn head(state: &str, version: u32, users: u32) -> String {
    let mut text = String::with_capacity(1_024 + users as usize * 1_400);
    let _ = write!(
        text,
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><conference-info {NAMESPACES} \
         entity=\"sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9\" state=\"{state}\" \
         version=\"{version}\"><users state=\"{state}\">"
    );
    text
}

/// Numbers without a pattern (the finalizer of SplitMix64), the same in each run.
fn mixed(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The first of `words` mostly, the others now and then.
fn one_of(words: &[&'static str], chance: u64) -> &'static str {
    let common = chance & 0xff;
    if common < 160 { words[0] } else { words[(chance >> 8) as usize % words.len()] }
}

fn user(text: &mut String, number: u32, change: u32) {
    let chance = mixed(u64::from(number) + (u64::from(change) << 32) + 0x9e37_79b9);
    let guid = mixed(u64::from(number) + 0x517c_c1b7_2722_0a95);
    let (guid_head, guid_tail) = (guid >> 32, guid & 0xffff_ffff_ffff);
    let role = one_of(&["attendee", "presenter"], chance);
    let method = one_of(&["dialed-in", "dialed-out", "focus-owner"], chance >> 4);
    let status = one_of(&["connected", "on-hold", "muted-via-focus", "connected"], chance >> 8);
    let access = one_of(&["internal", "external"], chance >> 12);
    let auth = one_of(&["enterprise", "federated", "anonymous"], chance >> 16);
    let flow = one_of(&["sendrecv", "recvonly", "sendonly"], chance >> 20);
    let filter = one_of(&["unblock", "block"], chance >> 24);
    let epid = guid & 0xff_ffff_ffff;
    let first = ["Ann", "Bob", "Carol", "Deepak", "Ewa", "Francesca"][(guid % 6) as usize];
    let change = if change == 0 { String::new() } else { format!(", {change}") };
    let uri = format!("sip:{}{number:06}@example.com", first.to_ascii_lowercase());
    let _ = write!(
        text,
        "<user entity=\"{uri}\" state=\"full\"><display-text>{first} Example {number}{change}</display-text>\
         <roles><entry>{role}</entry></roles>\
         <endpoint entity=\"{{{guid_head:08X}-52F1-4C58-9E43-{guid_tail:012X}}}\" msci:session-type=\"focus\" \
         msci:epid=\"{epid:010x}\" msci:endpoint-uri=\"{uri};opaque=user:epid:Xf2abcdefghijkl{guid_head:08x};gruu\">\
         <status>connected</status><joining-method>{method}</joining-method>\
         <msci:accessMethod>{access}</msci:accessMethod><msci:authMethod>{auth}</msci:authMethod>\
         <msci:clientInfo><cis:separator/><msci2:lobby-capable>true</msci2:lobby-capable></msci:clientInfo></endpoint>\
         <endpoint entity=\"{{{guid_head:08X}-7B1F-4C58-9E43-{guid_tail:012X}}}\" msci:session-type=\"audio-video\" \
         msci:epid=\"{epid:010x}\" msci:endpoint-uri=\"{uri};opaque=user:epid:Xf2abcdefghijkl{guid_head:08x};gruu\">\
         <status>{status}</status><joining-method>{method}</joining-method>\
         <media id=\"1\"><type>audio</type><label>main-audio</label><src-id>{src}</src-id><status>{flow}</status>\
         <msci:media-ingress-filter>{filter}</msci:media-ingress-filter>\
         <msci:media-egress-filter>unblock</msci:media-egress-filter></media>\
         <media id=\"2\"><type>video</type><label>main-video</label><src-id>{other}</src-id><status>inactive</status>\
         </media></endpoint></user>",
        src = guid_head,
        other = guid_head + 100,
    );
}
