//! The vocabularies of the roster document.

tokens! {
    /// How a document, a collection or an entry is to be applied.
    #[derive(Default)]
    pub enum State {
        /// It replaces what was there.
        #[default]
        Full = "full",
        /// It is merged into what was there.
        Partial = "partial",
        /// What was there is gone.
        Deleted = "deleted",
    }
}

open_tokens! {
    /// The role of a user.
    pub enum Role {
        /// May lead: lock, admit, eject, promote, end.
        Presenter = "presenter",
        /// May take part.
        Attendee = "attendee",
    }
}

open_tokens! {
    /// The modality of an endpoint.
    pub enum SessionType {
        /// The conference itself.
        Focus = "focus",
        /// Instant messages.
        Chat = "chat",
        /// Audio and video.
        AudioVideo = "audio-video",
        /// Application sharing.
        ApplicationSharing = "applicationsharing",
        /// Data collaboration.
        Meeting = "meeting",
        /// A conference of a telephony bridge.
        PhoneConf = "phone-conf",
    }
}

tokens! {
    /// The status of an endpoint (RFC 4575 section 5.7.2).
    pub enum EndpointStatus {
        /// Known, not yet in.
        Pending = "pending",
        /// The conference calls it.
        DialingOut = "dialing-out",
        /// It calls the conference.
        DialingIn = "dialing-in",
        /// It rings.
        Alerting = "alerting",
        /// For a focus endpoint: it waits in the lobby.
        OnHold = "on-hold",
        /// It is in.
        Connected = "connected",
        /// It is in and muted.
        MutedViaFocus = "muted-via-focus",
        /// It leaves.
        Disconnecting = "disconnecting",
        /// It has left.
        Disconnected = "disconnected",
    }
}

tokens! {
    /// Who called whom (RFC 4575 section 5.7.3).
    pub enum JoiningMethod {
        /// The endpoint called.
        DialedIn = "dialed-in",
        /// The conference called.
        DialedOut = "dialed-out",
        /// The endpoint is the focus.
        FocusOwner = "focus-owner",
    }
}

tokens! {
    /// How an endpoint left (RFC 4575 section 5.7.5).
    pub enum DisconnectionMethod {
        /// By itself.
        Departed = "departed",
        /// It was ejected or denied.
        Booted = "booted",
        /// It was lost, or its wait ran out.
        Failed = "failed",
        /// It was busy.
        Busy = "busy",
    }
}

tokens! {
    /// In which directions a stream flows.
    pub enum MediaStatus {
        /// Both.
        SendRecv = "sendrecv",
        /// From the endpoint.
        SendOnly = "sendonly",
        /// To the endpoint.
        RecvOnly = "recvonly",
        /// Neither.
        Inactive = "inactive",
    }
}

tokens! {
    /// Whether an MCU lets a stream pass.
    pub enum Filter {
        /// It does not: muted.
        Block = "block",
        /// It does.
        Unblock = "unblock",
    }
}

open_tokens! {
    /// Who may come in.
    pub enum AdmissionPolicy {
        /// Those invited.
        ClosedAuthenticated = "closedAuthenticated",
        /// Everybody of the organisation.
        OpenAuthenticated = "openAuthenticated",
        /// Everybody.
        Anonymous = "anonymous",
    }
}

tokens! {
    /// From where an endpoint came.
    pub enum AccessMethod {
        /// From inside.
        Internal = "internal",
        /// From outside.
        External = "external",
    }
}

tokens! {
    /// How the user of an endpoint was authenticated.
    pub enum AuthMethod {
        /// By the organisation.
        Enterprise = "enterprise",
        /// Not by name.
        Anonymous = "anonymous",
        /// By another organisation.
        Federated = "federated",
        /// Not at all: a phone.
        None = "none",
    }
}

tokens! {
    /// How an MCU of the conference is.
    pub enum McuStatus {
        /// Not activated.
        Idle = "idle",
        /// On its way.
        Activating = "activating",
        /// At work.
        Active = "active",
        /// Lost, another instance is on its way.
        FailingOver = "failing-over",
    }
}

impl McuStatus {
    /// Whether calls to the MCU are possible.
    #[must_use]
    pub fn is_active(self) -> bool {
        self == Self::Active
    }
}
