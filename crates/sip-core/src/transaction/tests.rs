//! The four machines on virtual time: a script per transition and per timer.

use std::time::{Duration, Instant};

use super::*;

const RELIABLE: Link = Link::Reliable;
const UNRELIABLE: Link = Link::Unreliable;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Runs a machine from deadline to deadline until `end`, and lists what it said and when, in ms.
fn run<S: PartialEq>(
    start: Instant,
    end: Duration,
    nothing: &S,
    mut next: impl FnMut(Option<Instant>) -> (Option<(Instant, TimerName)>, Option<S>),
) -> Vec<(u64, TimerName, S)> {
    let mut said = Vec::new();
    loop {
        let (deadline, _) = next(None);
        let Some((at, timer)) = deadline.filter(|(at, _)| *at <= start + end) else {
            return said;
        };
        let (_, step) = next(Some(at));
        let step = step.expect("a deadline fires");
        if step != *nothing {
            said.push(((at - start).as_millis() as u64, timer, step));
        }
    }
}

fn run_client_invite(
    machine: &mut ClientInvite,
    start: Instant,
    end: Duration,
) -> Vec<(u64, TimerName, ClientStep)> {
    run(start, end, &ClientStep::Nothing, |at| {
        let step = at.map(|at| machine.handle_timeout(at));
        (machine.poll_timeout(), step)
    })
}

fn run_client_non_invite(
    machine: &mut ClientNonInvite,
    start: Instant,
    end: Duration,
) -> Vec<(u64, TimerName, ClientStep)> {
    run(start, end, &ClientStep::Nothing, |at| {
        let step = at.map(|at| machine.handle_timeout(at));
        (machine.poll_timeout(), step)
    })
}

fn run_server_invite(
    machine: &mut ServerInvite,
    start: Instant,
    end: Duration,
) -> Vec<(u64, TimerName, ServerStep)> {
    run(start, end, &ServerStep::Nothing, |at| {
        let step = at.map(|at| machine.handle_timeout(at));
        (machine.poll_timeout(), step)
    })
}

/// RFC 3261 section 17.1.1.2: timer A doubles from T1 without cap, timer B ends it after 64*T1.
#[test]
fn client_invite_retransmits_by_a_and_gives_up_by_b() {
    let start = Instant::now();
    let mut machine = ClientInvite::new(Timing::default(), UNRELIABLE, start);
    let said = run_client_invite(&mut machine, start, ms(100_000));
    let resent: Vec<u64> =
        said.iter().filter(|(_, timer, _)| *timer == TimerName::A).map(|(at, ..)| *at).collect();
    assert_eq!(resent, [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    assert_eq!(said.last(), Some(&(32_000, TimerName::B, ClientStep::TimedOut)));
    assert_eq!(machine.state(), ClientInviteState::Terminated);
}

/// RFC 3261 section 17.1.1.2: no timer A on reliable transports.
#[test]
fn client_invite_over_tcp_only_has_b() {
    let start = Instant::now();
    let mut machine = ClientInvite::new(Timing::default(), RELIABLE, start);
    let said = run_client_invite(&mut machine, start, ms(100_000));
    assert_eq!(said, [(32_000, TimerName::B, ClientStep::TimedOut)]);
}

/// RFC 3261 figure 5 and RFC 6026 figure 1: each response in each state.
#[test]
fn client_invite_transitions() {
    use ClientStep::{Ack, Deliver, DeliverAndAck, Nothing};
    let script: [(&[u16], &[ClientStep]); 8] = [
        (&[100, 180], &[Deliver, Deliver]),
        (&[180, 200, 200], &[Deliver, Deliver, Deliver]),
        (&[200, 180, 486], &[Deliver, Nothing, Nothing]),
        (&[486], &[DeliverAndAck]),
        (&[486, 486, 603], &[DeliverAndAck, Ack, Ack]),
        (&[486, 180, 200], &[DeliverAndAck, Nothing, Nothing]),
        (&[180, 404, 404], &[Deliver, DeliverAndAck, Ack]),
        (&[200, 200, 299], &[Deliver, Deliver, Deliver]),
    ];
    for (statuses, steps) in script {
        let now = Instant::now();
        let mut machine = ClientInvite::new(Timing::default(), UNRELIABLE, now);
        let got: Vec<_> = statuses.iter().map(|status| machine.handle_response(*status, now)).collect();
        assert_eq!(got, steps, "{statuses:?}");
    }
}

/// RFC 3261 section 17.1.1.2: in Proceeding neither A nor B runs.
#[test]
fn client_invite_waits_without_timer_while_proceeding() {
    let start = Instant::now();
    let mut machine = ClientInvite::new(Timing::default(), UNRELIABLE, start);
    machine.handle_response(180, start);
    assert_eq!(machine.state(), ClientInviteState::Proceeding);
    assert_eq!(machine.poll_timeout(), None);
    assert!(machine.is_waiting());
}

/// Timer D: 32 s over UDP, at once over TCP; timer M (RFC 6026): 64*T1 over both.
#[test]
fn client_invite_ends_by_d_or_m() {
    let table = [
        (486, UNRELIABLE, TimerName::D, 32_000),
        (486, RELIABLE, TimerName::D, 0),
        (200, UNRELIABLE, TimerName::M, 32_000),
        (200, RELIABLE, TimerName::M, 32_000),
    ];
    for (status, link, timer, after) in table {
        let start = Instant::now();
        let mut machine = ClientInvite::new(Timing::default(), link, start);
        machine.handle_response(status, start);
        assert_eq!(machine.poll_timeout(), Some((start + ms(after), timer)), "{status} {link:?}");
        assert_eq!(machine.handle_timeout(start + ms(after)), ClientStep::Nothing);
        assert_eq!(machine.state(), ClientInviteState::Terminated);
        assert_eq!(machine.handle_response(status, start), ClientStep::Nothing);
    }
}

/// RFC 3261 section 18.4: a transport error before the final response is told, once; after it, it is not.
#[test]
fn client_machines_tell_a_transport_error_once() {
    let now = Instant::now();
    let mut invite = ClientInvite::new(Timing::default(), RELIABLE, now);
    assert_eq!(invite.handle_transport_error(), ClientStep::Failed);
    assert_eq!(invite.handle_transport_error(), ClientStep::Nothing);
    let mut accepted = ClientInvite::new(Timing::default(), RELIABLE, now);
    accepted.handle_response(200, now);
    assert_eq!(accepted.handle_transport_error(), ClientStep::Nothing);
    let mut other = ClientNonInvite::new(Timing::default(), RELIABLE, now);
    other.handle_response(100, now);
    assert_eq!(other.handle_transport_error(), ClientStep::Failed);
    assert_eq!(other.handle_transport_error(), ClientStep::Nothing);
}

/// RFC 3261 section 17.1.2.2: timer E doubles up to T2, timer F ends it after 64*T1.
#[test]
fn client_non_invite_retransmits_by_e_and_gives_up_by_f() {
    let start = Instant::now();
    let mut machine = ClientNonInvite::new(Timing::default(), UNRELIABLE, start);
    let said = run_client_non_invite(&mut machine, start, ms(100_000));
    let resent: Vec<u64> =
        said.iter().filter(|(_, timer, _)| *timer == TimerName::E).map(|(at, ..)| *at).collect();
    assert_eq!(resent, [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    assert_eq!(said.last(), Some(&(32_000, TimerName::F, ClientStep::TimedOut)));
}

/// RFC 3261 section 17.1.2.2: after a provisional response timer E runs in steps of T2 and F still ends it.
#[test]
fn client_non_invite_goes_on_while_proceeding() {
    let start = Instant::now();
    let mut machine = ClientNonInvite::new(Timing::default(), UNRELIABLE, start);
    assert_eq!(machine.handle_response(100, start), ClientStep::Deliver);
    let said = run_client_non_invite(&mut machine, start, ms(100_000));
    let at: Vec<u64> = said.iter().map(|(at, ..)| *at).collect();
    assert_eq!(at, [500, 4_500, 8_500, 12_500, 16_500, 20_500, 24_500, 28_500, 32_000]);
    assert_eq!(machine.state(), ClientNonInviteState::Terminated);
}

/// RFC 3261 figure 6: one final response is delivered, its retransmissions are absorbed; timer K.
#[test]
fn client_non_invite_delivers_one_final_response() {
    for (link, after) in [(UNRELIABLE, 5_000), (RELIABLE, 0)] {
        let start = Instant::now();
        let mut machine = ClientNonInvite::new(Timing::default(), link, start);
        let got: Vec<_> =
            [180, 200, 200, 500].into_iter().map(|status| machine.handle_response(status, start)).collect();
        use ClientStep::{Deliver, Nothing};
        assert_eq!(got, [Deliver, Deliver, Nothing, Nothing]);
        assert_eq!(machine.poll_timeout(), Some((start + ms(after), TimerName::K)));
        machine.handle_timeout(start + ms(after));
        assert_eq!((machine.state(), machine.poll_timeout()), (ClientNonInviteState::Terminated, None));
    }
}

/// RFC 3261 section 17.2.1: 100 after 200 ms, unless the user was faster.
#[test]
fn server_invite_says_trying_after_200_ms() {
    let start = Instant::now();
    let mut machine = ServerInvite::new(Timing::default(), RELIABLE, start);
    let said = run_server_invite(&mut machine, start, ms(100_000));
    assert_eq!(said, [(200, TimerName::Trying, ServerStep::SendTrying)]);
    let mut machine = ServerInvite::new(Timing::default(), RELIABLE, start);
    assert_eq!(machine.respond(180, AckDuty::Here, start), ServerStep::Send);
    assert_eq!(machine.poll_timeout(), None);
}

/// RFC 3261 section 17.2.1: timer G doubles up to T2, timer H gives up on the ACK after 64*T1.
#[test]
fn server_invite_repeats_a_failure_by_g_until_h() {
    let start = Instant::now();
    let mut machine = ServerInvite::new(Timing::default(), UNRELIABLE, start);
    assert_eq!(machine.respond(486, AckDuty::Here, start), ServerStep::Send);
    let said = run_server_invite(&mut machine, start, ms(100_000));
    let resent: Vec<u64> =
        said.iter().filter(|(_, timer, _)| *timer == TimerName::G).map(|(at, ..)| *at).collect();
    assert_eq!(resent, [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    assert_eq!(said.last(), Some(&(32_000, TimerName::H, ServerStep::NoAck { accepted: false })));
}

/// RFC 3261 section 13.3.1.4: a 2xx is repeated until the ACK, over reliable transports too; RFC 6026: timer L ends the
/// transaction.
#[test]
fn server_invite_repeats_a_2xx_until_the_ack() {
    for link in [UNRELIABLE, RELIABLE] {
        let start = Instant::now();
        let mut machine = ServerInvite::new(Timing::default(), link, start);
        machine.respond(200, AckDuty::Here, start);
        let said = run_server_invite(&mut machine, start, ms(4_000));
        let resend = |at| (at, TimerName::G, ServerStep::Resend);
        assert_eq!(said, [resend(500), resend(1_500), resend(3_500)]);
        assert_eq!(machine.handle_ack(start + ms(4_000)), ServerStep::PassAck);
        assert_eq!(machine.handle_ack(start + ms(4_100)), ServerStep::PassAck);
        assert_eq!(run_server_invite(&mut machine, start, ms(100_000)), []);
        assert_eq!(machine.state(), ServerInviteState::Terminated);
    }
}

/// Without ACK the user hears of it at 64*T1, over both kinds of transport; a forwarded 2xx has no such duty.
#[test]
fn server_invite_tells_that_no_ack_came() {
    for (link, duty, told) in [
        (UNRELIABLE, AckDuty::Here, true),
        (RELIABLE, AckDuty::Here, true),
        (UNRELIABLE, AckDuty::Elsewhere, false),
    ] {
        let start = Instant::now();
        let mut machine = ServerInvite::new(Timing::default(), link, start);
        machine.respond(200, duty, start);
        let said = run_server_invite(&mut machine, start, ms(100_000));
        let no_ack = said.last().filter(|(_, _, step)| *step != ServerStep::Resend);
        let expected = (32_000, TimerName::L, ServerStep::NoAck { accepted: true });
        assert_eq!(no_ack, told.then_some(&expected), "{link:?} {duty:?}");
        assert_eq!(said.iter().any(|(_, timer, _)| *timer == TimerName::G), told);
    }
}

/// RFC 3261 figure 7: the ACK of a failure confirms; timer I: T4 over UDP, at once over TCP.
#[test]
fn server_invite_is_confirmed_by_the_ack() {
    for (link, after) in [(UNRELIABLE, 5_000), (RELIABLE, 0)] {
        let start = Instant::now();
        let mut machine = ServerInvite::new(Timing::default(), link, start);
        machine.respond(603, AckDuty::Here, start);
        assert_eq!(machine.handle_ack(start), ServerStep::Nothing);
        assert_eq!(machine.state(), ServerInviteState::Confirmed { i: start + ms(after) });
        assert_eq!(machine.handle_retransmission(), ServerStep::Nothing);
        assert_eq!(machine.poll_timeout(), Some((start + ms(after), TimerName::I)));
        machine.handle_timeout(start + ms(after));
        assert_eq!(machine.state(), ServerInviteState::Terminated);
    }
}

/// RFC 3261 figure 7, RFC 6026 figure 2: what a repeated INVITE and a second answer do in each state.
#[test]
fn server_invite_transitions() {
    use ServerStep::{Nothing, Resend, Send};
    let now = Instant::now();
    let table = [
        (None, Resend, Send, Send),
        (Some(180), Resend, Send, Send),
        (Some(200), Nothing, Send, Nothing),
        (Some(486), Resend, Nothing, Nothing),
    ];
    for (answered, again, then_200, then_486) in table {
        let fresh = || {
            let mut machine = ServerInvite::new(Timing::default(), UNRELIABLE, now);
            if let Some(status) = answered {
                machine.respond(status, AckDuty::Here, now);
            }
            machine
        };
        assert_eq!(fresh().handle_retransmission(), again, "{answered:?}");
        assert_eq!(fresh().respond(200, AckDuty::Elsewhere, now), then_200, "{answered:?}");
        assert_eq!(fresh().respond(486, AckDuty::Here, now), then_486, "{answered:?}");
    }
}

/// RFC 3261 figure 8: answers, repeated requests, timer J.
#[test]
fn server_non_invite_transitions() {
    for (link, after) in [(UNRELIABLE, 32_000), (RELIABLE, 0)] {
        let start = Instant::now();
        let mut machine = ServerNonInvite::new(Timing::default(), link);
        assert_eq!(machine.handle_retransmission(), ServerStep::Nothing);
        assert_eq!(machine.respond(100, start), ServerStep::Send);
        assert_eq!(machine.state(), ServerNonInviteState::Proceeding);
        assert_eq!(machine.handle_retransmission(), ServerStep::Resend);
        assert_eq!(machine.respond(200, start), ServerStep::Send);
        assert_eq!(machine.handle_retransmission(), ServerStep::Resend);
        assert_eq!(machine.respond(500, start), ServerStep::Nothing);
        assert_eq!(machine.poll_timeout(), Some((start + ms(after), TimerName::J)));
        machine.handle_timeout(start + ms(after));
        assert_eq!((machine.state(), machine.poll_timeout()), (ServerNonInviteState::Terminated, None));
        assert_eq!(machine.handle_retransmission(), ServerStep::Nothing);
    }
}
