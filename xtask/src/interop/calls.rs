//! SIPp against the agent: SIPp calls it, and is called by it.
//!
//! Over UDP and TCP directly. Over TLS through Kamailio, since SIPp in Debian speaks none: TLS on the agent's side, UDP on
//! SIPp's, and a proxy that adds Record-Route in between.

use std::path::Path;
use std::time::Duration;

use super::kamailio::Kamailio;
use super::lab::{Lab, Wire};
use super::process::{self, Guarded};

use super::{script, sipp};

/// Who begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SippIs {
    /// SIPp sends the INVITE, or whatever it begins with.
    Calling,
    /// The agent does.
    Called,
}

/// One scenario of `xtask/sipp`.
pub(super) struct Scenario {
    /// Its name, and its file's.
    pub(super) name: &'static str,
    /// Transports.
    pub(super) over: &'static [Wire],
    /// Who begins.
    pub(super) sipp: SippIs,
    /// Arguments of SIPp.
    options: &'static [&'static str],
    /// Arguments of the agent.
    agent: &'static [&'static str],
    /// What is said to the agent and seen of it: see [`script`].
    script: &'static str,
    /// Calls.
    count: u32,
}

const ALL: &[Wire] = &[Wire::Udp, Wire::Tcp, Wire::Tls];
const DIRECT: &[Wire] = &[Wire::Udp, Wire::Tcp];
const UDP: &[Wire] = &[Wire::Udp];
/// SIPp neither repeats by itself nor swallows what comes twice.
const BARE: &[&str] = &["-nr"];
const NONE: &[&str] = &[];

const fn calling(
    name: &'static str,
    over: &'static [Wire],
    options: &'static [&'static str],
    agent: &'static [&'static str],
    script: &'static str,
) -> Scenario {
    Scenario { name, over, sipp: SippIs::Calling, options, agent, script, count: 1 }
}

const fn called(
    name: &'static str,
    over: &'static [Wire],
    options: &'static [&'static str],
    agent: &'static [&'static str],
    script: &'static str,
) -> Scenario {
    Scenario { name, over, sipp: SippIs::Called, options, agent, script, count: 1 }
}

/// All of them.
#[rustfmt::skip]
pub(super) const SCENARIOS: &[Scenario] = &[
    calling("01-call-basic", ALL, NONE, NONE, "< confirmed; < ended cause=remote-bye"),
    calling("02-call-repeated-invite", UDP, BARE, &["--answer-after=1500"], "< ended cause=remote-bye"),
    calling("03-call-lost-ack", DIRECT, BARE, NONE, "< confirmed; < ended cause=remote-bye"),
    calling("04-call-cancel", ALL, NONE, &["--answer-after=30000"], "< incoming; < ended cause=cancelled"),
    calling("05-call-cancel-too-late", DIRECT, NONE, NONE, "< confirmed; < ended cause=remote-bye"),
    calling("06-call-hold", ALL, NONE, NONE,
        "< reinvited direction=sendonly; < reinvited direction=sendrecv; < ended cause=remote-bye"),
    calling("07-call-update", ALL, NONE, NONE, "< updated direction=sendonly; < ended cause=remote-bye"),
    calling("08-call-reliable", ALL, NONE, NONE, "< pracked; < confirmed; < ended cause=remote-bye"),
    calling("09-call-lost-prack", DIRECT, BARE, &["--answer-after=2500"], "< pracked; < confirmed; < ended cause=remote-bye"),
    calling("10-call-second-invite", DIRECT, NONE, &["--answer-after=1500"], "< confirmed; < ended cause=remote-bye"),
    calling("11-call-glare", ALL, NONE, NONE,
        "< confirmed; hold; < answered method=INVITE status=200; < ended cause=remote-bye"),
    calling("12-call-unknown", DIRECT, NONE, NONE, ""),
    calling("13-call-merged", UDP, BARE, &["--answer-after=500"], "< confirmed; < ended cause=remote-bye"),
    calling("14-call-no-dialog", DIRECT, NONE, NONE, ""),
    calling("15-call-options", ALL, NONE, NONE, ""),
    calling("16-call-offer-in-200", DIRECT, NONE, NONE, "< confirmed direction=sendrecv; < ended cause=remote-bye"),
    calling("17-call-session-timer", ALL, NONE, NONE, "< confirmed; < updated; < ended cause=remote-bye"),
    Scenario { count: 12, ..calling("18-call-lossy", UDP, &["-lost", "8", "-r", "12"], NONE, "") },

    called("19-called-basic", ALL, NONE, NONE, "call; < established; bye; < ended cause=local-bye"),
    called("20-called-lost-200", DIRECT, BARE, NONE, "call; < established; wait 500; bye; < ended cause=local-bye"),
    called("21-called-lost-invite", UDP, BARE, NONE, "call; < established; bye; < ended cause=local-bye"),
    called("22-called-reliable", ALL, NONE, NONE,
        "call; < progress status=183; < progress status=180; < established; bye; < ended cause=local-bye"),
    called("23-called-moved", DIRECT, NONE, NONE,
        "call; < again because=302; < established; bye; < ended cause=local-bye"),
    called("24-called-401", DIRECT, NONE, NONE,
        "call; < established; bye; < ended cause=local-bye"),
    called("25-called-407", DIRECT, NONE, NONE,
        "call; < established; bye; < ended cause=local-bye"),
    called("26-called-busy", ALL, NONE, NONE, "call; < ended cause=rejected status=486"),
    called("27-called-declined", DIRECT, NONE, NONE, "call; < ended cause=rejected status=603"),
    called("28-called-hold", ALL, NONE, NONE,
        "call; < established; hold; < answered method=INVITE status=200 direction=recvonly; \
         resume; < answered method=INVITE status=200 direction=sendrecv; bye; < ended cause=local-bye"),
    called("29-called-491", DIRECT, NONE, NONE,
        "call; < established; hold; < answered method=INVITE status=200; bye; \
         < ended cause=local-bye"),
    called("30-called-late-200", DIRECT, NONE, NONE, "call; < progress status=180; cancel; < ended"),
    called("31-called-cancelled", ALL, NONE, NONE, "call; < progress status=180; cancel; < ended cause=cancelled"),
    called("32-called-forked", DIRECT, NONE, NONE, "call; < established; < surplus; wait 300; bye; < ended cause=local-bye"),
    called("33-called-422", DIRECT, NONE, NONE, "call; < established; bye; < ended cause=local-bye"),
    called("34-called-refreshed", ALL, NONE, NONE, "call; < established; < updated; bye; < ended cause=local-bye"),
    called("35-called-far-bye", ALL, NONE, NONE,
        "call; < established; < reinvited direction=sendonly; < updated direction=sendrecv; < ended cause=remote-bye"),
    Scenario { count: 12, ..called("36-called-lossy", UDP, &["-lost", "8"], NONE,
        "call; call; call; call; call; call; call; call; call; call; call; call; \
         < established; < established; < established; < established; < established; < established; \
         < established; < established; < established; < established; < established; < established; bye all") },
];

impl Scenario {
    /// Runs it over one transport.
    pub(super) fn run(&self, lab: &Lab, proxy: &Kamailio, wire: Wire, folder: &Path) -> Result<(), String> {
        let route = format!("--route={}", proxy.uri(Wire::Tls));
        let mut args = vec!["--password=secret"];
        args.extend(self.agent);
        if wire == Wire::Tls && self.sipp == SippIs::Called {
            args.push(&route);
        }
        let (mut agent, port) = lab.agent(folder, "bob", wire, &args)?;
        let (mut sipp, sipp_port) = self.start(lab, proxy, wire, folder, port)?;
        let theirs = if wire == Wire::Tls { Wire::Udp } else { wire };
        let uri = format!("sip:sipp@{}:{sipp_port};transport={theirs}", lab.host);
        let played = script::play(&mut agent, self.script, &uri);
        // What SIPp says of a failure is nearer to its cause; but then it may wait for ever.
        let patience = if played.is_ok() { sipp::RUN } else { Duration::from_secs(1) };
        let ended = sipp::finish(&mut sipp, folder, patience);
        match (ended, played) {
            (Ok(()), played) => played,
            (Err(told), Ok(())) => Err(told),
            (Err(told), Err(played)) => Err(format!("{told}\nagent: {played}")),
        }?;
        script::quit(&mut agent)
    }

    /// Starts SIPp, and waits until it listens if it is called.
    fn start(
        &self,
        lab: &Lab,
        proxy: &Kamailio,
        wire: Wire,
        folder: &Path,
        agent: u16,
    ) -> Result<(Guarded, u16), String> {
        let theirs = if wire == Wire::Tls { Wire::Udp } else { wire };
        let count = self.count.to_string();
        let target = format!("sip:bob@{}:{agent};transport={wire}", lab.host);
        let remote =
            format!("{}:{}", lab.host, if wire == Wire::Tls { proxy.port(Wire::Udp) } else { agent });
        let mut command = sipp::command(lab, folder, self.name);
        command
            .args(["-t", if theirs == Wire::Udp { "u1" } else { "t1" }, "-m", &count, "-l", &count])
            .args(["-trace_msg", "-message_file", "messages.log", "-recv_timeout", "20000"])
            .args(["-timeout", "60", "-timeout_error"])
            .args(self.options);
        let port = sipp::at_free_port(lab, &mut command, theirs)?;
        if self.sipp == SippIs::Calling {
            command.args(["-key", "target", &target, &remote]);
        }
        let mut sipp = Guarded::start(&mut command)?;
        if self.sipp == SippIs::Called {
            process::wait_for_port(&mut sipp, lab.host, theirs, port)?;
        }
        Ok((sipp, port))
    }
}
