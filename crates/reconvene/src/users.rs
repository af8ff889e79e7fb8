//! Passwords: the people of a pool, and one's own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use focus::config::PoolUsers;
use sip_core::SystemIds;
use sip_core::auth::{Accounts, SharedKey};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// The variable with a client's password.
pub(crate) const PASSWORD: &str = "RECONVENE_PASSWORD";
/// The variable with the key of a pool, from the supervisor to its nodes.
pub(crate) const POOL_KEY: &str = "RECONVENE_POOL_KEY";

/// Who may come into a pool, and how its nodes know each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Access {
    /// The people.
    pub(crate) file: PathBuf,
    /// The nodes' key, new for each run of the pool.
    pub(crate) key: SharedKey,
}

impl Access {
    /// For a pool that starts now. The file is read once, so that a fault in it is told before anything starts.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or nobody is in it.
    pub(crate) fn new(file: &Path) -> Result<Self, Failure> {
        let access = Self { file: file.to_owned(), key: SharedKey::new(&mut SystemIds::new()) };
        access.users().map(|_| access)
    }

    /// For a node whose supervisor gave it the key.
    ///
    /// # Errors
    ///
    /// There is no key.
    pub(crate) fn of_pool(file: &Path) -> Result<Self, Failure> {
        let key = std::env::var(POOL_KEY).ok().map(Zeroizing::new);
        let key = key.and_then(|text| SharedKey::from_hex(&text));
        let key = key.ok_or_else(|| Failure::usage(format!("a node with --users needs {POOL_KEY}")))?;
        Ok(Self { file: file.to_owned(), key })
    }

    /// Reads the file.
    ///
    /// # Errors
    ///
    /// It cannot be read, or nobody is in it.
    pub(crate) fn users(&self) -> Result<PoolUsers, Failure> {
        let shown = self.file.display();
        let text = read(&self.file, "the users")?;
        let help = "lines such as alice@example.com:password";
        let accounts = Accounts::parse(&text)
            .map_err(|error| Failure::usage(format!("the users in {shown}: {error}")).try_this(help))?;
        if accounts.is_empty() {
            return Err(Failure::usage(format!("nobody is in {shown}")).try_this(help));
        }
        Ok(PoolUsers { accounts: Arc::new(accounts), key: self.key.clone() })
    }
}

/// A client's password: the first line of the file, else the variable, else none.
///
/// # Errors
///
/// The file cannot be read, or its first line is empty.
pub(crate) fn password(file: Option<&Path>) -> Result<Option<Zeroizing<String>>, Failure> {
    let Some(file) = file else {
        let set = std::env::var(PASSWORD).ok().filter(|password| !password.is_empty());
        return Ok(set.map(Zeroizing::new));
    };
    let text = read(file, "the password")?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(Failure::usage(format!("there is no password in {}", file.display()))
            .try_this("a file with the password in its first line"));
    }
    Ok(Some(Zeroizing::new(line.to_owned())))
}

fn read(file: &Path, what: &str) -> Result<Zeroizing<String>, Failure> {
    let text = std::fs::read_to_string(file);
    text.map(Zeroizing::new)
        .map_err(|error| Failure::usage(format!("cannot read {what} from {}: {error}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        file
    }

    /// cli.md `--password-file`: the first line, without its end.
    #[test]
    fn passwords() {
        let password = password(Some(file("open sesame\r\nrest\n").path())).expect("a password");
        assert_eq!(password.as_ref().map(|text| text.as_str()), Some("open sesame"));
        for bad in ["", "\nx"] {
            assert_eq!(super::password(Some(file(bad).path())).expect_err("none").status(), 2);
        }
    }

    /// A fault in the file is told with its line, never with its text.
    #[test]
    fn users() {
        let access = Access::new(file("alice@example.com:secret\n").path()).expect("users");
        assert!(!format!("{access:?}").contains(access.key.to_hex().as_str()));
        for bad in ["", "# nobody\n", "alice:secret\n"] {
            let failure = Access::new(file(bad).path()).expect_err("a fault");
            assert_eq!((failure.status(), failure.message().contains("secret")), (2, false), "{failure}");
        }
    }
}
