//! `parse(write(x)) == x` for every type, and no panic on any text (proptest).

use c3p::command::{
    Access, AddUser, Code, Command, CommandResult, ConferenceKey, ConferenceList, ConferencingCapabilities,
    Document, Endorsement, EndpointKeys, LobbyResult, MediaKeys, Notify, Request, Response,
};
use c3p::diagnostics::Diagnostics;
use c3p::im::{ComposingState, Imdn, ImdnRecipient, IsComposing};
use c3p::info::{
    AccessMethod, AccessNumbers, AdmissionPolicy, AuthMethod, CallInfo, ConfUri, ConferenceInfo,
    ConferenceState, Description, DisconnectionMethod, Endpoint, EndpointStatus, EntityState, EntityView,
    Execution, Extension, Filter, HostInfo, JoiningMethod, McuState, McuStatus, Media, MediaEntry,
    MediaFilters, MediaStatus, NamedValue, NamedValues, Organizer, PstnAccess, Region, Role, RoleFilter,
    SessionType, State, User, Users, Views,
};
use c3p::invite::{ConferenceInvite, ImInvite};
use c3p::{AnyAttribute, AnyContent, AnyElement, Limits, Reason, uri};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

/// Whether XML 1.0 can carry a character.
fn is_legal(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r')
        || (character >= ' ' && !matches!(character, '\u{fffe}' | '\u{ffff}'))
}

/// Any text for people, blanks and markup included.
fn text() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        4 => prop::char::range('a', 'z'),
        2 => select(vec!['<', '>', '&', '"', '\'', ']', '\t', '\n', '\r', ' ', ';', '%']),
        1 => any::<char>().prop_filter("XML", |character| is_legal(*character)),
    ];
    vec(character, 0..12).prop_map(|characters| characters.into_iter().collect())
}

/// A text at whose ends blanks mean nothing.
fn word() -> impl Strategy<Value = String> {
    text().prop_map(|text| text.trim_matches([' ', '\t', '\r', '\n']).to_owned())
}

fn one_of<T: Copy + std::fmt::Debug + 'static>(all: &'static [T]) -> impl Strategy<Value = T> {
    select(all)
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![select(Role::KNOWN), word().prop_map(|word| Role::from_token(&word))]
}

fn reason() -> impl Strategy<Value = Reason> {
    prop_oneof![select(Reason::KNOWN), "[a-zA-Z]{1,12}".prop_map(|word| Reason::from_token(&word))]
}

fn state() -> impl Strategy<Value = State> {
    one_of(State::ALL)
}

/// A name that is not one of ours.
fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z_][a-zA-Z0-9._-]{0,5}X"
}

fn namespace() -> impl Strategy<Value = String> {
    let known = ["", "urn:example:x", "urn:example:y&<", "urn:ietf:params:xml:ns:conference-info"];
    select(known.to_vec()).prop_map(str::to_owned)
}

/// An element that is not known, in the form in which one is read.
fn any_element() -> BoxedStrategy<AnyElement> {
    let xml = Just("http://www.w3.org/XML/1998/namespace".to_owned());
    let attribute = (prop_oneof![4 => namespace(), 1 => xml], name(), text())
        .prop_map(|(namespace, name, value)| AnyAttribute { namespace, name, value });
    let attributes = vec(attribute, 0..4).prop_map(|mut attributes| {
        attributes.sort();
        attributes.dedup_by(|a, b| (&a.namespace, &a.name) == (&b.namespace, &b.name));
        attributes
    });
    let head = (namespace(), name(), attributes);
    let leaf = (head, text()).prop_map(|((namespace, name, attributes), text)| {
        let content = if text.is_empty() { Vec::new() } else { vec![AnyContent::Text(text)] };
        AnyElement { namespace, name, attributes, content }
    });
    leaf.prop_recursive(3, 8, 3, |inner| {
        let said = text().prop_map(|text| format!(".{text}"));
        (inner.clone(), vec(inner, 0..3), of(said)).prop_map(|(mut outer, children, text)| {
            outer.content = children.into_iter().map(AnyContent::Element).collect();
            outer.content.extend(text.map(AnyContent::Text));
            outer
        })
    })
    .boxed()
}

fn extensions() -> BoxedStrategy<Vec<Extension>> {
    let one = (any_element(), 0..4_u8).prop_map(|(element, group)| Extension { group, element });
    prop_oneof![
        4 => Just(Vec::new()),
        1 => vec(one, 1..3).prop_map(|mut all| {
            // In the order of the document, which is that of the groups.
            all.sort_by_key(|extension| extension.group);
            all
        }),
    ]
    .boxed()
}

fn execution() -> BoxedStrategy<Execution> {
    (of(word()), of(text()), of(word())).prop_map(|(when, reason, by)| Execution { when, reason, by }).boxed()
}

fn words() -> impl Strategy<Value = Vec<String>> {
    vec("[a-z<&]{1,5}", 0..3)
}

fn access_numbers() -> impl Strategy<Value = AccessNumbers> {
    let region = (text(), vec(word(), 0..3)).prop_map(|(name, numbers)| Region { name, numbers });
    (vec(region, 0..3), of(text()))
        .prop_map(|(regions, default_region)| AccessNumbers { regions, default_region })
}

fn host_info() -> BoxedStrategy<HostInfo> {
    (of(text()), of(word()), vec(conf_uri(), 0..2), extensions())
        .prop_map(|(display_text, web_page, uris, extensions)| HostInfo {
            display_text,
            web_page,
            uris,
            extensions,
        })
        .boxed()
}

fn media_entry() -> BoxedStrategy<MediaEntry> {
    let first = (of(text()), of(word()), of(one_of(MediaStatus::ALL)));
    let second = (of(text()), of(word()), of(word()), extensions());
    (first, second)
        .prop_map(|(first, second)| MediaEntry {
            label: first.0,
            kind: first.1,
            status: first.2,
            display_text: second.0,
            video_mode: second.1,
            primary_source: second.2,
            extensions: second.3,
        })
        .boxed()
}

fn named_values() -> impl Strategy<Value = NamedValues> {
    let value = (name(), word()).prop_map(|(name, value)| NamedValue { name, value });
    (vec(value, 0..3), extensions()).prop_map(|(values, extensions)| NamedValues { values, extensions })
}

fn media_filters() -> impl Strategy<Value = MediaFilters> {
    let rule = (role(), of(one_of(Filter::ALL)), of(one_of(Filter::ALL)), of(any::<bool>())).prop_map(
        |(role, ingress, egress, may_modify_own)| RoleFilter { role, ingress, egress, may_modify_own },
    );
    (text(), vec(rule, 0..3)).prop_map(|(media, rules)| MediaFilters { media, rules })
}

fn conf_uri() -> impl Strategy<Value = ConfUri> {
    (word(), of(text()), of(word()), of(execution()), extensions()).prop_map(
        |(uri, display_text, purpose, modified, extensions)| ConfUri {
            uri,
            display_text,
            purpose,
            modified,
            extensions,
        },
    )
}

fn description() -> BoxedStrategy<Description> {
    let first = (of(text()), of(text()), vec(conf_uri(), 0..3), of(any::<u32>()), of(word()), of(text()));
    let second = (of(word()), of(word()), of(any::<bool>()), of(word()), of(word()), of(text()), of(text()));
    let pstn = (of(word()), of(access_numbers()), of(text()), extensions()).prop_map(
        |(id, access_numbers, region, extensions)| PstnAccess { id, access_numbers, region, extensions },
    );
    let organizer = (of(text()), of(word()), extensions())
        .prop_map(|(display_name, uri, extensions)| Organizer { display_name, uri, extensions });
    let third = (of(any::<u32>()), of(pstn), of(any::<u32>()), of(any::<bool>()));
    let fourth = (of(organizer), of(word()));
    let fifth = (of(text()), words(), vec(conf_uri(), 0..2), vec(media_entry(), 0..2), extensions());
    (first, second, third, fourth, fifth)
        .prop_map(|(first, second, third, fourth, fifth)| Description {
            display_text: first.0,
            subject: first.1,
            conf_uris: first.2,
            maximum_user_count: first.3,
            conference_id: first.4,
            conference_key: first.5,
            last_update: second.0,
            last_activate: second.1,
            is_active: second.2,
            expiry_time: second.3,
            admission_policy: second.4.map(|word| AdmissionPolicy::from_token(&word)),
            organizer_roaming_data: second.5,
            notification_data: second.6,
            record_version: third.0,
            pstn_access: third.1,
            autopromote: third.2,
            pstn_lobby_bypass: third.3,
            organizer: fourth.0,
            join_url: fourth.1,
            free_text: fifth.0,
            keywords: fifth.1,
            service_uris: fifth.2,
            available_media: fifth.3,
            extensions: fifth.4,
        })
        .boxed()
}

fn conference_state() -> impl Strategy<Value = ConferenceState> {
    (of(any::<u32>()), of(any::<bool>()), of(any::<bool>()), of(any::<u32>()), extensions()).prop_map(
        |(user_count, active, locked, termination_countdown, extensions)| ConferenceState {
            user_count,
            active,
            locked,
            termination_countdown,
            extensions,
        },
    )
}

fn media() -> BoxedStrategy<Media> {
    let first = (text(), of(text()), of(word()), of(word()), of(word()), of(one_of(MediaStatus::ALL)));
    let second = (of(one_of(Filter::ALL)), of(one_of(Filter::ALL)), of(word()), of(word()), extensions());
    (first, second)
        .prop_map(|(first, second)| Media {
            id: first.0,
            display_text: first.1,
            kind: first.2,
            label: first.3,
            src_id: first.4,
            status: first.5,
            ingress_filter: second.0,
            egress_filter: second.1,
            media_state: second.2,
            media_source_id: second.3,
            extensions: second.4,
        })
        .boxed()
}

fn session_type() -> impl Strategy<Value = SessionType> {
    prop_oneof![select(SessionType::KNOWN), word().prop_map(|word| SessionType::from_token(&word))]
}

fn endpoint() -> BoxedStrategy<Endpoint> {
    let attributes = (text(), state(), of(session_type()), of(text()), of(text()), of(text()));
    let status = (
        of(text()),
        of(one_of(EndpointStatus::ALL)),
        of(one_of(JoiningMethod::ALL)),
        of(one_of(DisconnectionMethod::ALL)),
        of(execution()),
    );
    let rest = (
        vec(media(), 0..3),
        of(one_of(AccessMethod::ALL)),
        of(one_of(AuthMethod::ALL)),
        of(any::<bool>()),
        vec((word(), word()), 0..3),
    );
    let call = (of(text()), word(), word(), word()).prop_map(|(display_text, call_id, from_tag, to_tag)| {
        CallInfo { display_text, call_id, from_tag, to_tag }
    });
    let more = (of(execution()), of(execution()), of(call), extensions(), extensions());
    (attributes, status, rest, more)
        .prop_map(|(attributes, status, rest, more)| Endpoint {
            entity: attributes.0,
            state: attributes.1,
            session_type: attributes.2,
            endpoint_uri: attributes.3,
            epid: attributes.4,
            refer_to_uri: attributes.5,
            display_text: status.0,
            status: status.1,
            joining_method: status.2,
            disconnection_method: status.3,
            disconnection_info: status.4,
            referred: more.0,
            joining_info: more.1,
            call_info: more.2,
            client_info: more.3,
            extensions: more.4,
            media: rest.0,
            access_method: rest.1,
            auth_method: rest.2,
            lobby_capable: rest.3,
            connection_info: rest.4,
        })
        .boxed()
}

fn user(endpoints_max: usize) -> BoxedStrategy<User> {
    let first = (text(), state(), of(text()), vec(role(), 0..3), vec(endpoint(), 0..=endpoints_max));
    let second = (vec(conf_uri(), 0..2), words(), of(word()), extensions());
    (first, second)
        .prop_map(|(first, second)| User {
            entity: first.0,
            state: first.1,
            display_text: first.2,
            roles: first.3,
            endpoints: first.4,
            associated_aors: second.0,
            languages: second.1,
            cascaded_focus: second.2,
            extensions: second.3,
        })
        .boxed()
}

fn entity_state() -> BoxedStrategy<EntityState> {
    let mcu =
        (one_of(McuStatus::ALL), of(text())).prop_map(|(status, instance)| McuState { status, instance });
    let more = (of(any::<bool>()), of(media_filters()), extensions());
    (of(text()), of(any::<bool>()), vec(media_entry(), 0..3), of(mcu), more)
        .prop_map(|(display_text, locked, media, mcu, more)| EntityState {
            display_text,
            locked,
            media,
            mcu,
            announcements: more.0,
            media_filters: more.1,
            extensions: more.2,
        })
        .boxed()
}

fn views() -> impl Strategy<Value = Views> {
    let values = (of(named_values()), of(named_values()), of(named_values()));
    let view = (text(), state(), of(entity_state()), values, extensions()).prop_map(
        |(entity, state, entity_state, (capabilities, policy, settings), extensions)| EntityView {
            entity,
            state,
            capabilities,
            policy,
            settings,
            entity_state,
            extensions,
        },
    );
    (state(), vec(view, 0..3)).prop_map(|(state, views)| Views { state, views })
}

fn conference_info() -> BoxedStrategy<ConferenceInfo> {
    let users = (state(), vec(user(3), 0..3)).prop_map(|(state, users)| Users { state, users });
    let head = (text(), state(), of(any::<u32>()), of(any::<bool>()));
    let more = (of(host_info()), extensions());
    (head, of(description()), of(conference_state()), of(users), of(views()), more)
        .prop_map(
            |((entity, state, version, is_static), description, conference_state, users, views, more)| {
                ConferenceInfo {
                    entity,
                    state,
                    version,
                    is_static,
                    description,
                    host_info: more.0,
                    conference_state,
                    users,
                    views,
                    extensions: more.1,
                }
            },
        )
        .boxed()
}

fn boxed_info() -> impl Strategy<Value = Box<ConferenceInfo>> {
    conference_info().prop_map(Box::new)
}

fn add_user() -> impl Strategy<Value = AddUser> {
    (text(), user(1)).prop_map(|(conference, user)| AddUser { conference, user })
}

fn key() -> impl Strategy<Value = ConferenceKey> {
    prop_oneof![text().prop_map(ConferenceKey::Entity), text().prop_map(ConferenceKey::Id)]
}

fn media_keys() -> impl Strategy<Value = MediaKeys> {
    (text(), text(), text(), text()).prop_map(|(conference, user, endpoint, media)| MediaKeys {
        conference,
        user,
        endpoint,
        media,
    })
}

fn capabilities() -> impl Strategy<Value = ConferencingCapabilities> {
    (any::<u32>(), vec(session_type(), 0..3), any::<bool>(), of(access_numbers())).prop_map(
        |(version, mcu_types, anonymous_scheduling, access_numbers)| ConferencingCapabilities {
            version,
            mcu_types,
            anonymous_scheduling,
            access_numbers,
        },
    )
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        boxed_info().prop_map(Command::AddConference),
        add_user().prop_map(Command::AddUser),
        (text(), text()).prop_map(|(conference, user)| Command::DeleteUser { conference, user }),
        (text(), any::<bool>())
            .prop_map(|(conference, locked)| Command::ModifyConferenceLock { conference, locked }),
        (text(), text(), role()).prop_map(|(conference, user, role)| Command::ModifyUserRoles {
            conference,
            user,
            role
        }),
        (text(), vec(word(), 1..4), one_of(Access::ALL))
            .prop_map(|(conference, users, access)| Command::SetLobbyAccess { conference, users, access }),
        key().prop_map(|key| Command::DeleteConference { key }),
        key().prop_map(|key| Command::GetConference { key }),
        (text(), boxed_info())
            .prop_map(|(conference, info)| Command::ActivateConference { conference, info }),
        text().prop_map(|conference| Command::DeactivateConference { conference }),
        text().prop_map(|conference| Command::Resync { conference }),
        boxed_info().prop_map(Command::ModifyConference),
        select(vec![
            Command::GetConferences,
            Command::GetConferencingCapabilities,
            Command::GetAvailableMcuTypes,
            Command::GetEncryptionKey,
        ]),
        (text(), word()).prop_map(|(conference, user)| Command::EndorseUser { conference, user }),
        (media_keys(), media()).prop_map(|(keys, media)| Command::ModifyEndpointMedia { keys, media }),
        (media_keys(), endpoint()).prop_map(|(keys, endpoint)| Command::ModifyEndpoint {
            keys: EndpointKeys { conference: keys.conference, user: keys.user, endpoint: keys.endpoint },
            endpoint: Box::new(endpoint),
        }),
        (text(), media_filters(), vec(text(), 0..3)).prop_map(|(conference, filters, except)| {
            Command::ModifyUsersMediaFilters { conference, filters, except }
        }),
        (text(), any::<bool>()).prop_map(|(conference, enabled)| {
            Command::ModifyConferenceAnnouncements { conference, enabled }
        }),
        any_element().prop_map(|element| Command::Unknown(Box::new(element))),
    ]
}

fn result() -> impl Strategy<Value = CommandResult> {
    let lobby = (text(), of(reason())).prop_map(|(user, failure)| LobbyResult { user, failure });
    prop_oneof![
        of(boxed_info()).prop_map(CommandResult::AddConference),
        of(add_user()).prop_map(CommandResult::AddUser),
        Just(CommandResult::DeleteUser),
        Just(CommandResult::ModifyConferenceLock),
        Just(CommandResult::ModifyUserRoles),
        vec(lobby, 0..4).prop_map(CommandResult::SetLobbyAccess),
        of(text()).prop_map(|entity| CommandResult::DeleteConference { entity }),
        of(boxed_info()).prop_map(CommandResult::GetConference),
        of(boxed_info()).prop_map(CommandResult::ActivateConference),
        Just(CommandResult::DeactivateConference),
        of(boxed_info()).prop_map(CommandResult::Resync),
        of(boxed_info()).prop_map(CommandResult::ModifyConference),
        (vec(conference_info(), 0..3), any::<bool>()).prop_map(|(conferences, truncated)| {
            CommandResult::GetConferences(ConferenceList { conferences, truncated })
        }),
        of(capabilities()).prop_map(CommandResult::GetConferencingCapabilities),
        vec(session_type(), 0..3).prop_map(CommandResult::GetAvailableMcuTypes),
        of((text(), of(reason()))).prop_map(|endorsement| {
            let made = |(conference, failure)| Endorsement { conference, failure };
            CommandResult::EndorseUser(endorsement.map(made))
        }),
        select(vec![
            CommandResult::GetEncryptionKey,
            CommandResult::ModifyEndpointMedia,
            CommandResult::ModifyEndpoint,
            CommandResult::ModifyUsersMediaFilters,
            CommandResult::ModifyConferenceAnnouncements,
        ]),
        any_element().prop_map(|element| CommandResult::Unknown(Box::new(element))),
    ]
}

fn document() -> impl Strategy<Value = Document> {
    let head = || (any::<u64>(), text(), text());
    let more = || prop_oneof![3 => Just(Vec::new()), 1 => vec(any_element(), 1..3)];
    prop_oneof![
        (head(), of(text()), command(), more()).prop_map(
            |((request_id, from, to), mcu_uri, command, mut extensions)| {
                // All that is in an unknown command is part of it.
                if let Command::Unknown(_) = command {
                    extensions.clear();
                }
                Document::Request(Request { request_id, from, to, mcu_uri, command, extensions })
            }
        ),
        (head(), one_of(Code::ALL), of(reason()), result(), more()).prop_map(
            |((request_id, from, to), code, reason, result, mut extensions)| {
                if let CommandResult::Unknown(_) = result {
                    extensions.clear();
                }
                Document::Response(Response { request_id, from, to, code, reason, result, extensions })
            }
        ),
        (text(), text(), boxed_info()).prop_map(|(from, to, info)| Document::Notify(Notify {
            from,
            to,
            info
        })),
    ]
}

fn imdn() -> impl Strategy<Value = Imdn> {
    let recipient = (text(), of(any::<u16>()), vec((word(), text()), 0..3))
        .prop_map(|(uri, status, entries)| ImdnRecipient { uri, status, entries });
    (word(), vec(recipient, 0..3)).prop_map(|(message_id, recipients)| Imdn { message_id, recipients })
}

fn is_composing() -> impl Strategy<Value = IsComposing> {
    (one_of(ComposingState::ALL), of(word()), of(word()), of(any::<u32>())).prop_map(
        |(state, last_active, content_type, refresh)| IsComposing {
            state,
            last_active,
            content_type,
            refresh,
        },
    )
}

fn invite() -> impl Strategy<Value = ConferenceInvite> {
    let im = (any::<bool>(), of(text())).prop_map(|(available, first_im)| ImInvite { available, first_im });
    let flags = (of(any::<bool>()), of(any::<bool>()), of(any::<bool>()));
    let focus_uri = word().prop_filter("required", |uri| !uri.is_empty());
    (focus_uri, of(text()), of(im), flags).prop_map(
        |(focus_uri, subject, im, (audio, video, application_sharing))| ConferenceInvite {
            focus_uri,
            subject,
            im,
            audio,
            video,
            application_sharing,
        },
    )
}

fn diagnostics() -> impl Strategy<Value = Diagnostics> {
    let value = || text().prop_map(|text| text.replace(char::is_control, "_"));
    let name = "[a-zA-Z-]{1,8}".prop_filter("a name of its own", |name| {
        !name.eq_ignore_ascii_case("reason") && !name.eq_ignore_ascii_case("source")
    });
    (any::<u32>(), of(any::<u32>()), of(value()), of(value()), vec((name, value()), 0..4))
        .prop_map(|(id, sub, reason, source, params)| Diagnostics { id, sub, reason, source, params })
}

/// Another library, which checks namespaces, reads what was written.
fn accepted_elsewhere(written: &[u8]) -> Result<(), TestCaseError> {
    let text = std::str::from_utf8(written).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let tree = roxmltree::Document::parse(text);
    tree.map(drop).map_err(|error| TestCaseError::fail(format!("{error}: {text}")))
}

proptest! {
    #[test]
    fn c3p_documents(document in document()) {
        accepted_elsewhere(&document.write())?;
        prop_assert_eq!(Document::parse(&document.write(), &Limits::default()), Ok(document));
    }

    #[test]
    fn c3p_documents_as_json(document in document()) {
        let json = serde_json::to_vec(&document).expect("JSON");
        prop_assert_eq!(serde_json::from_slice::<Document>(&json).expect("the same type"), document);
    }

    #[test]
    fn roster_documents(info in conference_info()) {
        accepted_elsewhere(&info.write())?;
        prop_assert_eq!(ConferenceInfo::parse(&info.write(), &Limits::default()), Ok(info));
    }

    #[test]
    fn roster_documents_as_json(info in conference_info()) {
        let json = serde_json::to_vec(&info).expect("JSON");
        prop_assert_eq!(serde_json::from_slice::<ConferenceInfo>(&json).expect("the same type"), info);
    }

    #[test]
    fn small_bodies(imdn in imdn(), composing in is_composing(), invite in invite()) {
        let limits = Limits::default();
        for written in [imdn.write(), composing.write(), invite.write()] {
            accepted_elsewhere(&written)?;
        }
        prop_assert_eq!(Imdn::parse(&imdn.write(), &limits), Ok(imdn));
        prop_assert_eq!(IsComposing::parse(&composing.write(), &limits), Ok(composing));
        prop_assert_eq!(ConferenceInvite::parse(&invite.write(), &limits), Ok(invite));
    }

    #[test]
    fn diagnostics_values(values in vec(diagnostics(), 1..4)) {
        let line = values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        prop_assert_eq!(Diagnostics::parse_list(&line), Ok(values));
    }

    /// Characters that XML cannot carry are replaced; the document stays whole.
    #[test]
    fn any_text_is_written_well_formed(subject in any::<String>()) {
        let mut info = ConferenceInfo::new("x");
        info.description = Some(Description { subject: Some(subject.clone()), ..Description::default() });
        let read = ConferenceInfo::parse(&info.write(), &Limits::default()).expect("well-formed");
        let expected: String = subject.chars().map(|c| if is_legal(c) { c } else { '\u{fffd}' }).collect();
        prop_assert_eq!(read.description.and_then(|description| description.subject), Some(expected));
    }

    #[test]
    fn any_bytes_are_answered(bytes in vec(any::<u8>(), 0..200), text in text()) {
        let limits = Limits::default();
        for body in [bytes.as_slice(), text.as_bytes()] {
            let _ = Document::parse(body, &limits);
            let _ = ConferenceInfo::parse(body, &limits);
            let _ = Imdn::parse(body, &limits);
        }
        let _ = Diagnostics::parse_list(&text);
        let _ = uri::clean_input(&text);
        let _ = uri::target(&format!("sip:{text}"));
        let _ = uri::same(&format!("sip:{text}"), &text);
    }

    /// RFC 3261 section 19.1.4: the comparison of addresses is an equivalence.
    #[test]
    fn addresses_compare_as_an_equivalence(all in vec("(sip|SIP|sips):([aA]@)?[bB](;[xXy](=[12])?){0,2}", 3)) {
        let [a, b, c] = [&all[0], &all[1], &all[2]];
        prop_assert!(uri::same(a, a));
        prop_assert_eq!(uri::same(a, b), uri::same(b, a));
        if uri::same(a, b) && uri::same(b, c) {
            prop_assert!(uri::same(a, c));
        }
    }
}
