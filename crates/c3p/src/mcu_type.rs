//! The kinds of MCUs, one per modality.

tokens! {
    /// A kind of MCU, written as on the wire (`chat`, `audio-video`, ...).
    ///
    /// `phone-conf` exists on the wire ([`SessionType::PhoneConf`](crate::info::SessionType::PhoneConf)) but has no
    /// MCU here.
    pub enum McuType {
        /// Instant messages.
        Im = "chat",
        /// Audio and video.
        Av = "audio-video",
        /// Application sharing.
        AppSharing = "applicationsharing",
        /// Data collaboration, the older meeting console.
        Data = "meeting",
    }
}

impl McuType {
    /// The short name that people read and type: `im`, `av`, `app-sharing`, `data`.
    #[must_use]
    pub const fn short_name(self) -> &'static str {
        match self {
            Self::Im => "im",
            Self::Av => "av",
            Self::AppSharing => "app-sharing",
            Self::Data => "data",
        }
    }

    /// The type of a short name.
    #[must_use]
    pub fn from_short_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.short_name() == name)
    }
}
