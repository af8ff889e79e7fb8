//! Writing of the roster document, elements in the documented order.
//!
//! The elements of RFC 4575 stand in the default namespace, the others have the customary prefixes. Groups of later
//! extensions are set off by separators, as receivers of the first release expect.

use bytes::Bytes;

use super::{
    AccessNumbers, ConfUri, ConferenceInfo, ConferenceState, Description, Endpoint, EntityState, EntityView,
    Execution, Extension, HostInfo, Media, MediaEntry, MediaFilters, NamedValues, State, User, Users, Views,
};
use crate::xml::{Writer, uri};

/// Whether `state="full"`, which is the default, is written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A document about a running conference: written out.
    Document,
    /// The record of a conference, or the user of a command: left out.
    Record,
}

impl Form {
    fn word(self, state: State) -> Option<&'static str> {
        (self == Self::Document || state != State::Full).then_some(state.as_str())
    }
}

/// The unknown elements of one parent, written group by group between the known ones.
struct Groups<'a> {
    extensions: &'a [Extension],
    group: u8,
}

impl<'a> Groups<'a> {
    fn of(extensions: &'a [Extension]) -> Self {
        Self { extensions, group: 0 }
    }

    fn write_group(&self, out: &mut Writer) {
        for extension in self.extensions.iter().filter(|extension| extension.group == self.group) {
            out.any(&extension.element, &[]);
        }
    }

    /// Ends groups until this one has begun.
    fn begin(&mut self, out: &mut Writer, group: u8) {
        while self.group < group {
            self.write_group(out);
            separator(out);
            self.group += 1;
        }
    }

    /// Writes what is left: the last group in which something stands.
    fn finish(mut self, out: &mut Writer) {
        let last = self.extensions.iter().map(|extension| extension.group).max().unwrap_or(0);
        self.begin(out, last.min(Extension::GROUPS_MAX));
        self.write_group(out);
    }
}

/// Writes a whole document.
pub(super) fn write(info: &ConferenceInfo) -> Bytes {
    let mut out = Writer::document();
    write_conference_info(&mut out, info, Form::Document);
    out.finish()
}

/// Writes a `conference-info` element with its declarations.
pub(crate) fn write_conference_info(out: &mut Writer, info: &ConferenceInfo, form: Form) {
    write_frame(out, info, form, |out| {
        if let Some(users) = &info.users {
            write_users(out, users, form);
        }
    });
}

/// Writes a `conference-info` element; `write_users` writes what stands in the place of the users.
pub(crate) fn write_frame(
    out: &mut Writer,
    info: &ConferenceInfo,
    form: Form,
    write_users: impl FnOnce(&mut Writer),
) {
    out.start("conference-info").attribute("xmlns", uri::INFO);
    write_extension_namespaces(out);
    out.attribute("xmlns:ci", uri::INFO)
        .attribute("xmlns:rc", uri::RECOVERY)
        .attribute("entity", &info.entity)
        .attribute_if("state", form.word(info.state));
    if let Some(version) = info.version {
        out.attribute("version", &version.to_string());
    }
    out.attribute_if("static", info.is_static.map(|value| if value { "true" } else { "false" }));
    if let Some(description) = &info.description {
        write_description(out, description, form);
    }
    if let Some(host) = &info.host_info {
        write_host_info(out, host);
    }
    if let Some(state) = &info.conference_state {
        write_conference_state(out, state);
    }
    write_users(out);
    if let Some(views) = &info.views {
        write_views(out, views, form);
    }
    Groups::of(&info.extensions).finish(out);
    out.end();
}

/// Writes an `endpoint` element of a command with its declarations.
pub(crate) fn write_endpoint_alone(out: &mut Writer, endpoint: &Endpoint) {
    out.start("endpoint").attribute("xmlns", uri::INFO);
    write_extension_namespaces(out);
    write_endpoint_content(out, endpoint);
}

/// Writes a `media` element of a command with its declarations.
pub(crate) fn write_media_alone(out: &mut Writer, media: &Media) {
    out.start("media").attribute("xmlns", uri::INFO);
    write_extension_namespaces(out);
    write_media_content(out, media);
}

/// Writes a `user` element of a command with its declarations.
pub(crate) fn write_user(out: &mut Writer, user: &User) {
    out.start("user").attribute("xmlns", uri::INFO);
    write_extension_namespaces(out);
    write_user_content(out, user, Form::Record);
}

fn write_extension_namespaces(out: &mut Writer) {
    out.attribute("xmlns:msci", uri::INFO_EXT)
        .attribute("xmlns:msci2", uri::INFO_EXT2)
        .attribute("xmlns:cis", uri::SEPARATOR);
}

fn separator(out: &mut Writer) {
    out.start("cis:separator").end();
}

fn write_description(out: &mut Writer, from: &Description, form: Form) {
    out.start("conference-description");
    out.leaf_if("display-text", from.display_text.as_deref())
        .leaf_if("subject", from.subject.as_deref())
        .leaf_if("free-text", from.free_text.as_deref());
    write_words(out, "keywords", &from.keywords);
    write_uris(out, "conf-uris", &from.conf_uris, form.word(State::Full));
    write_uris(out, "service-uris", &from.service_uris, None);
    out.number_if("maximum-user-count", from.maximum_user_count);
    if !from.available_media.is_empty() {
        out.start("available-media");
        for entry in &from.available_media {
            write_media_entry(out, entry, &MEDIUM);
        }
        out.end();
    }
    out.leaf_if("msci:conference-id", from.conference_id.as_deref())
        .leaf_if("msci:conference-key", from.conference_key.as_deref())
        .leaf_if("msci:last-update", from.last_update.as_deref())
        .leaf_if("msci:last-activate", from.last_activate.as_deref())
        .boolean_if("msci:is-active", from.is_active)
        .leaf_if("msci:expiry-time", from.expiry_time.as_deref())
        .leaf_if("msci:admission-policy", from.admission_policy.as_ref().map(|policy| policy.as_str()))
        .leaf_if("msci:organizer-roaming-data", from.organizer_roaming_data.as_deref())
        .leaf_if("msci:notification-data", from.notification_data.as_deref())
        .number_if("msci:version", from.record_version);
    write_description_groups(out, from);
    out.end();
}

/// Writes a list of words with blanks between them.
fn write_words(out: &mut Writer, name: &'static str, words: &[String]) {
    if !words.is_empty() {
        out.leaf(name, &words.join(" "));
    }
}

fn write_uris(out: &mut Writer, name: &'static str, uris: &[ConfUri], state: Option<&str>) {
    if uris.is_empty() {
        return;
    }
    out.start(name).attribute_if("state", state);
    for entry in uris {
        out.start("entry").leaf("uri", &entry.uri);
        out.leaf_if("display-text", entry.display_text.as_deref())
            .leaf_if("purpose", entry.purpose.as_deref());
        write_execution(out, "modified", entry.modified.as_ref());
        Groups::of(&entry.extensions).finish(out);
        out.end();
    }
    out.end();
}

fn write_execution(out: &mut Writer, name: &'static str, execution: Option<&Execution>) {
    if let Some(from) = execution {
        out.start(name)
            .leaf_if("when", from.when.as_deref())
            .leaf_if("reason", from.reason.as_deref())
            .leaf_if("by", from.by.as_deref())
            .end();
    }
}

fn write_host_info(out: &mut Writer, from: &HostInfo) {
    out.start("host-info")
        .leaf_if("display-text", from.display_text.as_deref())
        .leaf_if("web-page", from.web_page.as_deref());
    write_uris(out, "uris", &from.uris, None);
    Groups::of(&from.extensions).finish(out);
    out.end();
}

/// The second and the third group of extensions; the third stands behind two separators even without the second.
fn write_description_groups(out: &mut Writer, from: &Description) {
    let mut groups = Groups::of(&from.extensions);
    if let Some(access) = &from.pstn_access {
        groups.begin(out, 1);
        out.start("msci:pstn-access").leaf_if("msci:id", access.id.as_deref());
        if let Some(numbers) = &access.access_numbers {
            write_access_numbers(out, numbers, &MSCI);
        }
        out.leaf_if("msci:region", access.region.as_deref());
        Groups::of(&access.extensions).finish(out);
        out.end();
    }
    let third = from.autopromote.is_some()
        || from.pstn_lobby_bypass.is_some()
        || from.organizer.is_some()
        || from.join_url.is_some();
    if third {
        groups.begin(out, 2);
    }
    out.number_if("msci:autopromote", from.autopromote)
        .boolean_if("msci:pstn-lobby-bypass", from.pstn_lobby_bypass);
    if let Some(organizer) = &from.organizer {
        out.start("msci:organizer")
            .leaf_if("msci:display-name", organizer.display_name.as_deref())
            .leaf_if("msci:uri", organizer.uri.as_deref());
        Groups::of(&organizer.extensions).finish(out);
        out.end();
    }
    out.leaf_if("msci:join-url", from.join_url.as_deref());
    groups.finish(out);
}

/// The names of `access-numbers` and its children, with their prefixes.
pub(crate) struct NumberNames([&'static str; 5]);

/// Those in the roster document.
const MSCI: NumberNames = NumberNames([
    "msci:access-numbers",
    "msci:region",
    "msci:access-number",
    "msci:number",
    "msci:default-region",
]);

impl NumberNames {
    /// Those in a command, without prefix.
    pub(crate) const PLAIN: Self =
        Self(["access-numbers", "region", "access-number", "number", "default-region"]);
}

/// Writes `access-numbers`.
pub(crate) fn write_access_numbers(out: &mut Writer, from: &AccessNumbers, names: &NumberNames) {
    let NumberNames([root, region, entry, number, default]) = *names;
    out.start(root);
    for found in &from.regions {
        out.start(region).attribute("name", &found.name);
        for text in &found.numbers {
            out.start(entry).leaf(number, text).end();
        }
        out.end();
    }
    out.leaf_if(default, from.default_region.as_deref()).end();
}

fn write_conference_state(out: &mut Writer, from: &ConferenceState) {
    out.start("conference-state")
        .number_if("user-count", from.user_count)
        .boolean_if("active", from.active)
        .boolean_if("locked", from.locked);
    let mut groups = Groups::of(&from.extensions);
    if let Some(remaining) = from.termination_countdown {
        groups.begin(out, 1);
        out.start("rc:termination-countdown").attribute("remaining", &remaining.to_string()).end();
    }
    groups.finish(out);
    out.end();
}

fn write_users(out: &mut Writer, from: &Users, form: Form) {
    out.start("users").attribute_if("state", form.word(from.state));
    for user in &from.users {
        out.start("user");
        write_user_content(out, user, form);
    }
    out.end();
}

/// Attributes and children of a `user` whose tag is open, and its end.
fn write_user_content(out: &mut Writer, user: &User, form: Form) {
    out.attribute("entity", &user.entity)
        .attribute_if("state", form.word(user.state))
        .leaf_if("display-text", user.display_text.as_deref());
    write_uris(out, "associated-aors", &user.associated_aors, None);
    if !user.roles.is_empty() {
        out.start("roles");
        for role in &user.roles {
            out.leaf("entry", role.as_str());
        }
        out.end();
    }
    write_words(out, "languages", &user.languages);
    out.leaf_if("cascaded-focus", user.cascaded_focus.as_deref());
    for endpoint in &user.endpoints {
        out.start("endpoint");
        write_endpoint_content(out, endpoint);
    }
    Groups::of(&user.extensions).finish(out);
    out.end();
}

/// Attributes and children of an `endpoint` whose tag is open, and its end.
fn write_endpoint_content(out: &mut Writer, from: &Endpoint) {
    out.attribute("entity", &from.entity)
        .attribute_if("state", Form::Record.word(from.state))
        .attribute_if("msci:session-type", from.session_type.as_ref().map(|kind| kind.as_str()))
        .attribute_if("msci:endpoint-uri", from.endpoint_uri.as_deref())
        .attribute_if("msci:epid", from.epid.as_deref())
        .attribute_if("msci:refer-to-uri", from.refer_to_uri.as_deref());
    out.leaf_if("display-text", from.display_text.as_deref());
    write_execution(out, "referred", from.referred.as_ref());
    out.leaf_if("status", from.status.map(|status| status.as_str()))
        .leaf_if("joining-method", from.joining_method.map(|method| method.as_str()));
    write_execution(out, "joining-info", from.joining_info.as_ref());
    out.leaf_if("disconnection-method", from.disconnection_method.map(|method| method.as_str()));
    write_execution(out, "disconnection-info", from.disconnection_info.as_ref());
    for media in &from.media {
        out.start("media");
        write_media_content(out, media);
    }
    if let Some(call) = &from.call_info {
        out.start("call-info").start("sip");
        out.leaf_if("display-text", call.display_text.as_deref())
            .leaf("call-id", &call.call_id)
            .leaf("from-tag", &call.from_tag)
            .leaf("to-tag", &call.to_tag);
        out.end().end();
    }
    write_endpoint_extensions(out, from);
    out.end();
}

fn write_endpoint_extensions(out: &mut Writer, from: &Endpoint) {
    out.leaf_if("msci:accessMethod", from.access_method.map(|method| method.as_str()))
        .leaf_if("msci:authMethod", from.auth_method.map(|method| method.as_str()));
    if from.lobby_capable.is_some() || !from.client_info.is_empty() {
        out.start("msci:clientInfo");
        let mut groups = Groups::of(&from.client_info);
        if from.lobby_capable.is_some() {
            groups.begin(out, 1);
        }
        out.boolean_if("msci2:lobby-capable", from.lobby_capable);
        groups.finish(out);
        out.end();
    }
    if !from.connection_info.is_empty() {
        out.start("msci:connection-info");
        for (key, value) in &from.connection_info {
            out.start("msci:entry").leaf("msci:key", key).leaf("msci:value", value).end();
        }
        out.end();
    }
    Groups::of(&from.extensions).finish(out);
}

/// Attributes and children of a `media` whose tag is open, and its end.
fn write_media_content(out: &mut Writer, from: &Media) {
    out.attribute("id", &from.id)
        .leaf_if("display-text", from.display_text.as_deref())
        .leaf_if("type", from.kind.as_deref())
        .leaf_if("label", from.label.as_deref())
        .leaf_if("src-id", from.src_id.as_deref())
        .leaf_if("status", from.status.map(|status| status.as_str()))
        .leaf_if("msci:media-ingress-filter", from.ingress_filter.map(|filter| filter.as_str()))
        .leaf_if("msci:media-egress-filter", from.egress_filter.map(|filter| filter.as_str()))
        .leaf_if("msci:media-state", from.media_state.as_deref())
        .leaf_if("msci:media-source-id", from.media_source_id.as_deref());
    Groups::of(&from.extensions).finish(out);
    out.end();
}

fn write_views(out: &mut Writer, from: &Views, form: Form) {
    out.start("msci:conference-view").attribute_if("ci:state", form.word(from.state));
    for view in &from.views {
        write_entity_view(out, view, form);
    }
    out.end();
}

fn write_entity_view(out: &mut Writer, from: &EntityView, form: Form) {
    out.start("msci:entity-view")
        .attribute_if("ci:state", form.word(from.state))
        .attribute("entity", &from.entity);
    write_named_values(out, "msci:entity-capabilities", from.capabilities.as_ref());
    write_named_values(out, "msci:entity-policy", from.policy.as_ref());
    write_named_values(out, "msci:entity-settings", from.settings.as_ref());
    if let Some(state) = &from.entity_state {
        write_entity_state(out, state);
    }
    Groups::of(&from.extensions).finish(out);
    out.end();
}

fn write_named_values(out: &mut Writer, name: &'static str, values: Option<&NamedValues>) {
    let Some(from) = values else { return };
    out.start(name);
    for value in &from.values {
        out.leaf_named("msci:", &value.name, &value.value);
    }
    Groups::of(&from.extensions).finish(out);
    out.end();
}

fn write_entity_state(out: &mut Writer, from: &EntityState) {
    out.start("msci:entity-state")
        .leaf_if("msci:displayText", from.display_text.as_deref())
        .boolean_if("msci:locked", from.locked);
    if !from.media.is_empty() {
        out.start("msci:media");
        for entry in &from.media {
            write_media_entry(out, entry, &MCU_MEDIUM);
        }
        out.end();
    }
    out.boolean_if("msci:announcements-enabled", from.announcements);
    if let Some(filters) = &from.media_filters {
        write_media_filters(out, filters);
    }
    if let Some(mcu) = &from.mcu {
        out.start("rc:mcu-status")
            .attribute_if("instance", mcu.instance.as_deref())
            .text(mcu.status.as_str())
            .end();
    }
    Groups::of(&from.extensions).finish(out);
    out.end();
}

/// The names of a medium's `entry` and its children, with their prefixes.
struct MediumNames([&'static str; 4]);

/// Those of `available-media` (RFC 4575).
const MEDIUM: MediumNames = MediumNames(["entry", "display-text", "type", "status"]);
/// Those of an MCU's `media`.
const MCU_MEDIUM: MediumNames = MediumNames(["msci:entry", "msci:display-text", "msci:type", "msci:status"]);

fn write_media_entry(out: &mut Writer, from: &MediaEntry, names: &MediumNames) {
    let MediumNames([entry, display_text, kind, status]) = *names;
    out.start(entry)
        .attribute_if("label", from.label.as_deref())
        .leaf_if(display_text, from.display_text.as_deref())
        .leaf_if(kind, from.kind.as_deref())
        .leaf_if(status, from.status.map(|status| status.as_str()))
        .leaf_if("msci:video-mode", from.video_mode.as_deref())
        .leaf_if("msci:primary-source", from.primary_source.as_deref());
    Groups::of(&from.extensions).finish(out);
    out.end();
}

/// Writes `media-filters-rules` with its declaration.
pub(crate) fn write_media_filters(out: &mut Writer, from: &MediaFilters) {
    out.start("media-filters-rules").attribute("xmlns", uri::INFO_EXT).attribute("media", &from.media);
    for rule in &from.rules {
        out.start("role")
            .attribute("name", rule.role.as_str())
            .leaf_if("ingress", rule.ingress.map(|filter| filter.as_str()))
            .leaf_if("egress", rule.egress.map(|filter| filter.as_str()))
            .boolean_if("may-modify-own-filters", rule.may_modify_own)
            .end();
    }
    out.end();
}
