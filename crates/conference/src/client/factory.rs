//! Joining, and the Factory: what has to be made, asked or registered before a link starts.

use super::*;

impl ClientCore {
    pub(super) fn start_join(&mut self, id: ConferenceId, lobby_capable: bool, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.lobby_capable = lobby_capable;
        match conversation.target.clone() {
            Some(JoinTarget::Uri(_)) => self.when_settled(Waiting::Link(id), now),
            Some(JoinTarget::New(options)) => {
                let command = self.add_conference(&options);
                self.ask_factory(command, FactoryPurpose::Join(id), now);
            }
            None => self.join_failed(id, Reply::transport("there is nothing to join"), now),
        }
    }

    pub(super) fn start_link(&mut self, id: ConferenceId, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let Some(JoinTarget::Uri(text)) = &conversation.target else { return };
        let config = &conversation.config;
        let made = c3p::uri::clean_input(text).map_err(|error| error.to_string()).and_then(|uri| {
            let (user, endpoint) = (config.own_user.clone(), config.own_endpoint.clone());
            FocusLink::new(&uri, user, endpoint, conversation.lobby_capable, self.times)
                .map_err(|error| error.to_string())
        });
        match made {
            Ok(mut link) => {
                link.join(std::time::Duration::ZERO, &mut self.ua, now);
                conversation.link = Some(link);
                self.pump(id, now);
            }
            Err(error) => self.join_failed(id, Reply::transport(error), now),
        }
    }

    pub(super) fn join_failed(&mut self, id: ConferenceId, reply: Reply, now: Instant) {
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.session.handle_input(Input::JoinFailed(WireFailure::Refused(reply)), now);
        }
        self.pump(id, now);
    }

    /// Runs what needs a Contact once the registration is settled: done, refused, or out of reach.
    pub(super) fn when_settled(&mut self, what: Waiting, now: Instant) {
        if self.ua.is_settled() {
            return self.run(what, now);
        }
        self.waiting.push(what);
        self.ua.register(now);
    }

    pub(super) fn run(&mut self, what: Waiting, now: Instant) {
        match what {
            Waiting::Link(id) => self.start_link(id, now),
            Waiting::Factory { command, purpose } => self.send_factory(*command, purpose, now),
        }
    }

    pub(super) fn add_conference(&mut self, options: &ScheduleOptions) -> cccp::Command {
        let id = options.id.clone().unwrap_or_else(|| {
            self.ua.endpoint().new_token().chars().take(20).collect::<String>().to_ascii_uppercase()
        });
        let mcus = if options.mcus.is_empty() { vec![McuType::Im] } else { options.mcus.clone() };
        let mut info = ConferenceInfo::new("");
        info.description = Some(Description {
            subject: Some(options.subject.clone().unwrap_or_default()),
            conference_id: Some(id),
            expiry_time: options.expires.clone(),
            admission_policy: Some(AdmissionPolicy::OpenAuthenticated),
            ..Description::default()
        });
        let views = mcus.into_iter().map(|mcu| EntityView::new(mcu.to_string())).collect();
        info.views = Some(Views::full(views));
        cccp::Command::AddConference(Box::new(info))
    }

    pub(super) fn ask_factory(&mut self, command: cccp::Command, purpose: FactoryPurpose, now: Instant) {
        self.when_settled(Waiting::Factory { command: Box::new(command), purpose }, now);
    }

    pub(super) fn send_factory(&mut self, command: cccp::Command, purpose: FactoryPurpose, now: Instant) {
        let user = self.user();
        let factory = c3p::uri::factory_uri(&user);
        let Ok(uri) = Uri::parse(&factory) else {
            return self.factory_failed(purpose, Reply::transport("our address has no Factory"), now);
        };
        self.request_id += 1;
        let body = cccp::Request::new(self.request_id, user, factory, command).write();
        let call_id = self.ua.endpoint().new_token();
        let draft = RequestDraft::new(Method::Service, uri.clone())
            .from(self.ua.new_from())
            .to(NameAddr::new(uri))
            .call_id(call_id)
            .cseq(1)
            .header("Contact", self.ua.contact().to_string())
            .body(c3p::mime::C3P, body);
        let request = self.ua.send(draft, Routing::Outbound, now);
        self.factory.insert(request, purpose);
    }

    pub(super) fn on_factory_answer(&mut self, purpose: FactoryPurpose, response: &Response, now: Instant) {
        let answer = cccp::Response::parse(response.body(), &c3p::Limits::default());
        let made = match answer {
            Ok(cccp::Response { code: cccp::Code::Success, result, .. }) if response.status() < 300 => {
                Ok(result)
            }
            Ok(cccp::Response { reason, .. }) => Err(reason.map(|reason| reason.to_string())),
            Err(_) => Err(None),
        };
        match (made, purpose) {
            (Ok(cccp::CommandResult::AddConference(Some(info))), FactoryPurpose::Schedule(id)) => {
                let expires = info.description.and_then(|description| description.expiry_time);
                let result = Ok(Scheduled { uri: info.entity, expires });
                self.out.push_back(ClientOutput::Scheduled { id, result });
            }
            (Ok(cccp::CommandResult::AddConference(Some(info))), FactoryPurpose::Join(id)) => {
                if let Some(conversation) = self.conversations.get_mut(&id)
                    && conversation.target.is_some()
                {
                    conversation.target = Some(JoinTarget::Uri(info.entity));
                    self.start_link(id, now);
                }
            }
            (made, purpose) => {
                let reply = Reply::status(response.status())
                    .with_diagnostics(response.headers().get("ms-diagnostics"))
                    .with_c3p_reason(made.err().flatten());
                self.factory_failed(purpose, reply, now);
            }
        }
    }

    pub(super) fn factory_failed(&mut self, purpose: FactoryPurpose, reply: Reply, now: Instant) {
        match purpose {
            FactoryPurpose::Schedule(id) => {
                let result = Err(OperationError::Failure { operation: OperationName::Schedule, reply });
                self.out.push_back(ClientOutput::Scheduled { id, result });
            }
            FactoryPurpose::Join(id) => self.join_failed(id, reply, now),
            FactoryPurpose::Delete => {}
        }
    }

    pub(super) fn on_factory_silent(&mut self, purpose: FactoryPurpose, error: SendError, now: Instant) {
        if error != SendError::Timeout {
            return self.factory_failed(purpose, Reply::transport(error.to_string()), now);
        }
        let waited = self.times.first_answer;
        let awaited = Awaited::FactoryAnswer;
        match purpose {
            FactoryPurpose::Schedule(id) => {
                let operation = OperationName::Schedule;
                let result = Err(OperationError::Timeout { operation, awaited, waited });
                self.out.push_back(ClientOutput::Scheduled { id, result });
            }
            FactoryPurpose::Join(id) => {
                if let Some(conversation) = self.conversations.get_mut(&id) {
                    let failure = WireFailure::Silent { awaited, waited };
                    conversation.session.handle_input(Input::JoinFailed(failure), now);
                }
                self.pump(id, now);
            }
            FactoryPurpose::Delete => {}
        }
    }
}
