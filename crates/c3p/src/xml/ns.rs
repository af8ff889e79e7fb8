//! The namespaces of the protocol.

/// The texts of the namespaces, as they are declared.
pub(crate) mod uri {
    /// C3P itself.
    pub(crate) const C3P: &str = "urn:ietf:params:xml:ns:cccp";
    /// `mscp`: the attribute `mcuUri` and extension commands.
    pub(crate) const C3P_EXT: &str = "http://schemas.microsoft.com/rtc/2005/08/cccpextensions";
    /// `ci`: conference-info (RFC 4575).
    pub(crate) const INFO: &str = "urn:ietf:params:xml:ns:conference-info";
    /// `msci`: extensions of conference-info.
    pub(crate) const INFO_EXT: &str = "http://schemas.microsoft.com/rtc/2005/08/confinfoextensions";
    /// `msci2`: later extensions of conference-info.
    pub(crate) const INFO_EXT2: &str = "http://schemas.microsoft.com/rtc/2008/12/confinfoextensions";
    /// `cis`: the separator between groups of extensions.
    pub(crate) const SEPARATOR: &str = "urn:ietf:params:xml:ns:conference-info-separator";
    /// `rc`: the extensions of this project, always ignorable.
    pub(crate) const RECOVERY: &str = "urn:reconvene:params:xml:ns:conference-recovery:1";
    /// Typing (RFC 3994).
    pub(crate) const COMPOSING: &str = "urn:ietf:params:xml:ns:im-iscomposing";
    /// The groups that a client asks for (from memory of the product).
    pub(crate) const PROVISIONING_REQUEST: &str =
        "http://schemas.microsoft.com/2006/09/sip/provisioninggrouplist";
    /// The groups that a server answers with (from memory of the product).
    pub(crate) const PROVISIONING: &str =
        "http://schemas.microsoft.com/2006/09/sip/provisiongrouplist-notification";
    /// Delivery reports.
    pub(crate) const IMDN: &str = "http://schemas.microsoft.com/rtc/2005/08/imdn";
}

/// The namespace of a name that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ns {
    /// None at all.
    None,
    /// C3P, or its extensions: elements of the two do not clash.
    C3p,
    /// conference-info.
    Info,
    /// The extensions of conference-info, earlier or later.
    InfoExt,
    /// The separator.
    Separator,
    /// Ours.
    Recovery,
    /// Typing.
    Composing,
    /// Delivery reports.
    Imdn,
    /// Any other.
    Foreign,
}

impl Ns {
    /// The namespace of a declared text; compared as given.
    pub(crate) fn of(text: &str) -> Self {
        match text {
            uri::C3P | uri::C3P_EXT => Self::C3p,
            uri::INFO => Self::Info,
            uri::INFO_EXT | uri::INFO_EXT2 => Self::InfoExt,
            uri::SEPARATOR => Self::Separator,
            uri::RECOVERY => Self::Recovery,
            uri::COMPOSING => Self::Composing,
            uri::IMDN => Self::Imdn,
            _ => Self::Foreign,
        }
    }
}
