//! Writing of the roster document, elements in the documented order.
//!
//! The elements of RFC 4575 stand in the default namespace, the others have the customary prefixes. Groups of later
//! extensions are set off by separators, as receivers of the first release expect.

use bytes::Bytes;

use super::{
    ConferenceInfo, ConferenceState, Description, Endpoint, EntityState, EntityView, Media, State, User,
    Users, Views,
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

/// Writes a whole document.
pub(super) fn write(info: &ConferenceInfo) -> Bytes {
    let mut out = Writer::document();
    write_conference_info(&mut out, info, Form::Document);
    out.finish()
}

/// Writes a `conference-info` element with its declarations.
pub(crate) fn write_conference_info(out: &mut Writer, info: &ConferenceInfo, form: Form) {
    out.start("conference-info").attribute("xmlns", uri::INFO);
    write_extension_namespaces(out);
    out.attribute("xmlns:ci", uri::INFO)
        .attribute("xmlns:rc", uri::RECOVERY)
        .attribute("entity", &info.entity)
        .attribute_if("state", form.word(info.state));
    if let Some(version) = info.version {
        out.attribute("version", &version.to_string());
    }
    if let Some(description) = &info.description {
        write_description(out, description, form);
    }
    if let Some(state) = &info.conference_state {
        write_conference_state(out, state);
    }
    if let Some(users) = &info.users {
        write_users(out, users, form);
    }
    if let Some(views) = &info.views {
        write_views(out, views, form);
    }
    out.end();
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
    out.leaf_if("display-text", from.display_text.as_deref()).leaf_if("subject", from.subject.as_deref());
    write_conf_uris(out, from, form);
    out.number_if("maximum-user-count", from.maximum_user_count)
        .leaf_if("msci:conference-id", from.conference_id.as_deref())
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

fn write_conf_uris(out: &mut Writer, from: &Description, form: Form) {
    if from.conf_uris.is_empty() {
        return;
    }
    out.start("conf-uris").attribute_if("state", form.word(State::Full));
    for entry in &from.conf_uris {
        out.start("entry").leaf("uri", &entry.uri);
        out.leaf_if("display-text", entry.display_text.as_deref())
            .leaf_if("purpose", entry.purpose.as_deref())
            .end();
    }
    out.end();
}

/// The second and the third group of extensions; the third stands behind two separators even without the second.
fn write_description_groups(out: &mut Writer, from: &Description) {
    let third = from.autopromote.is_some()
        || from.pstn_lobby_bypass.is_some()
        || from.organizer.is_some()
        || from.join_url.is_some();
    if from.pstn_access.is_some() || third {
        separator(out);
    }
    if let Some(access) = &from.pstn_access {
        out.start("msci:pstn-access").leaf_if("msci:id", access.id.as_deref()).end();
    }
    if third {
        separator(out);
    }
    out.number_if("msci:autopromote", from.autopromote)
        .boolean_if("msci:pstn-lobby-bypass", from.pstn_lobby_bypass);
    if let Some(organizer) = &from.organizer {
        out.start("msci:organizer")
            .leaf_if("msci:display-name", organizer.display_name.as_deref())
            .leaf_if("msci:uri", organizer.uri.as_deref())
            .end();
    }
    out.leaf_if("msci:join-url", from.join_url.as_deref());
}

fn write_conference_state(out: &mut Writer, from: &ConferenceState) {
    out.start("conference-state")
        .number_if("user-count", from.user_count)
        .boolean_if("active", from.active)
        .boolean_if("locked", from.locked);
    if let Some(remaining) = from.termination_countdown {
        separator(out);
        out.start("rc:termination-countdown").attribute("remaining", &remaining.to_string()).end();
    }
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
    if !user.roles.is_empty() {
        out.start("roles");
        for role in &user.roles {
            out.leaf("entry", role.as_str());
        }
        out.end();
    }
    for endpoint in &user.endpoints {
        write_endpoint(out, endpoint);
    }
    out.end();
}

fn write_endpoint(out: &mut Writer, from: &Endpoint) {
    out.start("endpoint")
        .attribute("entity", &from.entity)
        .attribute_if("state", Form::Record.word(from.state))
        .attribute_if("msci:session-type", from.session_type.as_ref().map(|kind| kind.as_str()))
        .attribute_if("msci:endpoint-uri", from.endpoint_uri.as_deref())
        .attribute_if("msci:epid", from.epid.as_deref())
        .attribute_if("msci:refer-to-uri", from.refer_to_uri.as_deref());
    out.leaf_if("display-text", from.display_text.as_deref())
        .leaf_if("status", from.status.map(|status| status.as_str()))
        .leaf_if("joining-method", from.joining_method.map(|method| method.as_str()))
        .leaf_if("disconnection-method", from.disconnection_method.map(|method| method.as_str()));
    if let Some(reason) = &from.disconnection_reason {
        out.start("disconnection-info").leaf("reason", reason).end();
    }
    for media in &from.media {
        write_media(out, media);
    }
    out.leaf_if("msci:accessMethod", from.access_method.map(|method| method.as_str()))
        .leaf_if("msci:authMethod", from.auth_method.map(|method| method.as_str()));
    if from.lobby_capable.is_some() {
        out.start("msci:clientInfo");
        separator(out);
        out.boolean_if("msci2:lobby-capable", from.lobby_capable).end();
    }
    if !from.connection_info.is_empty() {
        out.start("msci:connection-info");
        for (key, value) in &from.connection_info {
            out.start("msci:entry").leaf("msci:key", key).leaf("msci:value", value).end();
        }
        out.end();
    }
    out.end();
}

fn write_media(out: &mut Writer, from: &Media) {
    out.start("media")
        .attribute("id", &from.id)
        .leaf_if("display-text", from.display_text.as_deref())
        .leaf_if("type", from.kind.as_deref())
        .leaf_if("label", from.label.as_deref())
        .leaf_if("src-id", from.src_id.as_deref())
        .leaf_if("status", from.status.map(|status| status.as_str()))
        .leaf_if("msci:media-ingress-filter", from.ingress_filter.map(|filter| filter.as_str()))
        .leaf_if("msci:media-egress-filter", from.egress_filter.map(|filter| filter.as_str()))
        .leaf_if("msci:media-state", from.media_state.as_deref())
        .leaf_if("msci:media-source-id", from.media_source_id.as_deref())
        .end();
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
    if let Some(state) = &from.entity_state {
        write_entity_state(out, state);
    }
    out.end();
}

fn write_entity_state(out: &mut Writer, from: &EntityState) {
    out.start("msci:entity-state")
        .leaf_if("msci:displayText", from.display_text.as_deref())
        .boolean_if("msci:locked", from.locked);
    if !from.media.is_empty() {
        out.start("msci:media");
        for entry in &from.media {
            out.start("msci:entry")
                .attribute_if("label", entry.label.as_deref())
                .leaf_if("msci:type", entry.kind.as_deref())
                .leaf_if("msci:status", entry.status.map(|status| status.as_str()))
                .end();
        }
        out.end();
    }
    if let Some(mcu) = &from.mcu {
        out.start("rc:mcu-status")
            .attribute_if("instance", mcu.instance.as_deref())
            .text(mcu.status.as_str())
            .end();
    }
    out.end();
}
