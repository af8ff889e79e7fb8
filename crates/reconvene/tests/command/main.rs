//! The command as people and scripts run it: processes, lines, exit statuses.

mod passwords;
mod processes;
mod program;
mod recovery;
