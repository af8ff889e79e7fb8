//! Who has which password: the server's list of users.

use std::collections::HashMap;
use std::fmt;

#[cfg(feature = "ntlm")]
use super::ntlm::{NtHash, NtHashes};
use super::{Algorithm, Ha1};

/// One user: the hashes that are known of his password.
#[derive(Clone)]
struct Account {
    user: String,
    hashes: [Option<Ha1>; 3],
    #[cfg(feature = "ntlm")]
    nt: Option<NtHash>,
}

impl Account {
    fn new(user: &str) -> Self {
        Self {
            user: user.to_owned(),
            hashes: [None, None, None],
            #[cfg(feature = "ntlm")]
            nt: None,
        }
    }
}

/// The users of a server with the hashes of their passwords, by `user@domain`. The realm of a user is his domain.
///
/// As text, one user a line: `user@domain:password`, or a hash of `user@domain:domain:password` instead of the
/// password: `user@domain:{SHA-256}HEX`, `{SHA-512-256}HEX` or `{MD5}HEX` (a user may have one line of each); with feature
/// `ntlm` also the NT hash of the password, `{NT}HEX`. Empty lines and lines that begin with `#` do not count.
#[derive(Clone, Default)]
pub struct Accounts {
    /// By (user name as clients give it, realm).
    accounts: HashMap<(String, String), Account>,
    domains: Vec<String>,
}

/// Why a list of users cannot be read. Never shows the text of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {kind}")]
pub struct AccountsError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub kind: AccountsErrorKind,
}

/// What is wrong with a line of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountsErrorKind {
    /// It is not `user@domain:password`.
    #[error("expected user@domain:password")]
    Form,
    /// The hash does not have the digits of its algorithm, or the algorithm is unknown.
    #[error("expected {{SHA-256}} and 64, or {{MD5}} and 32 hexadecimal digits, or another known hash")]
    Hash,
    /// The user has a line already.
    #[error("this user is in a line above")]
    Duplicate,
}

impl Accounts {
    /// Reads a list.
    ///
    /// # Errors
    ///
    /// [`AccountsError`] with the first line that cannot be read.
    pub fn parse(text: &str) -> Result<Self, AccountsError> {
        let mut this = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_end_matches('\r');
            if line.trim().is_empty() || line.trim_start().starts_with('#') {
                continue;
            }
            this.add_line(line).map_err(|kind| AccountsError { line: index + 1, kind })?;
        }
        Ok(this)
    }

    fn add_line(&mut self, line: &str) -> Result<(), AccountsErrorKind> {
        let (address, secret) = line.split_once(':').ok_or(AccountsErrorKind::Form)?;
        let (user, domain) = address.trim().split_once('@').ok_or(AccountsErrorKind::Form)?;
        let plain = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
        let fits = plain(user) && plain(domain) && !domain.contains('@') && !user.contains(['"', '\\', ';']);
        if !fits || secret.is_empty() {
            return Err(AccountsErrorKind::Form);
        }
        let domain = domain.to_ascii_lowercase();
        let full = format!("{user}@{domain}");
        match secret.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            #[cfg(feature = "ntlm")]
            Some((name, hex)) if name.eq_ignore_ascii_case("NT") => {
                let hash = NtHash::from_hex(hex.trim()).ok_or(AccountsErrorKind::Hash)?;
                self.put_nt(&full, &full, &domain, hash)
            }
            Some((name, hex)) => {
                let algorithm: Algorithm = name.parse().map_err(|_| AccountsErrorKind::Hash)?;
                if algorithm.has_session() {
                    return Err(AccountsErrorKind::Hash);
                }
                let hash = Ha1::from_hex(algorithm, hex.trim()).ok_or(AccountsErrorKind::Hash)?;
                self.put(&full, &full, &domain, algorithm, hash)
            }
            None => {
                for name in [full.as_str(), user] {
                    for algorithm in [Algorithm::Sha256, Algorithm::Sha512Trunc, Algorithm::Md5] {
                        let hash = Ha1::new(algorithm, name, &domain, secret);
                        self.put(name, &full, &domain, algorithm, hash)?;
                    }
                    #[cfg(feature = "ntlm")]
                    self.put_nt(name, &full, &domain, NtHash::of(secret))?;
                }
                Ok(())
            }
        }
    }

    fn put(
        &mut self,
        name: &str,
        user: &str,
        domain: &str,
        algorithm: Algorithm,
        hash: Ha1,
    ) -> Result<(), AccountsErrorKind> {
        let slot = &mut self.entry(name, user, domain).hashes[slot(algorithm)];
        if slot.is_some() {
            return Err(AccountsErrorKind::Duplicate);
        }
        *slot = Some(hash);
        Ok(())
    }

    #[cfg(feature = "ntlm")]
    fn put_nt(
        &mut self,
        name: &str,
        user: &str,
        domain: &str,
        hash: NtHash,
    ) -> Result<(), AccountsErrorKind> {
        let slot = &mut self.entry(name, user, domain).nt;
        if slot.is_some() {
            return Err(AccountsErrorKind::Duplicate);
        }
        *slot = Some(hash);
        Ok(())
    }

    fn entry(&mut self, name: &str, user: &str, domain: &str) -> &mut Account {
        if !self.domains.iter().any(|known| known == domain) {
            self.domains.push(domain.to_owned());
        }
        let key = (name.to_owned(), domain.to_owned());
        self.accounts.entry(key).or_insert_with(|| Account::new(user))
    }

    /// Whether there are users of this realm.
    #[must_use]
    pub fn serves(&self, realm: &str) -> bool {
        self.domains.iter().any(|domain| domain.eq_ignore_ascii_case(realm))
    }

    /// Whether there is nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// The address and the hash of the user who goes by `name` (`user@domain`, or `user` alone) in a realm.
    pub(super) fn find(&self, name: &str, realm: &str, algorithm: Algorithm) -> Option<(&str, &Ha1)> {
        let (user, domain) = name.split_once('@').map_or((name, None), |(user, domain)| (user, Some(domain)));
        let realm = realm.to_ascii_lowercase();
        let name = match domain {
            Some(domain) => format!("{user}@{}", domain.to_ascii_lowercase()),
            None => user.to_owned(),
        };
        let account = self.accounts.get(&(name, realm))?;
        Some((account.user.as_str(), account.hashes[slot(algorithm)].as_ref()?))
    }
}

fn slot(algorithm: Algorithm) -> usize {
    match algorithm.base() {
        Algorithm::Sha256 => 0,
        Algorithm::Sha512Trunc => 1,
        _ => 2,
    }
}

#[cfg(feature = "ntlm")]
impl NtHashes for Accounts {
    /// A user without a domain in his name is looked for in `domain`, which has to be the domain of his address.
    fn nt_hash(&self, user: &str, domain: &str) -> Option<(&str, &NtHash)> {
        let (name, realm) = match user.split_once('@') {
            Some((user, domain)) => {
                let domain = domain.to_ascii_lowercase();
                (format!("{user}@{domain}"), domain)
            }
            None => (user.to_owned(), domain.to_ascii_lowercase()),
        };
        let account = self.accounts.get(&(name, realm))?;
        Some((account.user.as_str(), account.nt.as_ref()?))
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").field("entries", &self.accounts.len()).finish_non_exhaustive()
    }
}
