//! Client side of a conference: the ConferenceSession, its roster and its recovery.
