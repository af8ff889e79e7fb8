//! The record of one conference, as a pool keeps it: shared by its front ends and MCUs, and surviving each of them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use c3p::McuType;
use c3p::command::{Access, Command, CommandResult, LobbyResult, Request, Response};
use c3p::info::{
    ConfUri, ConferenceInfo, ConferenceState, Description, Endpoint, EndpointStatus, EntityView, McuState,
    McuStatus, Role, SessionType, User, Users, Views,
};

/// A record in the hands of several servers of one simulation.
pub type SharedConference = Rc<RefCell<MockConference>>;

/// What becomes of newcomers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// They come in.
    Open,
    /// They wait in the lobby.
    Lobby,
    /// They are refused with 403.
    Refused,
}

/// One command that a Focus carried out; a repetition of it is answered from memory and not listed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// Who asked.
    pub user: String,
    /// The number of the request.
    pub request_id: u64,
    /// The command's element.
    pub command: String,
}

#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) endpoint: String,
    pub(super) display: Option<String>,
    pub(super) role: Role,
    pub(super) lobby: bool,
    pub(super) chat: Option<String>,
    /// The front end that has his dialogs; `None` for people whom no client plays.
    pub(super) home: Option<SocketAddr>,
}

/// Somebody who has to be told that he is out.
#[derive(Debug, Clone)]
pub(super) struct SentAway {
    pub(super) user: String,
    pub(super) home: Option<SocketAddr>,
    pub(super) reason: &'static str,
    pub(super) diagnostics: u32,
}

/// The record of one conference.
#[derive(Debug)]
pub struct MockConference {
    /// Its URI.
    pub uri: String,
    /// What becomes of newcomers.
    pub admission: Admission,
    /// Whether it is over.
    pub ended: bool,
    /// Whether it is locked.
    pub locked: bool,
    /// The commands that were carried out, in order.
    pub executed: Vec<Executed>,
    pub(super) version: u32,
    pub(super) members: BTreeMap<String, Member>,
    pub(super) mcus: BTreeMap<McuType, (McuStatus, Option<String>)>,
    results: BTreeMap<(String, String, u64), Response>,
    changes: Vec<(u32, ConferenceInfo)>,
    /// Where GRUUs are: the Path of their registration, or the address of the edge's flow.
    pub(super) bindings: BTreeMap<String, String>,
    /// Who was told to go, and how: taken by the front end that has the dialogs.
    pub(super) sent_away: Vec<SentAway>,
}

impl MockConference {
    /// An open conference with an active IM MCU, instance `im-1`.
    #[must_use]
    pub fn new(uri: &str) -> Self {
        let im = (McuStatus::Active, Some("im-1".to_owned()));
        MockConference {
            uri: uri.to_owned(),
            admission: Admission::Open,
            ended: false,
            locked: false,
            executed: Vec::new(),
            version: 1,
            members: BTreeMap::new(),
            mcus: BTreeMap::from([(McuType::Im, im)]),
            results: BTreeMap::new(),
            changes: Vec::new(),
            bindings: BTreeMap::new(),
            sent_away: Vec::new(),
        }
    }

    /// The same, to be handed to several servers.
    #[must_use]
    pub fn shared(self) -> SharedConference {
        Rc::new(RefCell::new(self))
    }

    /// The users in it, those in the lobby left out.
    #[must_use]
    pub fn users(&self) -> Vec<String> {
        self.members.iter().filter(|(_, member)| !member.lobby).map(|(user, _)| user.clone()).collect()
    }

    /// The users in its document: those who wait in the lobby, too.
    #[must_use]
    pub fn everybody(&self) -> Vec<String> {
        self.members.keys().cloned().collect()
    }

    /// Whether somebody waits in the lobby.
    #[must_use]
    pub fn waits(&self, user: &str) -> bool {
        self.in_lobby(user)
    }

    /// Somebody whom no client of the simulation plays comes in.
    pub fn add_person(&mut self, user: &str) {
        let endpoint = format!("{{00000000-0000-4000-8000-{:0>12}}}", user.len());
        self.join(user, &endpoint, None, false, None);
    }

    /// Somebody leaves.
    pub fn remove_person(&mut self, user: &str) {
        if self.members.remove(user).is_some() {
            let mut change = ConferenceInfo::partial(&self.uri);
            change.users = Some(Users::partial(vec![User::deleted(user)]));
            self.changed(change);
        }
    }

    /// Lets somebody in from the lobby.
    pub fn admit(&mut self, user: &str) {
        if let Some(member) = self.members.get_mut(user) {
            member.lobby = false;
            self.user_changed(user);
        }
    }

    /// Removes somebody with the word `rejected`.
    pub fn eject(&mut self, user: &str) {
        self.send_away(user, "rejected", c3p::diagnostics::ids::REMOVED);
        self.remove_person(user);
    }

    /// Ends the conference for everybody.
    pub fn end(&mut self) {
        self.ended = true;
        let users: Vec<String> = self.members.keys().cloned().collect();
        for user in users {
            self.send_away(&user, "noresource", c3p::diagnostics::ids::ENDED_BY_PRESENTER);
        }
        self.members.clear();
    }

    /// Reports the state of an MCU. With any other status than active its endpoints leave the roster.
    pub fn set_mcu(&mut self, mcu: McuType, status: McuStatus, instance: &str) {
        self.mcus.insert(mcu, (status, Some(instance.to_owned())));
        let mut change = ConferenceInfo::partial(&self.uri);
        change.views = Some(Views::partial(vec![self.mcu_view(mcu)]));
        if mcu == McuType::Im && !status.is_active() {
            let left: Vec<String> = self
                .members
                .iter()
                .filter(|(_, member)| member.chat.is_some())
                .map(|(user, _)| user.clone())
                .collect();
            self.members.values_mut().for_each(|member| member.chat = None);
            change.users = Some(Users::partial(left.iter().filter_map(|user| self.user(user)).collect()));
        }
        self.changed(change);
    }

    /// Swaps the instance of an MCU in such a way that watchers see only the end of it.
    pub fn replace_mcu(&mut self, mcu: McuType, instance: &str) {
        self.mcus.insert(mcu, (McuStatus::Active, Some(instance.to_owned())));
        if mcu == McuType::Im {
            self.members.values_mut().for_each(|member| member.chat = None);
        }
        let mut change = ConferenceInfo::partial(&self.uri);
        change.views = Some(Views::partial(vec![self.mcu_view(mcu)]));
        change.users = Some(Users::partial(self.members.keys().filter_map(|user| self.user(user)).collect()));
        self.changed(change);
    }

    /// Loses one notification: the version grows, and nobody is told what for.
    pub fn skip_version(&mut self) {
        self.version += 1;
    }

    pub(super) fn join(
        &mut self,
        user: &str,
        endpoint: &str,
        display: Option<String>,
        lobby: bool,
        home: Option<SocketAddr>,
    ) -> Role {
        let first = self.members.values().all(|member| member.role != Role::Presenter);
        let role = match self.members.get(user) {
            Some(member) => member.role.clone(),
            None if first || user.contains("alice") => Role::Presenter,
            None => Role::Attendee,
        };
        let member =
            Member { endpoint: endpoint.to_owned(), display, role: role.clone(), lobby, chat: None, home };
        let known = self.members.get(user).filter(|known| known.endpoint == endpoint).cloned();
        match known {
            // A rejoin: lobby and chat are as before, and nobody is told.
            Some(known) => {
                self.members
                    .insert(user.to_owned(), Member { lobby: known.lobby, chat: known.chat, ..member });
            }
            None => {
                self.members.insert(user.to_owned(), member);
                self.user_changed(user);
            }
        }
        role
    }

    fn send_away(&mut self, user: &str, reason: &'static str, diagnostics: u32) {
        let home = self.members.get(user).and_then(|member| member.home);
        self.sent_away.push(SentAway { user: user.to_owned(), home, reason, diagnostics });
    }

    pub(super) fn set_chat(&mut self, user: &str, chat: Option<String>) {
        if let Some(member) = self.members.get_mut(user)
            && member.chat != chat
        {
            member.chat = chat;
            self.user_changed(user);
        }
    }

    pub(super) fn instance(&self, mcu: McuType) -> Option<String> {
        self.mcus.get(&mcu).and_then(|(_, instance)| instance.clone())
    }

    fn user_changed(&mut self, user: &str) {
        let mut change = ConferenceInfo::partial(&self.uri);
        change.users = Some(Users::partial(self.user(user).into_iter().collect()));
        self.changed(change);
    }

    fn changed(&mut self, mut change: ConferenceInfo) {
        self.version += 1;
        change.version = Some(self.version);
        change.conference_state = Some(self.conference_state());
        self.changes.push((self.version, change));
    }

    fn conference_state(&self) -> ConferenceState {
        let count = self.users().len();
        ConferenceState {
            user_count: u32::try_from(count).ok(),
            active: Some(true),
            locked: Some(self.locked),
            termination_countdown: None,
            ..ConferenceState::default()
        }
    }

    fn user(&self, entity: &str) -> Option<User> {
        let member = self.members.get(entity)?;
        let status = if member.lobby { EndpointStatus::OnHold } else { EndpointStatus::Connected };
        let focus = Endpoint::new(&member.endpoint, SessionType::Focus).with_status(status);
        let mut user = User::new(entity).with_role(member.role.clone()).with_endpoint(focus);
        if let Some(name) = &member.display {
            user = user.with_display_text(name);
        }
        if let Some(chat) = &member.chat {
            user = user
                .with_endpoint(Endpoint::new(chat, SessionType::Chat).with_status(EndpointStatus::Connected));
        }
        Some(user)
    }

    fn mcu_view(&self, mcu: McuType) -> EntityView {
        let (status, instance) = self.mcus.get(&mcu).cloned().unwrap_or((McuStatus::Idle, None));
        let uri = c3p::uri::mcu_uri(&self.uri, mcu).unwrap_or_default();
        EntityView::of_mcu(uri, mcu, McuState::new(status, instance), self.locked)
    }

    /// The document that a watcher gets who asks; one in the lobby gets the limited form.
    pub(super) fn full(&self, watcher: &str) -> ConferenceInfo {
        let mut info = ConferenceInfo::new(&self.uri);
        info.version = Some(self.version);
        let conf_uris = self.mcus.keys().filter_map(|mcu| ConfUri::of_mcu(&self.uri, *mcu)).collect();
        info.description =
            Some(Description { subject: Some("Simulated".to_owned()), conf_uris, ..Description::default() });
        info.conference_state = Some(self.conference_state());
        if self.in_lobby(watcher) {
            info.users = Some(Users::full(self.user(watcher).into_iter().collect()));
            return info;
        }
        info.users = Some(Users::full(self.members.keys().filter_map(|user| self.user(user)).collect()));
        let mut views = vec![EntityView::of_focus(&self.uri, self.locked)];
        views.extend(self.mcus.keys().map(|mcu| self.mcu_view(*mcu)));
        info.views = Some(Views::full(views));
        info
    }

    pub(super) fn in_lobby(&self, user: &str) -> bool {
        self.members.get(user).is_some_and(|member| member.lobby)
    }

    /// The partial documents above this version.
    pub(super) fn since(&self, version: u32) -> Vec<ConferenceInfo> {
        self.changes.iter().filter(|(of, _)| *of > version).map(|(_, change)| change.clone()).collect()
    }

    /// Carries a command out once; a repetition gets the first answer again.
    pub(super) fn execute(&mut self, user: &str, endpoint: &str, request: &Request) -> Response {
        let key = (user.to_owned(), endpoint.to_owned(), request.request_id);
        if let Some(known) = self.results.get(&key) {
            return known.clone();
        }
        let result = self.run(user, &request.command);
        let answer = match result {
            Ok(result) => Response::success(request, result),
            Err(reason) => Response::failure(request, c3p::Reason::from_token(reason)),
        };
        let command = request.command.name().to_owned();
        self.executed.push(Executed { user: user.to_owned(), request_id: request.request_id, command });
        self.results.insert(key, answer.clone());
        answer
    }

    fn run(&mut self, by: &str, command: &Command) -> Result<CommandResult, &'static str> {
        let leads = self.members.get(by).is_some_and(|member| member.role == Role::Presenter);
        let reads = matches!(command, Command::GetConference { .. });
        if !leads && !reads {
            return Err("forbidden");
        }
        match command {
            Command::ModifyConferenceLock { locked, .. } => {
                self.locked = *locked;
                let change = ConferenceInfo::partial(&self.uri);
                self.changed(change);
                Ok(CommandResult::ModifyConferenceLock)
            }
            Command::DeleteUser { user, .. } => {
                self.eject(user);
                Ok(CommandResult::DeleteUser)
            }
            Command::ModifyUserRoles { user, role, .. } => {
                let member = self.members.get_mut(user).ok_or("userDoesntExist")?;
                member.role = role.clone();
                self.user_changed(user);
                Ok(CommandResult::ModifyUserRoles)
            }
            Command::SetLobbyAccess { users, access, .. } => {
                for user in users {
                    match access {
                        Access::Granted => self.admit(user),
                        Access::Denied => self.eject(user),
                    }
                }
                let results = users.iter().map(|user| LobbyResult { user: user.clone(), failure: None });
                Ok(CommandResult::SetLobbyAccess(results.collect()))
            }
            Command::DeleteConference { .. } => {
                self.end();
                Ok(CommandResult::DeleteConference { entity: Some(self.uri.clone()) })
            }
            Command::GetConference { .. } => Ok(CommandResult::GetConference(Some(Box::new(self.full(by))))),
            _ => Err("notSupported"),
        }
    }
}
