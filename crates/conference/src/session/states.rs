//! Placeholder types.
pub struct Idle;
pub struct Connecting;
pub struct InLobby;
pub struct Connected;
pub struct Reconnecting;
pub struct Disconnecting;
pub struct Disconnected;
