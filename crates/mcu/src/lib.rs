//! Client side of one modality: the McuSession, its call and its commands.
