//! The command as people and scripts run it: processes, lines, exit statuses.

#[path = "../common/dns.rs"]
mod dns;
mod passwords;
mod processes;
mod program;
mod recovery;
mod secure;
