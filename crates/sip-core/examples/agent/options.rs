//! The options of the command line.

use std::path::PathBuf;
use std::time::Duration;

use sip_core::{Credentials, ListenAddr, NameAddr, Uri};

/// What the command line says.
pub(crate) struct Options {
    pub(crate) listen: ListenAddr,
    pub(crate) user: Uri,
    pub(crate) route: Option<NameAddr>,
    pub(crate) credentials: Option<Credentials>,
    pub(crate) answer_after: Duration,
    pub(crate) capture: Option<PathBuf>,
    pub(crate) ca: Option<PathBuf>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

impl Options {
    /// Reads them; an error names the option.
    pub(crate) fn from_args(args: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut listen, mut user, mut route, mut password, mut realm) = (None, None, None, None, None);
        let (mut capture, mut ca, mut certificate, mut key) = (None, None, None, None);
        let mut answer_after = Duration::from_millis(100);
        for arg in args {
            let bad = |_| format!("{arg}: no such value");
            let (name, value) = arg.split_once('=').ok_or_else(|| format!("{arg}: an option has a value"))?;
            match name {
                "--listen" => listen = Some(value.parse().map_err(|_| bad(()))?),
                "--user" => user = Some(value.parse::<Uri>().map_err(|_| bad(()))?),
                "--route" => route = Some(NameAddr::new(value.parse().map_err(|_| bad(()))?)),
                "--password" => password = Some(value.to_owned()),
                "--realm" => realm = Some(value.to_owned()),
                "--answer-after" => answer_after = milliseconds(value).ok_or_else(|| bad(()))?,
                "--capture" => capture = Some(value.into()),
                "--ca" => ca = Some(value.into()),
                "--certificate" => certificate = Some(value.into()),
                "--key" => key = Some(value.into()),
                _ => return Err(format!("{arg}: no such option")),
            }
        }
        let user = user.ok_or("--user is missing")?;
        let name = user.user().unwrap_or_default().to_owned();
        let realm = realm.unwrap_or_else(|| user.host().to_owned());
        Ok(Self {
            listen: listen.ok_or("--listen is missing")?,
            route,
            credentials: password.map(|password| Credentials::new(name, password, realm)),
            answer_after,
            capture,
            ca,
            certificate,
            key,
            user,
        })
    }
}

/// A time in milliseconds.
pub(crate) fn milliseconds(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_millis)
}
