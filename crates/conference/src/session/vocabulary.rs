//! The words of events, reports and logs: states, causes, detectors, steps.

/// Declares a closed vocabulary with `ALL`, `as_str` and `Display`.
macro_rules! words {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            /// Every value, in the order of the declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word of event lines, logs and metrics.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// The externally visible state of a ConferenceSession (specification section 1).
    pub enum SessionState {
        /// Not joined; can be joined (again).
        Idle = "Idle",
        /// The join is under way.
        Connecting = "Connecting",
        /// A leader has to let us in.
        InLobby = "InLobby",
        /// In the conference.
        Connected = "Connected",
        /// The way to the Focus, or the Focus itself, is being found again.
        Reconnecting = "Reconnecting",
        /// The dialogs are being ended.
        Disconnecting = "Disconnecting",
        /// Over, for good.
        Disconnected = "Disconnected",
    }
}

words! {
    /// Why the state changed; every state event carries one.
    #[non_exhaustive]
    pub enum Cause {
        /// The application called join (T1).
        LocalJoin = "local-join",
        /// The join is complete (T2).
        Joined = "joined",
        /// The lobby holds us (T10).
        Lobby = "lobby",
        /// A leader admitted us (T13).
        Admitted = "admitted",
        /// The application leaves.
        LocalLeave = "local-leave",
        /// The application ends the conference for everybody (T3b).
        LocalEnd = "local-end",
        /// We were removed from the conference.
        Ejected = "ejected",
        /// We were refused in the lobby.
        Denied = "denied",
        /// The conference ended.
        Ended = "ended",
        /// Another holder of the same endpoint took our place (diagnostics 60001).
        Replaced = "replaced",
        /// The parent Conversation failed an escalation.
        EscalationFailed = "escalation-failed",
        /// The Focus's front end failed over.
        FocusFailover = "focus-failover",
        /// The route to the Focus is broken.
        RouteLost = "route-lost",
        /// The recovery succeeded.
        Recovered = "recovered",
        /// The reconnect attempt failed.
        ReconnectFailed = "reconnect-failed",
        /// The join failed.
        JoinFailed = "join-failed",
        /// The application terminates while joining (T16).
        Cancelled = "cancelled",
        /// The wait in the lobby was over.
        LobbyTimeout = "lobby-timeout",
        /// The deadline that the application set for recoveries passed.
        GaveUp = "gave-up",
        /// An answer did not come in time.
        Timeout = "timeout",
        /// The peer, or we, broke the protocol.
        ProtocolError = "protocol-error",
        /// The termination is complete (always T4).
        CleanedUp = "cleaned-up",
    }
}

words! {
    /// What told us that something is wrong: the rows of the decision table (protocol note on recovery, section 1).
    pub enum Detector {
        /// 430 with `Dialog-Route-Set-Update`.
        D1 = "D1",
        /// 430 with `Wait-For-Session-Update`.
        D2 = "D2",
        /// 430 with `Registration-Route-Set-Update`.
        D3 = "D3",
        /// 430 without a token that we know.
        D4 = "D4",
        /// 430 twice to one request.
        D5 = "D5",
        /// Transport error, 408, 503, 504 or silence.
        D6 = "D6",
        /// 481 in the Focus dialog.
        D7 = "D7",
        /// 481 to the refresh of the subscription only.
        D8 = "D8",
        /// Notification `terminated` with `deactivated` or `probation`.
        D9 = "D9",
        /// Notification `terminated` with `timeout`.
        D10 = "D10",
        /// Notification `terminated` with `rejected`, `noresource` or `giveup`.
        D11 = "D11",
        /// BYE in the Focus dialog.
        D12 = "D12",
        /// The flow to the next hop is lost.
        D13 = "D13",
        /// The registration is lost.
        D14 = "D14",
        /// A dialog with an MCU failed.
        D15 = "D15",
        /// Nothing was heard for the idle time.
        D16 = "D16",
        /// UPDATE from the far end while the route was lost.
        D17 = "D17",
        /// 404, 410, 480 or 604 in the dialog.
        D18 = "D18",
        /// 401 or 407.
        D19 = "D19",
        /// 491, or 500 with Retry-After.
        D20 = "D20",
        /// Any other refusal of a command.
        D21 = "D21",
    }
}

words! {
    /// Which of the three kinds of recovery it is (specification section 3).
    pub enum RecoveryLevel {
        /// The Focus's front end failed over (3.1).
        Focus = "focus",
        /// An MCU failed over (3.2).
        Mcu = "mcu",
        /// A hop on the route failed (3.3).
        Route = "route",
    }
}

words! {
    /// How a recovery ended.
    pub enum RecoveryResult {
        /// All is well again.
        Recovered = "recovered",
        /// It failed, or the server ended the session meanwhile.
        Failed = "failed",
        /// The application gave it up.
        Abandoned = "abandoned",
    }
}

words! {
    /// A step of a recovery, as its report lists it.
    #[non_exhaustive]
    pub enum RecoveryStep {
        /// The failure was classified; what was pending has failed.
        Detected = "detected",
        /// An UPDATE without route set was sent.
        UpdateSent = "update-sent",
        /// It was not answered, or with an error.
        UpdateFailed = "update-failed",
        /// The route is back.
        RouteRepaired = "route-repaired",
        /// A REGISTER was sent.
        RegisterSent = "register-sent",
        /// The registration is back.
        Registered = "registered",
        /// A new connection was asked for.
        ConnectSent = "connect-sent",
        /// It is there.
        FlowOpened = "flow-opened",
        /// Healing learned that the dialog is gone: it is a Focus failover.
        DialogGone = "dialog-gone",
        /// A reconnect attempt began; a pause may come first.
        AttemptBegun = "attempt-begun",
        /// The INVITE of the reconnect attempt was sent.
        InviteSent = "invite-sent",
        /// It was accepted.
        InviteAccepted = "invite-accepted",
        /// It was refused, or not answered in time.
        AttemptFailed = "attempt-failed",
        /// A SUBSCRIBE was sent.
        SubscribeSent = "subscribe-sent",
        /// The fresh document came.
        RosterReceived = "roster-received",
        /// The MCU was reported to fail over.
        McuLost = "mcu-lost",
        /// It was reported active again.
        McuActive = "mcu-active",
    }
}
