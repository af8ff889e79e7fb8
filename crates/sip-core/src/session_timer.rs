//! Session timers (RFC 4028), refreshed by UPDATE, as one machine per dialog.
//!
//! The machine says when to refresh and when the other end has been silent for too long; what "too long" leads to is the
//! user's business. It stands still while the dialog recovers its route.
//!
//! Not here: the UPDATE itself, and what its failure means.

use std::time::{Duration, Instant};

use crate::build::{RequestDraft, ResponseDraft};
use crate::header::{HeaderError, MinSe, Refresher, SessionExpires};
use crate::{Request, Response};

/// The option tag of session timers.
const TIMER: &str = "timer";

/// What one end wants of session timers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionTimerConfig {
    /// The interval to offer, and the longest to accept, in seconds.
    pub interval_s: u32,
    /// The shortest to accept, in seconds; RFC 4028 knows none below 90.
    pub min_s: u32,
}

impl Default for SessionTimerConfig {
    fn default() -> Self {
        Self { interval_s: 1800, min_s: 90 }
    }
}

impl SessionTimerConfig {
    /// With this interval to offer.
    #[must_use]
    pub fn with_interval_s(mut self, interval_s: u32) -> Self {
        self.interval_s = interval_s;
        self
    }

    /// With this shortest interval.
    #[must_use]
    pub fn with_min_s(mut self, min_s: u32) -> Self {
        self.min_s = min_s;
        self
    }

    /// A request with the offer in it: `Session-Expires`, `Min-SE`, `Supported: timer`.
    ///
    /// - `refresher`: for a refresh, who does it at present, seen from this request.
    #[must_use]
    pub fn offer(&self, draft: RequestDraft, refresher: Option<Refresher>) -> RequestDraft {
        let value = SessionExpires { seconds: self.interval_s.max(self.min_s), refresher };
        draft
            .header("Supported", TIMER)
            .header("Session-Expires", value.to_string())
            .header("Min-SE", self.min_s.to_string())
    }

    /// The settings for the one repetition after a 422: an interval and minimum no smaller than its `Min-SE`.
    ///
    /// `None` if the response is no 422, names nothing, or nothing new.
    pub fn after_422(&self, response: &Response) -> Option<Self> {
        if response.status() != 422 {
            return None;
        }
        let MinSe(seconds) = response.header::<MinSe>().ok()??;
        let min_s = self.min_s.max(seconds);
        let next = Self { interval_s: self.interval_s.max(min_s), min_s };
        (next != *self).then_some(next)
    }
}

/// Why an offered session timer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionTimerError {
    /// The interval is shorter than this end accepts: answer 422 with `Min-SE`.
    #[error("a session interval below {min_s} s")]
    TooSmall {
        /// The shortest accepted.
        min_s: u32,
    },
    /// The header cannot be read: answer 400.
    #[error(transparent)]
    Header(#[from] HeaderError),
}

impl SessionTimerError {
    /// The response that refuses the request.
    pub fn response(&self, request: &Request) -> ResponseDraft {
        match self {
            Self::TooSmall { min_s } => ResponseDraft::to(request, 422).header("Min-SE", min_s.to_string()),
            Self::Header(_) => ResponseDraft::to(request, 400),
        }
    }
}

/// What a session timer wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionTimerEvent {
    /// Half the interval is over: send an UPDATE with [`SessionTimer::offer`].
    Refresh,
    /// The interval is almost over and no refresh came (RFC 4028 section 10).
    Expired,
}

/// How far a running interval is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Next comes the refresh.
    UntilRefresh,
    /// Next comes the expiry.
    UntilExpiry,
    /// Told; waits for a new negotiation.
    Expired,
}

/// The session timer of one dialog, as negotiated last.
///
/// ```text
///   negotiated --(refresher: 1/2)--> Refresh --(refresh failed: 3/4)--> Refresh --> Expired
///   negotiated --(other end refreshes)--------------------------------------------> Expired
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionTimer {
    interval_s: u32,
    min_s: u32,
    we_refresh: bool,
    /// The other end knows session timers; if not, a proxy wants one, and this end alone has it.
    shared: bool,
    began: Instant,
    refresh_at: Instant,
    phase: Phase,
    paused_at: Option<Instant>,
}

impl SessionTimer {
    /// What a 2xx to a request of ours settled; `None` if there is no session timer.
    ///
    /// The sender of the request refreshes unless the response names the other end (RFC 4028 section 7.2).
    ///
    /// # Errors
    ///
    /// When the header cannot be read.
    pub fn from_response(
        response: &Response,
        config: &SessionTimerConfig,
        now: Instant,
    ) -> Result<Option<Self>, HeaderError> {
        let Some(settled) = response.header::<SessionExpires>()? else {
            return Ok(None);
        };
        let we_refresh = settled.refresher != Some(Refresher::Uas);
        Ok(Some(Self::start(settled.seconds, config.min_s, we_refresh, now)))
    }

    /// What our 2xx to this request settles; `None` if nobody wants a session timer, or may.
    ///
    /// The other end refreshes unless it asked us to, or knows no session timers and a proxy wants one (RFC 4028 section 9).
    ///
    /// # Errors
    ///
    /// [`SessionTimerError::TooSmall`] and [`SessionTimerError::Header`]; both give the response to send.
    pub fn from_request(
        request: &Request,
        config: &SessionTimerConfig,
        now: Instant,
    ) -> Result<Option<Self>, SessionTimerError> {
        let offered = request.header::<SessionExpires>()?;
        let shared = request.supports(TIMER);
        if !shared && offered.is_none() {
            return Ok(None);
        }
        let least =
            request.header::<MinSe>()?.map_or(config.min_s, |MinSe(seconds)| seconds.max(config.min_s));
        let seconds = match offered {
            // Who does not know session timers cannot raise one.
            Some(offer) if offer.seconds < config.min_s && !shared => return Ok(None),
            Some(offer) if offer.seconds < config.min_s => {
                return Err(SessionTimerError::TooSmall { min_s: config.min_s });
            }
            // It may be made shorter, but not than the least that anybody on the way accepts.
            Some(offer) => offer.seconds.min(config.interval_s.max(least)),
            None => config.interval_s.max(least),
        };
        let we_refresh = !shared || offered.and_then(|offer| offer.refresher) == Some(Refresher::Uas);
        Ok(Some(Self { shared, ..Self::start(seconds, config.min_s, we_refresh, now) }))
    }

    /// A timer that begins now; for a dialog taken over from another process.
    pub fn start(interval_s: u32, min_s: u32, we_refresh: bool, now: Instant) -> Self {
        let interval = Duration::from_secs(u64::from(interval_s.max(1)));
        let phase = if we_refresh { Phase::UntilRefresh } else { Phase::UntilExpiry };
        Self {
            interval_s: interval_s.max(1),
            min_s,
            we_refresh,
            shared: true,
            began: now,
            refresh_at: now + interval / 2,
            phase,
            paused_at: None,
        }
    }

    /// The 2xx of [`Self::from_request`] with what was settled: `Session-Expires`, and `Require: timer` for who knows it.
    #[must_use]
    pub fn answer(&self, draft: ResponseDraft) -> ResponseDraft {
        let refresher = if self.we_refresh { Refresher::Uas } else { Refresher::Uac };
        let value = SessionExpires { seconds: self.interval_s, refresher: Some(refresher) };
        let draft = if self.shared { draft.header("Require", TIMER) } else { draft };
        draft.header("Session-Expires", value.to_string())
    }

    /// A refreshing request with the offer to go on as before.
    #[must_use]
    pub fn offer(&self, draft: RequestDraft) -> RequestDraft {
        self.config().offer(draft, Some(self.refresher()))
    }

    /// What it was agreed with: the interval, and the shortest that this end accepts.
    pub fn config(&self) -> SessionTimerConfig {
        SessionTimerConfig { interval_s: self.interval_s, min_s: self.min_s }
    }

    /// Who refreshes, seen from a request of this end.
    pub fn refresher(&self) -> Refresher {
        if self.we_refresh { Refresher::Uac } else { Refresher::Uas }
    }

    /// How much of the interval has passed.
    pub fn elapsed(&self, now: Instant) -> Duration {
        self.paused_at.unwrap_or(now).saturating_duration_since(self.began)
    }

    /// The session interval in seconds.
    pub fn interval_s(&self) -> u32 {
        self.interval_s
    }

    /// Whether this end refreshes.
    pub fn we_refresh(&self) -> bool {
        self.we_refresh
    }

    /// The other end is known to be alive without a new negotiation: the interval begins again.
    pub fn restart(&mut self, now: Instant) {
        let shared = self.shared;
        *self = Self { shared, ..Self::start(self.interval_s, self.min_s, self.we_refresh, now) };
    }

    /// A refresh of ours failed for a reason that does not end the dialog: one more, at three quarters of the interval.
    pub fn refresh_failed(&mut self, now: Instant) {
        let again = self.began + self.interval() * 3 / 4;
        if self.we_refresh && self.phase == Phase::UntilExpiry && now < again {
            self.refresh_at = again;
            self.phase = Phase::UntilRefresh;
        }
    }

    /// Stops the clock while the dialog recovers.
    pub fn pause(&mut self, now: Instant) {
        self.paused_at.get_or_insert(now);
    }

    /// Lets the clock run on from where it stopped.
    pub fn resume(&mut self, now: Instant) {
        if let Some(paused_at) = self.paused_at.take() {
            let stood = now.saturating_duration_since(paused_at);
            self.began += stood;
            self.refresh_at += stood;
        }
    }

    /// Whether the clock stands still.
    pub fn is_paused(&self) -> bool {
        self.paused_at.is_some()
    }

    /// When [`Self::handle_timeout`] wants to be called, and what it will say.
    pub fn poll_timeout(&self) -> Option<(Instant, SessionTimerEvent)> {
        if self.is_paused() {
            return None;
        }
        match self.phase {
            Phase::UntilRefresh => Some((self.refresh_at, SessionTimerEvent::Refresh)),
            Phase::UntilExpiry => Some((self.expires_at(), SessionTimerEvent::Expired)),
            Phase::Expired => None,
        }
    }

    /// What is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<SessionTimerEvent> {
        let (_, due) = self.poll_timeout().filter(|(at, _)| now >= *at)?;
        self.phase = match due {
            SessionTimerEvent::Refresh => Phase::UntilExpiry,
            SessionTimerEvent::Expired => Phase::Expired,
        };
        Some(due)
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(u64::from(self.interval_s))
    }

    /// RFC 4028 section 10: the smaller of 32 s and a third of the interval before its end.
    fn expires_at(&self) -> Instant {
        let before = (self.interval() / 3).min(Duration::from_secs(32));
        self.began + self.interval() - before
    }
}

#[cfg(test)]
mod tests;
