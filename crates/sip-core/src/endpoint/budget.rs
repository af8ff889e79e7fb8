//! Budgets: how much each flow and each address may begin, asked before any state is made (a flood costs others nothing).
//!
//! Counted are requests outside of dialogs alone. Whoever is in a dialog was let in before, and its requests end things as often
//! as they begin them.
//!
//! # Invariants
//!
//! - An address is remembered while it has a flow or an open request, or has not earned its burst back; never more than
//!   [`ADDRESSES_MAX`] of those that have neither.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::config::EndpointConfig;
use super::counters::Counters;
use super::flow::FlowId;

/// Addresses that are remembered for what they did, without flow or open request.
const ADDRESSES_MAX: usize = 65_536;

/// How often something may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// In the long run, times a second; 0 is never.
    pub per_second: u32,
    /// At once, after a time without any.
    pub burst: u32,
}

impl Rate {
    /// So many a second, as many of them at once.
    #[must_use]
    pub const fn per_second(n: u32) -> Self {
        Self { per_second: n, burst: n }
    }

    /// How long one takes to be earned.
    fn step(self) -> Option<Duration> {
        Duration::from_secs(1).checked_div(self.per_second)
    }
}

/// What one flow or one address has used.
#[derive(Debug, Default)]
struct Budget {
    /// Up to when its rate is spent; before now when something is left.
    spent_until: Option<Instant>,
    /// Its requests that wait for a final response.
    pending: usize,
    /// Its open flows; of an address.
    flows: usize,
}

impl Budget {
    /// Whether one more is within the rate. A bucket that leaks, as one instant: each takes a step, and the debt may be a burst.
    fn has(&self, rate: Rate, now: Instant) -> bool {
        let Some(step) = rate.step() else { return false };
        let debt = self.spent_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        debt + step <= step * rate.burst.max(1)
    }

    fn spend(&mut self, rate: Rate, now: Instant) {
        let from = self.spent_until.map_or(now, |until| until.max(now));
        self.spent_until = Some(from + rate.step().unwrap_or_default());
        self.pending += 1;
    }

    fn is_idle(&self) -> bool {
        self.flows == 0 && self.pending == 0
    }

    fn is_new(&self, now: Instant) -> bool {
        self.is_idle() && self.spent_until.is_none_or(|until| until <= now)
    }
}

/// The budgets of all flows and addresses.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    flows: HashMap<FlowId, Budget>,
    addresses: HashMap<IpAddr, Budget>,
    idle: usize,
}

impl Budgets {
    /// A flow was opened.
    pub(super) fn open(&mut self, flow: FlowId, ip: IpAddr, now: Instant) {
        self.flows.entry(flow).or_default();
        if self.idle > ADDRESSES_MAX {
            // One flood from many addresses is not remembered longer than a full pass over them takes.
            self.addresses.retain(|_, budget| !budget.is_idle() || !budget.is_new(now));
            self.idle = self.addresses.values().filter(|budget| budget.is_idle()).count();
            if self.idle > ADDRESSES_MAX {
                self.addresses.retain(|_, budget| !budget.is_idle());
                self.idle = 0;
            }
        }
        match self.addresses.get_mut(&ip) {
            Some(budget) => {
                self.idle -= usize::from(budget.is_idle());
                budget.flows += 1;
            }
            None => drop(self.addresses.insert(ip, Budget { flows: 1, ..Budget::default() })),
        }
    }

    /// A flow is gone.
    pub(super) fn close(&mut self, flow: FlowId, ip: IpAddr, now: Instant) {
        self.flows.remove(&flow);
        if let Some(budget) = self.addresses.get_mut(&ip) {
            budget.flows = budget.flows.saturating_sub(1);
        }
        self.forget_idle(ip, now);
    }

    /// Takes one request out of the budgets of its flow and its address; `false` if one of them has none left, which is counted.
    pub(super) fn take(
        &mut self,
        flow: FlowId,
        ip: IpAddr,
        config: &EndpointConfig,
        counters: &mut Counters,
        now: Instant,
    ) -> bool {
        let (Some(of_flow), Some(of_address)) = (self.flows.get_mut(&flow), self.addresses.get_mut(&ip))
        else {
            return true;
        };
        let refused = if of_flow.pending >= config.max_pending_per_flow {
            &mut counters.shed_flow_pending
        } else if of_address.pending >= config.max_pending_per_address {
            &mut counters.shed_address_pending
        } else if !of_flow.has(config.flow_rate, now) {
            &mut counters.shed_flow_rate
        } else if !of_address.has(config.address_rate, now) {
            &mut counters.shed_address_rate
        } else {
            of_flow.spend(config.flow_rate, now);
            of_address.spend(config.address_rate, now);
            return true;
        };
        *refused += 1;
        false
    }

    /// A request that was taken has its final response.
    pub(super) fn give_back(&mut self, flow: FlowId, ip: IpAddr, now: Instant) {
        if let Some(budget) = self.flows.get_mut(&flow) {
            budget.pending = budget.pending.saturating_sub(1);
        }
        if let Some(budget) = self.addresses.get_mut(&ip) {
            budget.pending = budget.pending.saturating_sub(1);
            if budget.is_idle() {
                self.forget_idle(ip, now);
            }
        }
    }

    fn forget_idle(&mut self, ip: IpAddr, now: Instant) {
        match self.addresses.get(&ip) {
            Some(budget) if budget.is_new(now) => drop(self.addresses.remove(&ip)),
            Some(budget) if budget.is_idle() => self.idle += 1,
            Some(_) | None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A burst at once, then the rate; a pause earns the burst back.
    #[test]
    fn rate_and_burst() {
        let (rate, start) = (Rate { per_second: 10, burst: 3 }, Instant::now());
        let mut budget = Budget::default();
        let mut taken = |after: u64| {
            let now = start + Duration::from_millis(after);
            let fits = budget.has(rate, now);
            if fits {
                budget.spend(rate, now);
            }
            fits
        };
        let told: Vec<bool> =
            [0, 0, 0, 0, 99, 100, 150, 200, 1_000, 1_000, 1_000, 1_000].map(&mut taken).into();
        assert_eq!(told, [true, true, true, false, false, true, false, true, true, true, true, false]);
        assert!(!Budget::default().has(Rate::per_second(0), start));
    }

    /// An address that spent its burst has not earned it back by coming on a new flow.
    #[test]
    fn address_outlives_its_flows() {
        let (start, ip) = (Instant::now(), IpAddr::from([192, 0, 2, 1]));
        let config = EndpointConfig::default().with_address_rate(Rate { per_second: 1, burst: 2 });
        let (mut budgets, mut counters) = (Budgets::default(), Counters::default());
        for n in 0..4 {
            let flow = FlowId::new(n);
            budgets.open(flow, ip, start);
            if budgets.take(flow, ip, &config, &mut counters, start) {
                budgets.give_back(flow, ip, start);
            }
            budgets.close(flow, ip, start);
            assert_eq!((budgets.addresses.len(), budgets.idle), (1, 1));
        }
        assert_eq!(counters.shed_address_rate, 2);
        let later = start + Duration::from_secs(2);
        budgets.open(FlowId::new(9), ip, later);
        assert_eq!(budgets.idle, 0);
        budgets.close(FlowId::new(9), ip, later);
        assert!(budgets.addresses.is_empty() && budgets.flows.is_empty());
    }
}
