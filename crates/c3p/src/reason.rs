//! The `reason` of a failed command.

open_tokens! {
    /// Why a command failed: the `reason` attribute of a response.
    ///
    /// Words compare without regard to case. An unknown word keeps its text in [`Reason::Other`] and is to be treated
    /// as [`Reason::OtherFailure`].
    pub enum Reason {
        /// Anonymous people may not join.
        AnonymousUsersNotAllowed = "anonymousUsersNotAllowed",
        /// People of other organisations may not join.
        FederatedUsersNotAllowed = "federatedUsersNotAllowed",
        /// No such conference, or it has ended.
        ConferenceDoesntExist = "conferenceDoesntExist",
        /// The id is taken.
        ConferenceExists = "conferenceExists",
        /// The id is not 8 to 32 letters and digits.
        InvalidConferenceId = "invalidConferenceId",
        /// No such user in the conference.
        UserDoesntExist = "userDoesntExist",
        /// The user, or this endpoint of his, is there already.
        UserExists = "userExists",
        /// Nobody has this address.
        UserUnknown = "userUnknown",
        /// Not an address of a user.
        InvalidUserEntity = "invalidUserEntity",
        /// No such endpoint in the conference.
        EndpointDoesntExist = "endpointDoesntExist",
        /// No such media stream.
        MediaDoesntExist = "mediaDoesntExist",
        /// The media stream is there already.
        MediaExists = "mediaExists",
        /// Not a medium of this MCU.
        MediaNotSupported = "mediaNotSupported",
        /// Not a role, or not one that may be given.
        InvalidRole = "invalidRole",
        /// The passcode is wrong.
        InvalidPasscode = "invalidPasscode",
        /// Not an admission policy.
        InvalidAdmissionPolicy = "invalidAdmissionPolicy",
        /// Not a value of autopromote.
        InvalidAutopromoteValue = "invalidAutopromoteValue",
        /// The expiry time is not within the allowed span.
        InvalidExpiryTime = "invalidExpiryTime",
        /// The record has changed since this version of it.
        InvalidVersion = "invalidVersion",
        /// The always-present meeting was asked for in a way that does not fit.
        InvalidStaticMeetingRequest = "invalidStaticMeetingRequest",
        /// `static` differs from the stored record.
        StaticFlagDoesntMatch = "staticFlagDoesntMatch",
        /// Phones may not pass the lobby.
        PstnLobbyBypassNotAllowed = "pstnLobbyBypassNotAllowed",
        /// The key was not one of the server's.
        InvalidEncryptionKeyUsed = "invalidEncryptionKeyUsed",
        /// The key has been replaced.
        StaleEncryptionKey = "staleEncryptionKey",
        /// The organizer has too many conferences.
        MaxConferencesExceeded = "maxConferencesExceeded",
        /// The conference is full.
        MaxMeetingSizeExceeded = "maxMeetingSizeExceeded",
        /// The organizer has too many always-present meetings.
        MaxStaticMeetingsExceeded = "maxStaticMeetingsExceeded",
        /// The settings of an entity are too large.
        EntitySettingsTooLarge = "entitySettingsTooLarge",
        /// The notification data are too large.
        NotificationDataTooLarge = "notificationDataTooLarge",
        /// The organizer's own data are too large.
        OrganizerRoamingDataTooLarge = "organizerRoamingDataTooLarge",
        /// The request is too large.
        RequestTooLarge = "requestTooLarge",
        /// This type of MCU is not at hand.
        McuTypeNotAvailable = "mcuTypeNotAvailable",
        /// Not a type of MCU.
        UnknownMcuType = "unknownMcuType",
        /// Nobody may do this.
        Forbidden = "forbidden",
        /// This user may not do this.
        Unauthorized = "unauthorized",
        /// The request could not be understood.
        RequestMalformed = "requestMalformed",
        /// The request was taken back.
        RequestCancelled = "requestCancelled",
        /// Something was not answered in time.
        Timeout = "timeout",
        /// The server has too much to do.
        ServerBusy = "serverBusy",
        /// The server does not do this.
        NotSupported = "notSupported",
        /// None of the others.
        OtherFailure = "otherFailure",
        /// Dial-out: busy.
        UserBusy = "userBusy",
        /// Dial-out: declined.
        UserDeclined = "userDeclined",
        /// Dial-out: not answered.
        UserNotAnswered = "userNotAnswered",
        /// Lobby: denied.
        UserDenied = "userDenied",
        /// Lobby: the wait ran out, or removed.
        UserRemoved = "userRemoved",
        /// The MCU is failing over: repeat the command later. An addition of this project.
        McuFailingOver = "mcuFailingOver",
    }
}
