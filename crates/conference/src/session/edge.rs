//! The rows T1 to T16, in the order of the table.

use super::states::{Connected, Connecting, Disconnected, Disconnecting, Idle, InLobby, Reconnecting};

mcu::edges! {
    /// The number of a transition of the ConferenceSession.
    pub enum TransitionId of "ConferenceSession" {
        T1: Idle => Connecting, "join called";
        T2: Connecting => Connected, "join completed";
        T3a: Connected => Disconnecting, "application terminates the conversation";
        T3b: Connected => Disconnecting, "application terminates the conference";
        T3c: Connected => Disconnecting, "local participant ejected";
        T3d: Connected => Disconnecting, "conference terminated";
        T3e: Connected => Disconnecting, "escalation failed";
        T4: Disconnecting => Disconnected, "termination or passive cleanup complete";
        T5: Disconnecting => Idle, "escalation failed and state cleaned";
        T6a: Connected => Reconnecting, "focus front end failed over";
        T6b: Connected => Reconnecting, "signalling dialog in recovery";
        T7: Reconnecting => Connected, "reconnected and admitted";
        T8: Reconnecting => Disconnecting, "the one reconnect attempt failed";
        T9: Connecting => Idle, "join failed";
        T10: Connecting => InLobby, "lobby holds the participant";
        T11a: InLobby => Reconnecting, "focus front end failed over";
        T11b: InLobby => Reconnecting, "signalling dialog in recovery";
        T12: Reconnecting => InLobby, "reconnected and still in the lobby";
        T13: InLobby => Connected, "admitted by a leader";
        T14a: InLobby => Disconnecting, "denied or ejected from the lobby";
        T14b: InLobby => Disconnecting, "conference terminated";
        T14c: InLobby => Disconnecting, "application terminates";
        T15: Reconnecting => Disconnecting, "application terminates while reconnecting";
        T16: Connecting => Disconnecting, "application terminates while joining";
    }
}
