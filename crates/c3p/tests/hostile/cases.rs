//! The table.

use c3p::info::{ConferenceInfo, State};
use c3p::{ErrorKind, Limits};

/// The namespace of conference-info.
const CI: &str = "urn:ietf:params:xml:ns:conference-info";
/// That of its extensions.
const MSCI: &str = "http://schemas.microsoft.com/rtc/2005/08/confinfoextensions";

/// A document with something of everything.
pub(crate) const REAL: &str = concat!(
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>",
    "<conference-info xmlns=\"urn:ietf:params:xml:ns:conference-info\" ",
    "xmlns:m=\"http://schemas.microsoft.com/rtc/2005/08/confinfoextensions\" entity=\"sip:a@b\" version=\"3\">",
    "<conference-description><subject>a &amp; b</subject><conf-uris><entry><uri>sip:x</uri>",
    "<purpose>chat</purpose></entry></conf-uris><m:is-active>true</m:is-active></conference-description>",
    "<users state=\"full\"><user entity=\"sip:c@b\"><roles><entry>presenter</entry></roles>",
    "<endpoint entity=\"{1}\" m:session-type=\"focus\"><status>connected</status>",
    "<media id=\"1\"><type>audio</type></media></endpoint><z:hand xmlns:z=\"urn:z\" z:up=\"1\">x</z:hand></user></users>",
    "<m:conference-view><m:entity-view entity=\"sip:x\"><m:entity-state><m:locked>false</m:locked></m:entity-state>",
    "</m:entity-view></m:conference-view></conference-info>\n",
);

/// What a document is to become.
pub(crate) enum Expected {
    /// An error of this kind.
    Error(ErrorKind),
    /// A model for which this holds.
    Model(fn(&ConferenceInfo) -> bool),
}

/// One document.
pub(crate) struct Case {
    /// What is hostile in it.
    pub(crate) name: &'static str,
    /// The bytes.
    pub(crate) body: Vec<u8>,
    /// Under which limits it is read.
    pub(crate) limits: Limits,
    /// What is to come of it.
    pub(crate) expected: Expected,
}

fn case(name: &'static str, body: impl Into<Vec<u8>>, expected: Expected) -> Case {
    Case { name, body: body.into(), limits: Limits::default(), expected }
}

fn bad(name: &'static str, body: impl Into<Vec<u8>>, kind: ErrorKind) -> Case {
    case(name, body, Expected::Error(kind))
}

fn fine(name: &'static str, body: impl Into<Vec<u8>>, check: fn(&ConferenceInfo) -> bool) -> Case {
    case(name, body, Expected::Model(check))
}

/// A document with these attributes at its root and this content.
fn info(attributes: &str, inner: &str) -> String {
    format!("<conference-info xmlns=\"{CI}\" entity=\"x\" {attributes}>{inner}</conference-info>")
}

fn subject(text: &str) -> String {
    info("", &format!("<conference-description><subject>{text}</subject></conference-description>"))
}

fn subject_of(info: &ConferenceInfo) -> Option<&str> {
    info.description.as_ref()?.subject.as_deref()
}

/// All cases.
pub(crate) fn all() -> Vec<Case> {
    [declarations(), entities(), shape(), attributes(), namespaces(), encodings(), sizes(), values()]
        .into_iter()
        .flatten()
        .collect()
}

/// Document type declarations: none is read, so no entity is ever defined.
fn declarations() -> Vec<Case> {
    let laughs: String = (1..10)
        .map(|level| format!("<!ENTITY l{level} \"{}\">", format!("&l{};", level - 1).repeat(10)))
        .collect();
    let bomb = format!("<!DOCTYPE x [<!ENTITY l0 \"lol\">{laughs}]>{}", subject("&l9;"));
    let quadratic =
        format!("<!DOCTYPE x [<!ENTITY a \"{}\">]>{}", "a".repeat(50_000), subject(&"&a;".repeat(5_000)));
    let external = "<!DOCTYPE x [<!ENTITY x SYSTEM \"file:///etc/hostname\">]>".to_owned() + &subject("&x;");
    let network = "<!DOCTYPE x SYSTEM \"http://192.0.2.1/x.dtd\">".to_owned() + &subject("x");
    let parameter =
        "<!DOCTYPE x [<!ENTITY % p SYSTEM \"http://192.0.2.1/p\"> %p;]>".to_owned() + &subject("x");
    let recursive = "<!DOCTYPE x [<!ENTITY a \"&b;\"><!ENTITY b \"&a;\">]>".to_owned() + &subject("&a;");
    let defaults =
        format!("<!DOCTYPE x [<!ATTLIST conference-info state CDATA \"deleted\">]>{}", info("", ""));
    let inner = info("", "<!DOCTYPE y><users/>");
    let dtd = ErrorKind::Dtd;
    vec![
        bad("exponential entities", bomb, dtd),
        bad("quadratic entities", quadratic, dtd),
        bad("external entity", external, dtd),
        bad("external subset", network, dtd),
        bad("parameter entity", parameter, dtd),
        bad("recursive entities", recursive, dtd),
        bad("attribute defaults", defaults, dtd),
        bad("declaration inside the root", inner, dtd),
        bad("empty declaration", format!("<!DOCTYPE conference-info>{}", info("", "")), dtd),
        bad("lower case declaration", format!("<!doctype x>{}", info("", "")), dtd),
    ]
}

/// References: the five and characters by number, nothing else.
fn entities() -> Vec<Case> {
    let many = subject(&"&amp;".repeat(100_000));
    vec![
        bad("entity of nobody", subject("&nbsp;"), ErrorKind::UnknownEntity),
        bad("entity of nobody in an attribute", info("state=\"&full;\"", ""), ErrorKind::UnknownEntity),
        bad("reference to NUL", subject("&#0;"), ErrorKind::IllegalCharacter),
        bad("reference to a surrogate", subject("&#xD800;"), ErrorKind::IllegalCharacter),
        bad("reference beyond Unicode", subject("&#x110000;"), ErrorKind::IllegalCharacter),
        bad(
            "reference of a thousand digits",
            subject(&format!("&#{};", "9".repeat(1000))),
            ErrorKind::IllegalCharacter,
        ),
        bad("reference that does not end", subject("a & b"), ErrorKind::Syntax),
        fine("a hundred thousand references", many, |info| {
            subject_of(info).is_some_and(|text| text.len() == 100_000)
        }),
        fine("markup by references", subject("&lt;users/&gt;&#60;x&#62;"), |info| {
            subject_of(info) == Some("<users/><x>") && info.users.is_none()
        }),
        fine("markup in CDATA", subject("<![CDATA[<users><user entity=\"m\"/></users>]]>"), |info| {
            info.users.is_none() && subject_of(info).is_some_and(|text| text.starts_with("<users>"))
        }),
    ]
}

/// Well-formedness.
fn shape() -> Vec<Case> {
    let head = info("", "");
    let two = format!("{head}{head}");
    let open = &head[..head.len() - 3];
    vec![
        bad("nothing", "", ErrorKind::Truncated),
        bad("blanks", " \r\n\t", ErrorKind::Truncated),
        bad("two roots", two, ErrorKind::Syntax),
        bad("text behind the root", format!("{head}x"), ErrorKind::Syntax),
        bad("text before the root", format!("x{head}"), ErrorKind::Syntax),
        bad("cut off in the end tag", open, ErrorKind::Truncated),
        bad("elements that cross", info("", "<a><b></a></b>"), ErrorKind::Syntax),
        bad("end tag without a start", info("", "</users>"), ErrorKind::Syntax),
        bad("comment that does not end", info("", "<!-- "), ErrorKind::Truncated),
        bad("CDATA that does not end", info("", "<![CDATA[ "), ErrorKind::Truncated),
        bad("instruction that does not end", info("", "<?x "), ErrorKind::Truncated),
        bad("declaration inside", info("", "<?xml version=\"1.0\"?>"), ErrorKind::Syntax),
        bad("an element without a name", info("", "< />"), ErrorKind::Syntax),
        bad("an element with a number for a name", info("", "<1/>"), ErrorKind::Syntax),
        fine("a comment with markup", info("", "<!-- <users/> &lol; -->"), |info| info.users.is_none()),
        fine("an instruction with markup", info("", "<?x <users/> ?>"), |info| info.users.is_none()),
    ]
}

/// Attributes.
fn attributes() -> Vec<Case> {
    let flood: String = (0..20_000).map(|at| format!("a{at}=\"\" ")).collect();
    let same: String = "a=\"\" ".repeat(10_000);
    let declared: String = (0..10_000).map(|at| format!("xmlns:n{at}=\"urn:x\" ")).collect();
    let two_prefixes = format!("xmlns:a=\"{CI}\" xmlns:b=\"{CI}\" a:state=\"full\" b:state=\"deleted\"");
    let with_and_without = format!("xmlns:a=\"{CI}\" state=\"full\" a:state=\"deleted\"");
    let foreign = "xmlns:e=\"urn:e\" state=\"partial\" e:state=\"deleted\" e:entity=\"mallory\"";
    vec![
        bad("twenty thousand attributes", info(&flood, ""), ErrorKind::TooManyAttributes),
        bad("the same attribute", info("state=\"full\" state=\"full\"", ""), ErrorKind::DuplicateAttribute),
        bad("the same attribute ten thousand times", info(&same, ""), ErrorKind::TooManyAttributes),
        bad("one attribute through two prefixes", info(&two_prefixes, ""), ErrorKind::DuplicateAttribute),
        bad(
            "one attribute with and without namespace",
            info(&with_and_without, ""),
            ErrorKind::DuplicateAttribute,
        ),
        bad("ten thousand declarations", info(&declared, ""), ErrorKind::TooManyAttributes),
        bad("an attribute without quotes", info("state=full", ""), ErrorKind::Syntax),
        bad("an attribute without a value", info("state", ""), ErrorKind::Syntax),
        fine("an attribute of somebody else", info(foreign, ""), |info| {
            info.state == State::Partial && info.entity == "x"
        }),
    ]
}

/// Namespaces.
fn namespaces() -> Vec<Case> {
    let nested: String = (0..31)
        .map(|at| format!("<d xmlns:n{at}a=\"urn:{at}\" xmlns:n{at}b=\"urn:b{at}\" xmlns:n{at}c=\"urn:c\">"))
        .collect();
    let foreign = info(
        "xmlns:e=\"urn:e\"",
        "<e:users><e:user entity=\"mallory\"/></e:users><users><e:user entity=\"mallory\"/></users>",
    );
    let inside = info(
        "xmlns:e=\"urn:e\"",
        &format!("<e:x><users xmlns=\"{CI}\"><user entity=\"mallory\"/></users></e:x>"),
    );
    let shadow = info(
        &format!("xmlns:m=\"{MSCI}\""),
        "<m:conference-view xmlns:m=\"urn:e\"><m:entity-view entity=\"y\"/></m:conference-view>",
    );
    vec![
        bad("undeclared prefix", info("", "<z:users/>"), ErrorKind::Namespace),
        bad("undeclared prefix of an attribute", info("z:state=\"full\"", ""), ErrorKind::Namespace),
        bad("prefix out of its scope", info("", "<a xmlns:z=\"urn:z\"/><z:b/>"), ErrorKind::Namespace),
        bad("the prefix xmlns declared", info("xmlns:xmlns=\"urn:x\"", ""), ErrorKind::Namespace),
        bad("the prefix xml for another", info("xmlns:xml=\"urn:x\"", ""), ErrorKind::Namespace),
        bad("another root's namespace", info("", "").replace(CI, "urn:e"), ErrorKind::WrongRoot),
        bad(
            "a namespace in other letters",
            info("", "").replace("urn:ietf", "URN:ietf"),
            ErrorKind::WrongRoot,
        ),
        bad("declarations in every level", info("", &nested), ErrorKind::TooManyAttributes),
        fine("users of a foreign namespace", foreign, |info| {
            info.users().count() == 0 && info.users.is_some()
        }),
        fine("users of ours in a foreign element", inside, |info| info.users.is_none()),
        fine("a prefix of ours, declared anew", shadow, |info| info.views.is_none()),
    ]
}

/// Bytes and characters.
fn encodings() -> Vec<Case> {
    let utf16: Vec<u8> = subject("x").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf16_bom: Vec<u8> = [0xff, 0xfe].into_iter().chain(utf16.clone()).collect();
    let bom: Vec<u8> = [0xef, 0xbb, 0xbf].into_iter().chain(subject("x").into_bytes()).collect();
    let two_boms: Vec<u8> = [0xef, 0xbb, 0xbf].into_iter().chain(bom.clone()).collect();
    let declared =
        |encoding: &str| format!("<?xml version=\"1.0\" encoding=\"{encoding}\"?>{}", subject("x"));
    let bytes = |raw: &[u8]| {
        let text = subject("?");
        let at = text.find('?').expect("a mark");
        [&text.as_bytes()[..at], raw, &text.as_bytes()[at + 1..]].concat()
    };
    vec![
        bad("UTF-16", utf16, ErrorKind::IllegalCharacter),
        bad("UTF-16 with its mark", utf16_bom, ErrorKind::NotUtf8),
        bad("declared as UTF-16", declared("utf-16"), ErrorKind::NotUtf8),
        bad("declared as UTF-7", declared("utf-7"), ErrorKind::NotUtf8),
        bad("Latin-1", bytes(b"\xe9"), ErrorKind::NotUtf8),
        bad("an overlong form", bytes(b"\xc0\xbc"), ErrorKind::NotUtf8),
        bad("a surrogate in UTF-8", bytes(b"\xed\xa0\x80"), ErrorKind::NotUtf8),
        bad("a cut character", bytes(b"\xe2\x82"), ErrorKind::NotUtf8),
        bad("NUL", bytes(b"\0"), ErrorKind::IllegalCharacter),
        bad("an escape character", bytes(b"\x1b"), ErrorKind::IllegalCharacter),
        bad("U+FFFF", bytes("\u{ffff}".as_bytes()), ErrorKind::IllegalCharacter),
        fine("a byte order mark", bom, |info| subject_of(info) == Some("x")),
        bad("two byte order marks", two_boms, ErrorKind::Syntax),
        fine("all planes", bytes("é☃𝄞\u{10ffff}".as_bytes()), |info| {
            subject_of(info) == Some("é☃𝄞\u{10ffff}")
        }),
    ]
}

/// Sizes.
fn sizes() -> Vec<Case> {
    let deep = |levels: usize| info("", &("<d>".repeat(levels) + &"</d>".repeat(levels)));
    let text = "x".repeat(4 * 1024 * 1024 - 200);
    let few = |limits: Limits, name, body: String, kind| Case { limits, ..bad(name, body, kind) };
    let users = |count: usize| info("", &format!("<users>{}</users>", "<user entity=\"\"/>".repeat(count)));
    let devices = |count: usize| {
        let devices = "<endpoint entity=\"\"/>".repeat(count);
        info("", &format!("<users><user entity=\"\">{devices}</user></users>"))
    };
    let unknown = info("", &"<e xmlns=\"urn:e\"/>".repeat(20_000));
    let unknown_deep =
        info("", &("<e xmlns=\"urn:e\">".repeat(20) + &"<f/>".repeat(50_000) + &"</e>".repeat(20)));
    let words = format!(
        "<conference-description><keywords>{}</keywords></conference-description>",
        "k ".repeat(250_000)
    );
    let limits = Limits::default();
    vec![
        bad("a million levels", info("", &"<d>".repeat(1_000_000)), ErrorKind::TooDeep),
        bad("one level too many", deep(32), ErrorKind::TooDeep),
        fine("as deep as allowed", deep(31), |info| info.extensions.len() == 1),
        bad("too large", subject(&"x".repeat(4 * 1024 * 1024)), ErrorKind::TooLarge),
        fine("a text of four megabytes", subject(&text), |info| {
            subject_of(info).is_some_and(|text| text.len() > 4_000_000)
        }),
        few(limits.with_entries(100), "more users than allowed", users(101), ErrorKind::TooManyEntries),
        few(
            limits.with_endpoints(100),
            "more endpoints than allowed",
            devices(101),
            ErrorKind::TooManyEndpoints,
        ),
        bad("more endpoints than anybody has", devices(50_001), ErrorKind::TooManyEndpoints),
        bad("more keywords than anybody reads", info("", &words), ErrorKind::TooManyEntries),
        fine("unknown elements without end", unknown, |info| info.extensions.len() < 2_000),
        fine("an unknown element that does not fit", unknown_deep, |info| info.extensions.is_empty()),
        fine("a long name", info("", &format!("<{}/>", "n".repeat(1_000_000))), |info| {
            info.extensions.is_empty()
        }),
    ]
}

/// Values that the model cannot have.
fn values() -> Vec<Case> {
    let state = |text: &str| info("", &format!("<conference-state>{text}</conference-state>"));
    vec![
        bad("a state of nobody", info("state=\"half\"", ""), ErrorKind::BadValue("@state")),
        bad("a negative version", info("version=\"-1\"", ""), ErrorKind::BadValue("@version")),
        bad(
            "a version that is too high",
            info("version=\"4294967296\"", ""),
            ErrorKind::BadValue("@version"),
        ),
        bad(
            "a version of a million digits",
            info(&format!("version=\"{}\"", "1".repeat(1_000_000)), ""),
            ErrorKind::BadValue("@version"),
        ),
        bad(
            "a count that is none",
            state("<user-count>many</user-count>"),
            ErrorKind::BadValue("user-count"),
        ),
        bad("neither true nor false", state("<locked>maybe</locked>"), ErrorKind::BadValue("locked")),
        bad("users twice", info("", "<users/><users/>"), ErrorKind::Repeated("users")),
        bad("a user without entity", info("", "<users><user/></users>"), ErrorKind::Missing("@entity")),
        bad("no entity", info("", "").replace(" entity=\"x\"", ""), ErrorKind::Missing("@entity")),
        fine("a version with zeros before it", info("version=\"0000000000000000000000007\"", ""), |info| {
            info.version == Some(7)
        }),
    ]
}

/// Documents of about this size, each full of the shortest entries of one list.
pub(crate) fn dense(size: usize) -> Vec<(&'static str, Vec<u8>)> {
    let fill = |name, before: &str, entry: &str, after: &str| {
        let (head, tail) = (info("", ""), "</conference-info>");
        let room = size - head.len() - before.len() - after.len();
        let body = head.replace(tail, "") + before + &entry.repeat(room / entry.len()) + after + tail;
        (name, body.into_bytes())
    };
    let view = format!("<conference-view xmlns=\"{MSCI}\">");
    vec![
        fill("users", "<users>", "<user entity=\"\"/>", "</users>"),
        fill("endpoints", "<users><user entity=\"\">", "<endpoint entity=\"\"/>", "</user></users>"),
        fill(
            "media",
            "<users><user entity=\"\"><endpoint entity=\"\">",
            "<media id=\"\"/>",
            "</endpoint></user></users>",
        ),
        fill("roles", "<users><user entity=\"\"><roles>", "<entry/>", "</roles></user></users>"),
        fill(
            "addresses",
            "<conference-description><conf-uris>",
            "<entry/>",
            "</conf-uris></conference-description>",
        ),
        fill(
            "available media",
            "<conference-description><available-media>",
            "<entry/>",
            "</available-media></conference-description>",
        ),
        fill("keywords", "<conference-description><keywords>", "k ", "</keywords></conference-description>"),
        fill("views", &view, "<entity-view entity=\"\"/>", "</conference-view>"),
        fill("unknown elements", "", "<e/>", ""),
        fill(
            "pieces of text",
            "<conference-description><subject>",
            "&lt;",
            "</subject></conference-description>",
        ),
    ]
}
