//! The fields of a person, of an endpoint and of a stream, as letters, and their order.

pub(super) const ENTITY: u8 = b'E';
pub(super) const DISPLAY_TEXT: u8 = b'D';
pub(super) const ROLE: u8 = b'R';
pub(super) const AOR: u8 = b'A';
pub(super) const LANGUAGE: u8 = b'L';
pub(super) const CASCADED_FOCUS: u8 = b'C';

pub(super) const ENDPOINT: u8 = b'e';
pub(super) const ENDPOINT_STATE: u8 = b'.';
pub(super) const SESSION_TYPE: u8 = b's';
pub(super) const ENDPOINT_URI: u8 = b'u';
pub(super) const EPID: u8 = b'p';
/// The first [`ENDPOINT_URI`] of the person again.
pub(super) const SAME_URI: u8 = b'v';
/// The first [`EPID`] of the person again.
pub(super) const SAME_EPID: u8 = b'q';
pub(super) const REFER_TO_URI: u8 = b'r';
pub(super) const ENDPOINT_DISPLAY_TEXT: u8 = b'd';
pub(super) const STATUS: u8 = b't';
pub(super) const JOINING_METHOD: u8 = b'j';
pub(super) const DISCONNECTION_METHOD: u8 = b'x';
pub(super) const ACCESS_METHOD: u8 = b'a';
pub(super) const AUTH_METHOD: u8 = b'b';
pub(super) const LOBBY_CAPABLE: u8 = b'l';

pub(super) const MEDIA: u8 = b'm';
pub(super) const MEDIA_DISPLAY_TEXT: u8 = b'n';
pub(super) const MEDIA_KIND: u8 = b'k';
pub(super) const MEDIA_LABEL: u8 = b'h';
pub(super) const SRC_ID: u8 = b'c';
pub(super) const MEDIA_STATUS: u8 = b'o';
pub(super) const INGRESS_FILTER: u8 = b'i';
pub(super) const EGRESS_FILTER: u8 = b'g';
pub(super) const MEDIA_STATE: u8 = b'y';
pub(super) const MEDIA_SOURCE_ID: u8 = b'z';

/// The fields in the order in which they are written: equal persons are equal texts.
const ORDER: [u8; 29] = [
    ENTITY,
    DISPLAY_TEXT,
    AOR,
    ROLE,
    LANGUAGE,
    CASCADED_FOCUS,
    ENDPOINT,
    ENDPOINT_STATE,
    SESSION_TYPE,
    ENDPOINT_URI,
    EPID,
    REFER_TO_URI,
    ENDPOINT_DISPLAY_TEXT,
    STATUS,
    JOINING_METHOD,
    DISCONNECTION_METHOD,
    ACCESS_METHOD,
    AUTH_METHOD,
    LOBBY_CAPABLE,
    MEDIA,
    MEDIA_DISPLAY_TEXT,
    MEDIA_KIND,
    MEDIA_LABEL,
    SRC_ID,
    MEDIA_STATUS,
    INGRESS_FILTER,
    EGRESS_FILTER,
    MEDIA_STATE,
    MEDIA_SOURCE_ID,
];

static RANKS: [u8; 128] = ranks();

const fn ranks() -> [u8; 128] {
    let mut ranks = [0; 128];
    let mut at = 0;
    while at < ORDER.len() {
        // There are fewer than 128.
        ranks[ORDER[at] as usize] = at as u8 + 1;
        at += 1;
    }
    ranks[SAME_URI as usize] = ranks[ENDPOINT_URI as usize];
    ranks[SAME_EPID as usize] = ranks[EPID as usize];
    ranks
}

/// The name of a field in a document.
pub(super) fn name(field: u8) -> &'static str {
    match field {
        ENTITY | ENDPOINT => "entity",
        DISPLAY_TEXT | ENDPOINT_DISPLAY_TEXT | MEDIA_DISPLAY_TEXT => "display-text",
        ROLE => "roles",
        AOR => "associated-aors",
        LANGUAGE => "languages",
        CASCADED_FOCUS => "cascaded-focus",
        ENDPOINT_STATE => "state",
        SESSION_TYPE => "session-type",
        ENDPOINT_URI => "endpoint-uri",
        EPID => "epid",
        REFER_TO_URI => "refer-to-uri",
        STATUS | MEDIA_STATUS => "status",
        JOINING_METHOD => "joining-method",
        DISCONNECTION_METHOD => "disconnection-method",
        ACCESS_METHOD => "accessMethod",
        AUTH_METHOD => "authMethod",
        LOBBY_CAPABLE => "lobby-capable",
        MEDIA => "id",
        MEDIA_KIND => "type",
        MEDIA_LABEL => "label",
        SRC_ID => "src-id",
        INGRESS_FILTER => "media-ingress-filter",
        EGRESS_FILTER => "media-egress-filter",
        MEDIA_STATE => "media-state",
        MEDIA_SOURCE_ID => "media-source-id",
        _ => "",
    }
}

/// The place of a field in the order.
pub(super) fn rank(field: u8) -> u8 {
    RANKS[usize::from(field & 127)]
}

/// The rank of the first field of a stream.
pub(super) const MEDIA_RANK: u8 = 20;

/// Whether a field is of a person, not of an endpoint.
pub(super) const fn is_of_person(field: u8) -> bool {
    field.is_ascii_uppercase()
}

/// Whether there may be several of a field.
pub(super) const fn is_list(field: u8) -> bool {
    matches!(field, AOR | ROLE | LANGUAGE)
}
