//! The way of an McuSession's commands: C3P that the Focus checks and hands on to one MCU.
//!
//! An MCU has no command channel of its own; its commands travel in the Focus dialog with an `mcuUri`. This crate knows
//! what to say, and not how it gets there: whoever owns the Focus dialog implements [`FocusChannel`] (crate `conference`
//! does; a test does with a mock).

use c3p::McuType;
use c3p::command::Command;

/// Carries the commands of one McuSession to the Focus.
///
/// The caller has asked the McuSession whether it may send ([`McuSession::begin`](crate::McuSession::begin)); the channel
/// refuses nothing. Each command sent ends with exactly one answer, which the channel's owner hands on under `ticket`.
#[cfg_attr(test, mockall::automock)]
pub trait FocusChannel {
    /// The URI of the conference that the channel belongs to.
    fn conference(&self) -> String;

    /// Sends a command that the MCU behind `mcu_uri` is to carry out.
    fn send(&mut self, ticket: u64, mcu_uri: &str, command: Command);
}

/// There is no way to name the MCU: the conference URI is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the conference URI has no MCU of this type")]
pub struct NoSuchMcu;

/// Removes a participant from one modality; he stays in the conference and in its other modalities.
///
/// - `user`: the user entity as in the roster.
/// - Role: leader. Source: c3p.md section 3.13 (`deleteUser` with `mcuUri`).
///
/// # Errors
///
/// [`NoSuchMcu`]; nothing was sent.
pub fn eject(channel: &mut dyn FocusChannel, ticket: u64, mcu: McuType, user: &str) -> Result<(), NoSuchMcu> {
    let conference = channel.conference();
    let mcu_uri = c3p::uri::mcu_uri(&conference, mcu).ok_or(NoSuchMcu)?;
    channel.send(ticket, &mcu_uri, Command::DeleteUser { conference, user: user.to_owned() });
    Ok(())
}

#[cfg(test)]
mod tests {
    use mockall::predicate::eq;

    use super::*;

    const CONFERENCE: &str = "sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9";

    /// c3p.md section 1.2: the MCU's URI is the conference's with another word in it.
    #[test]
    fn ejects_from_one_mcu() {
        let mut channel = MockFocusChannel::new();
        let command =
            Command::DeleteUser { conference: CONFERENCE.to_owned(), user: "sip:bob@example.com".to_owned() };
        channel.expect_conference().return_const(CONFERENCE.to_owned());
        channel
            .expect_send()
            .with(eq(7), eq("sip:alice@example.com;gruu;opaque=app:conf:chat:id:7Q4W2ZK9"), eq(command))
            .once()
            .return_const(());
        eject(&mut channel, 7, McuType::Im, "sip:bob@example.com").unwrap();
    }

    /// Nothing is sent where there is nobody to send it to.
    #[test]
    fn refuses_without_a_conference() {
        let mut channel = MockFocusChannel::new();
        channel.expect_conference().return_const("sip:alice@example.com".to_owned());
        assert_eq!(eject(&mut channel, 7, McuType::Im, "sip:bob@example.com"), Err(NoSuchMcu));
    }
}
