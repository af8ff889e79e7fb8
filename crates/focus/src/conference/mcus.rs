//! The MCUs of a conference: chosen, activated, resynchronized, failed over, and their endpoints in the roster.
//!
//! # Invariants
//!
//! - An answer or a notification counts only if it is of the instance that the head names.
//! - A status change and the endpoints that go with it are in one document (conference-info section 5.1).

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use c3p::info::{ConferenceInfo, Endpoint, SessionType, State, User};
use sip_core::ListenAddr;

use super::{Conference, Cx, Effect, McuOrder, user_key};
use crate::record::{ConferenceHead, SlotStatus};

/// How long after a failed activation another one is tried when there is no other MCU.
const RETRY: Duration = Duration::from_secs(1);

/// What an MCU answered.
#[derive(Debug, Clone)]
pub(crate) enum McuAnswer {
    /// Done; what it has, if it told.
    Done(Option<Box<ConferenceInfo>>),
    /// It will not.
    Refused,
    /// It does not answer.
    Lost,
}

/// What is volatile of one MCU.
#[derive(Debug, Default)]
struct Side {
    /// Its endpoints by user, in their normal form.
    endpoints: BTreeMap<String, Vec<Endpoint>>,
    /// An activation or a resync has to be answered by then.
    answer_by: Option<Instant>,
    /// Another activation is tried then.
    retry_at: Option<Instant>,
    /// Nodes that failed since the last success.
    avoid: BTreeSet<String>,
    resyncing: bool,
}

/// The MCUs of a conference, by type.
#[derive(Debug, Default)]
pub(super) struct Mcus {
    sides: BTreeMap<String, Side>,
}

impl Mcus {
    pub(super) fn new(head: &ConferenceHead) -> Self {
        Self { sides: head.mcus.iter().map(|slot| (slot.mcu.clone(), Side::default())).collect() }
    }

    /// The MCU endpoints of a user.
    pub(super) fn endpoints_of<'a>(&'a self, user: &'a str) -> impl Iterator<Item = &'a Endpoint> {
        self.sides.values().filter_map(move |side| side.endpoints.get(user)).flatten()
    }

    pub(super) fn wake(&self) -> Option<Instant> {
        self.sides.values().flat_map(|side| [side.answer_by, side.retry_at]).flatten().min()
    }

    /// Whether the new owner still waits for what the MCUs have.
    pub(super) fn is_resyncing(&self) -> bool {
        self.sides.values().any(|side| side.resyncing)
    }

    fn side(&mut self, mcu: &str) -> &mut Side {
        self.sides.entry(mcu.to_owned()).or_default()
    }
}

impl Conference {
    /// Asks for all MCUs that have no node yet.
    pub(super) fn activate_mcus(&mut self, cx: &mut Cx<'_>) {
        let idle: Vec<String> =
            self.head.mcus.iter().filter(|slot| slot.node.is_none()).map(|slot| slot.mcu.clone()).collect();
        for mcu in idle {
            self.pick(&mcu, cx);
        }
    }

    /// Whether it needs an MCU, and none is known that could serve it.
    pub(crate) fn lacks_mcu(&self) -> bool {
        self.head.active && !self.closed && self.head.mcus.iter().any(|slot| slot.node.is_none())
    }

    /// Chooses a living MCU for a modality, if there is one, and asks it to take up the conference.
    fn pick(&mut self, mcu: &str, cx: &mut Cx<'_>) {
        let avoid = self.mcus.side(mcu).avoid.clone();
        let candidates: Vec<(String, ListenAddr, String)> = cx
            .nodes
            .mcus(mcu)
            .filter(|node| !avoid.contains(&node.record.name))
            .filter_map(|node| {
                Some((node.record.name.clone(), node.address?, node.record.incarnation.clone()))
            })
            .collect();
        let side = self.mcus.side(mcu);
        side.retry_at = None;
        side.answer_by = None;
        side.resyncing = false;
        if candidates.is_empty() {
            if !std::mem::take(&mut side.avoid).is_empty() {
                side.retry_at = Some(cx.now + RETRY);
            }
            return;
        }
        // Spread over the MCUs of a type; always the same one for the same draw, so that simulations repeat.
        let count = u64::try_from(candidates.len()).unwrap_or(1);
        let chosen = usize::try_from(cx.ids.below(count)).unwrap_or(0);
        let Some((node, address, incarnation)) = candidates.into_iter().nth(chosen) else { return };
        side.answer_by = Some(cx.now + cx.config.timers.mcu_answer);
        let instance = cx.ids.token();
        let Some(slot) = self.head.mcus.iter_mut().find(|slot| slot.mcu == mcu) else { return };
        if slot.status != SlotStatus::FailingOver {
            slot.status = SlotStatus::Activating;
        }
        slot.node = Some(node);
        slot.address = Some(address.to_string());
        slot.incarnation = Some(incarnation);
        slot.instance = Some(instance);
        self.ledger.head_changed();
        self.changed_view(mcu);
        self.order(mcu, McuOrder::Activate);
    }

    /// Tells one MCU something.
    pub(super) fn order(&mut self, mcu: &str, order: McuOrder) -> bool {
        let Some(slot) = self.head.mcus.iter().find(|slot| slot.mcu == mcu) else { return false };
        let (Some(instance), Some(address)) = (slot.instance.clone(), slot.address.as_ref()) else {
            return false;
        };
        let Ok(address) = address.parse::<ListenAddr>() else { return false };
        self.emit(Effect::Mcu { mcu: mcu.to_owned(), address, instance, order });
        true
    }

    /// Tells every MCU something.
    pub(super) fn order_all(&mut self, order: &McuOrder) {
        let mcus: Vec<String> = self.head.mcus.iter().map(|slot| slot.mcu.clone()).collect();
        for mcu in mcus {
            self.order(&mcu, order.clone());
        }
    }

    /// The information that goes with an activation: the record and the lock.
    pub(crate) fn activation_info(&self) -> ConferenceInfo {
        ConferenceInfo {
            description: Some(self.description()),
            conference_state: Some(c3p::info::ConferenceState {
                locked: Some(self.head.locked),
                active: Some(self.head.active),
                ..c3p::info::ConferenceState::default()
            }),
            ..ConferenceInfo::new(self.head.uri.as_str())
        }
    }

    /// An MCU answered an order.
    pub(crate) fn on_mcu_answer(
        &mut self,
        mcu: &str,
        instance: &str,
        order: McuOrder,
        answer: McuAnswer,
        cx: &mut Cx<'_>,
    ) {
        if self.closed {
            return;
        }
        if !self.is_instance(mcu, instance) {
            return self.order_outdated(order, cx);
        }
        match order {
            McuOrder::Activate => match answer {
                McuAnswer::Done(info) => self.mcu_ready(mcu, info, cx),
                McuAnswer::Refused | McuAnswer::Lost => self.activation_failed(mcu, cx),
            },
            McuOrder::Resync => match answer {
                McuAnswer::Done(info) => self.mcu_ready(mcu, info, cx),
                McuAnswer::Refused | McuAnswer::Lost => self.fail_over(mcu, cx),
            },
            McuOrder::Admit { call, .. } => self.call_admitted(call, mcu, &answer, cx),
            McuOrder::Remove { command, .. } => {
                if let Some(command) = command {
                    self.mcu_command_done(&command, &answer, cx);
                }
            }
            // What the Focus has applied stands, whatever an MCU says (flow 11).
            McuOrder::Lock { .. } | McuOrder::Deactivate => {}
        }
    }

    /// An order was answered by an instance that is not the conference's any more.
    fn order_outdated(&mut self, order: McuOrder, cx: &mut Cx<'_>) {
        match order {
            McuOrder::Admit { call, .. } => self.call_lost(call, cx),
            McuOrder::Remove { command: Some(command), .. } => {
                self.mcu_command_done(&command, &McuAnswer::Lost, cx);
            }
            McuOrder::Activate
            | McuOrder::Resync
            | McuOrder::Remove { command: None, .. }
            | McuOrder::Lock { .. }
            | McuOrder::Deactivate => {}
        }
    }

    fn is_instance(&self, mcu: &str, instance: &str) -> bool {
        self.head.mcus.iter().any(|slot| slot.mcu == mcu && slot.instance.as_deref() == Some(instance))
    }

    fn mcu_ready(&mut self, mcu: &str, info: Option<Box<ConferenceInfo>>, cx: &mut Cx<'_>) {
        let side = self.mcus.side(mcu);
        let was_resyncing = std::mem::take(&mut side.resyncing);
        side.answer_by = None;
        side.avoid.clear();
        let mut lock_differs = None;
        if let Some(slot) = self.head.mcus.iter_mut().find(|slot| slot.mcu == mcu) {
            if slot.status != SlotStatus::Active {
                slot.status = SlotStatus::Active;
                slot.lost = None;
                self.ledger.head_changed();
            }
            lock_differs = Some(self.head.locked);
        }
        self.changed_view(mcu);
        if let Some(info) = info {
            self.merge(mcu, &info, true);
        }
        if let Some(locked) = lock_differs.filter(|locked| *locked || was_resyncing) {
            self.order(mcu, McuOrder::Lock { locked });
        }
        self.schedule_publish(true, cx);
        self.resync_settled(cx);
    }

    fn activation_failed(&mut self, mcu: &str, cx: &mut Cx<'_>) {
        let node = self.head.mcus.iter().find(|slot| slot.mcu == mcu).and_then(|slot| slot.node.clone());
        self.mcus.side(mcu).avoid.extend(node);
        self.vacate(mcu);
        self.pick(mcu, cx);
        self.schedule_publish(true, cx);
    }

    /// The MCU of a modality is lost (recovery section 3): one document says so, then another one is sought.
    pub(super) fn fail_over(&mut self, mcu: &str, cx: &mut Cx<'_>) {
        let Some(slot) = self.head.mcus.iter_mut().find(|slot| slot.mcu == mcu) else { return };
        tracing::info!(conference = %self.head.id, mcu, "MCU is failing over");
        let node = slot.node.clone();
        if slot.status == SlotStatus::Active {
            slot.status = SlotStatus::FailingOver;
            slot.lost.clone_from(&slot.instance);
        }
        self.vacate(mcu);
        let side = self.mcus.side(mcu);
        side.resyncing = false;
        side.answer_by = None;
        side.avoid.extend(node);
        let users: Vec<String> = std::mem::take(&mut side.endpoints).into_keys().collect();
        for user in
            users.iter().filter(|user| self.of_user(user).next().is_some()).cloned().collect::<Vec<_>>()
        {
            self.changed_user(&user);
        }
        self.changed_view(mcu);
        self.calls_failed(mcu, cx);
        self.schedule_publish(true, cx);
        self.pick(mcu, cx);
        self.resync_settled(cx);
    }

    fn vacate(&mut self, mcu: &str) {
        if let Some(slot) = self.head.mcus.iter_mut().find(|slot| slot.mcu == mcu) {
            slot.node = None;
            slot.address = None;
            slot.incarnation = None;
            slot.instance = None;
            self.ledger.head_changed();
        }
    }

    /// What an MCU has changed: its endpoints, merged into the roster.
    pub(crate) fn on_mcu_notify(
        &mut self,
        mcu: &str,
        instance: &str,
        info: &ConferenceInfo,
        cx: &mut Cx<'_>,
    ) -> bool {
        if self.closed || !self.is_instance(mcu, instance) {
            return false;
        }
        self.merge(mcu, info, info.is_full());
        self.schedule_publish(false, cx);
        true
    }

    fn merge(&mut self, mcu: &str, info: &ConferenceInfo, full: bool) {
        let kind = c3p::McuType::from_token(mcu).map(SessionType::from);
        let side = self.mcus.side(mcu);
        let before: BTreeMap<String, Vec<Endpoint>> = side.endpoints.clone();
        if full {
            side.endpoints.clear();
        }
        for user in info.users() {
            merge_user(&mut side.endpoints, user, kind.as_ref());
        }
        let after = &self.mcus.side(mcu).endpoints;
        let named: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let changed: Vec<String> =
            named.into_iter().filter(|user| before.get(*user) != after.get(*user)).cloned().collect();
        for user in changed {
            if self.of_user(&user).next().is_some() {
                self.changed_user(&user);
            }
        }
    }

    /// Somebody who has left has no endpoints at the MCUs, whatever they still say.
    pub(super) fn forget_mcu_endpoints(&mut self, user: &str) {
        for side in self.mcus.sides.values_mut() {
            side.endpoints.remove(user);
        }
    }

    /// The pool changed: MCUs came, died, were restarted or drain.
    pub(crate) fn on_nodes_changed(&mut self, cx: &mut Cx<'_>) {
        if self.closed || !self.head.active {
            return;
        }
        let lost: Vec<String> = self
            .head
            .mcus
            .iter()
            .filter(|slot| {
                slot.node.as_deref().is_some_and(|name| {
                    cx.nodes.get(name).is_none_or(|node| {
                        node.is_dead()
                            || node.record.draining
                            || slot
                                .incarnation
                                .as_ref()
                                .is_some_and(|known| *known != node.record.incarnation)
                    })
                })
            })
            .map(|slot| slot.mcu.clone())
            .collect();
        for mcu in lost {
            self.fail_over(&mcu, cx);
        }
        self.activate_mcus(cx);
        self.schedule_publish(true, cx);
    }

    /// Asks every MCU for all it has (recovery section 2.2, step 2).
    pub(super) fn resync_mcus(&mut self, cx: &mut Cx<'_>) {
        let slots: Vec<(String, SlotStatus, bool)> =
            self.head.mcus.iter().map(|slot| (slot.mcu.clone(), slot.status, slot.node.is_some())).collect();
        for (mcu, status, has_node) in slots {
            match status {
                SlotStatus::Active if has_node => {
                    let side = self.mcus.side(&mcu);
                    side.resyncing = true;
                    side.answer_by = Some(cx.now + cx.config.timers.mcu_answer);
                    if !self.order(&mcu, McuOrder::Resync) {
                        self.fail_over(&mcu, cx);
                    }
                }
                SlotStatus::Active => self.fail_over(&mcu, cx),
                // Nobody is in it yet: begun anew, with a new instance.
                SlotStatus::Idle | SlotStatus::Activating | SlotStatus::FailingOver => {
                    self.vacate(&mcu);
                    self.pick(&mcu, cx);
                }
            }
        }
    }

    /// Deadlines of activations and resyncs.
    pub(super) fn mcus_due(&mut self, cx: &mut Cx<'_>) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= cx.now);
        let late: Vec<(String, bool, bool)> = self
            .mcus
            .sides
            .iter()
            .filter(|(_, side)| due(side.answer_by) || due(side.retry_at))
            .map(|(mcu, side)| (mcu.clone(), due(side.answer_by), side.resyncing))
            .collect();
        for (mcu, unanswered, resyncing) in late {
            match (unanswered, resyncing) {
                (true, true) => self.fail_over(&mcu, cx),
                (true, false) => self.activation_failed(&mcu, cx),
                (false, _) => {
                    self.pick(&mcu, cx);
                    self.schedule_publish(true, cx);
                }
            }
        }
    }
}

fn merge_user(endpoints: &mut BTreeMap<String, Vec<Endpoint>>, user: &User, kind: Option<&SessionType>) {
    let key = user_key(&user.entity);
    if user.state != State::Partial {
        endpoints.remove(&key);
    }
    if user.state == State::Deleted {
        return;
    }
    let list = endpoints.entry(key.clone()).or_default();
    for endpoint in &user.endpoints {
        list.retain(|known| known.entity != endpoint.entity);
        if endpoint.state != State::Deleted {
            let mut endpoint = Endpoint { state: State::Full, ..endpoint.clone() };
            endpoint.session_type = kind.cloned();
            list.push(endpoint);
        }
    }
    if list.is_empty() {
        endpoints.remove(&key);
    }
}
